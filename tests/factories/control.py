"""Commands, leases, events and the record of actions."""

# factory_boy declares itself typed but leaves its declarations without annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from tests.factories.bots import UserFactory
from tests.factories.exchange import NOON, AccountFactory
from trading.choices import CommandKind, EventLevel
from trading.models import Command, Event, Lease, OperatorAction


class CommandFactory(DjangoModelFactory[Command]):
    class Meta:
        model = Command

    account = SubFactory(AccountFactory)
    kind = CommandKind.CLOSE
    idempotency_key = Sequence(lambda n: f"key-{n}")


class LeaseFactory(DjangoModelFactory[Lease]):
    """A clean lease whose holder gave a sign of life just now."""

    class Meta:
        model = Lease

    account = SubFactory(AccountFactory)
    token = 1
    holder = "boot/1/1"
    host = "desk"
    pid = 1
    heartbeat_at = LazyFunction(lambda: datetime.now(UTC))
    acquired_at = SelfAttribute("heartbeat_at")
    expires_at = LazyAttribute(lambda o: o.heartbeat_at + timedelta(seconds=15))
    reconciled = True


class EventFactory(DjangoModelFactory[Event]):
    class Meta:
        model = Event

    account = SubFactory(AccountFactory)
    mode = SelfAttribute("account.mode")
    kind = "trade_opened"
    level = EventLevel.INFO
    text = "BTCUSDT long opened."
    market_time = NOON
    created_at = LazyFunction(lambda: datetime.now(UTC))


class OperatorActionFactory(DjangoModelFactory[OperatorAction]):
    class Meta:
        model = OperatorAction

    actor = SubFactory(UserFactory)
    action = "bot_paused"
    target = "bot 1"
