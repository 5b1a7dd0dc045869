"""Accounts, their markets and the paper venue."""

# factory_boy declares itself typed but leaves its declarations without annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from exchange.choices import LinkState, Mode
from exchange.models import (
    CandleSeries,
    ExchangeAccount,
    MarketSession,
    PaperAccount,
    PaperExecution,
    PaperLedgerEntry,
    PaperOrder,
    PaperPosition,
    VenueLink,
)

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class AccountFactory(DjangoModelFactory[ExchangeAccount]):
    class Meta:
        model = ExchangeAccount

    name = Sequence(lambda n: f"account {n}")
    mode = Mode.SIM
    start_equity = Decimal(10000)


class MarketSessionFactory(DjangoModelFactory[MarketSession]):
    """A simulated market whose time stands still at ``NOON`` of 2024-03-01."""

    class Meta:
        model = MarketSession

    account = SubFactory(AccountFactory)
    seed = 7
    symbols = ["BTCUSDT", "ETHUSDT"]
    speed = 120
    start = NOON - timedelta(days=1)
    anchor_market = NOON
    anchor_wall = LazyFunction(lambda: datetime.now(UTC))
    reserved_until = NOON


class VenueLinkFactory(DjangoModelFactory[VenueLink]):
    """A connection to the venue that is well."""

    class Meta:
        model = VenueLink

    account = SubFactory(AccountFactory)
    name = Sequence(lambda n: f"account-{n}")
    host = "https://api-demo.bybit.com"
    state = LinkState.OK
    clock_offset_ms = 12
    streams = {"private": "ready"}
    updated_at = NOON


class CandleSeriesFactory(DjangoModelFactory[CandleSeries]):
    class Meta:
        model = CandleSeries

    symbol = Sequence(lambda n: f"COIN{n}USDT")
    interval_s = 3600
    path = LazyAttribute(lambda o: f"{o.symbol}-{o.interval_s}.parquet")
    sha256 = LazyAttribute(lambda o: digest(o.path))
    rows = 48
    first_open = NOON - timedelta(days=2)
    last_open = NOON
    source = "candles.csv"


class PaperAccountFactory(DjangoModelFactory[PaperAccount]):
    class Meta:
        model = PaperAccount

    account = SubFactory(AccountFactory)
    wallet = Decimal(10000)
    advanced_to = NOON


class PaperOrderFactory(DjangoModelFactory[PaperOrder]):
    class Meta:
        model = PaperOrder

    account = SubFactory(AccountFactory)
    order_id = Sequence(lambda n: f"paper-o{n}")
    order_link_id = Sequence(lambda n: f"at1-paper{n}-e")
    symbol = "BTCUSDT"
    side = "buy"
    order_type = "limit"
    time_in_force = "gtc"
    qty = Decimal("0.01")
    price = Decimal(97000)
    status = "new"
    created_at = NOON
    updated_at = NOON


class PaperPositionFactory(DjangoModelFactory[PaperPosition]):
    class Meta:
        model = PaperPosition

    account = SubFactory(AccountFactory)
    symbol = "BTCUSDT"
    side = "buy"
    qty = Decimal("0.01")
    avg_price = Decimal(97000)
    cost = Decimal(970)
    stop_loss = Decimal(95450)
    take_profit = Decimal(99900)
    opened_at = NOON
    updated_at = NOON


class PaperExecutionFactory(DjangoModelFactory[PaperExecution]):
    class Meta:
        model = PaperExecution

    account = SubFactory(AccountFactory)
    exec_id = Sequence(lambda n: f"paper-x{n}")
    order_id = Sequence(lambda n: f"paper-o{n}")
    symbol = "BTCUSDT"
    side = "buy"
    qty = Decimal("0.01")
    price = Decimal(97000)
    fee = Decimal("0.5335")
    is_maker = False
    kind = "trade"
    time = NOON


class PaperLedgerEntryFactory(DjangoModelFactory[PaperLedgerEntry]):
    class Meta:
        model = PaperLedgerEntry

    account = SubFactory(AccountFactory)
    entry_id = Sequence(lambda n: f"paper-l{n}")
    kind = "execution"
    symbol = "BTCUSDT"
    amount = Decimal("-0.5335")
    time = NOON
