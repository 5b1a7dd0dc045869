"""One account with something to show, and the browser of someone who signed in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests import factories
from tests.factories import NOON
from trading.choices import RiskProfile
from trading.models import Approval, Bot, Cycle, Lease, Trade
from trading.services import account_create
from trading.wiring import forget_markets, market_for

MARKET_START = NOON - timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Desk:
    """A simulated account at ``NOON`` with a live and a closed trade, and a question open."""

    account: ExchangeAccount
    bot: Bot
    cycle: Cycle
    trade: Trade
    closed: Trade
    approval: Approval


@pytest.fixture
def console(db: None) -> Client:
    """The browser of an operator who signed in."""
    client = Client()
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


@pytest.fixture
def account(db: None) -> Iterator[ExchangeAccount]:
    """A simulated account whose market stands still at ``NOON``, with a healthy trader."""
    forget_markets()
    made = account_create(
        name="demo",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT", "ETHUSDT"],
        market_start=NOON,
        speed=120,
        seed=7,
    )
    lease = factories.LeaseFactory.build(account=made)
    Lease.objects.update_or_create(
        account=made,
        defaults={
            "holder": lease.holder,
            "heartbeat_at": lease.heartbeat_at,
            "acquired_at": lease.acquired_at,
            "expires_at": lease.expires_at,
            "reconciled": True,
        },
    )
    yield made
    forget_markets()


@pytest.fixture
def desk(account: ExchangeAccount) -> Desk:
    """Levels are set around the market's own price, so that figures are plausible."""
    bot = factories.BotFactory.create(account=account, name="Classic 15m")
    cycle = factories.CycleFactory.create(bot=bot, boundary=NOON)
    last = market_for(account).quote("BTCUSDT").last
    levels = {
        "entry_price": last,
        "stop_loss": last - 1000,
        "take_profit": last + 2000,
        "qty": Decimal("0.1"),
    }
    signal = factories.SignalFactory.create(cycle=cycle, **levels)
    trade = factories.TradeFactory.create(
        signal=signal,
        planned_qty=Decimal("0.1"),
        entry_qty=Decimal("0.1"),
        entry_value=last / 10,
        initial_stop=last - 1000,
        initial_target=last + 2000,
        stop_loss=last - 1000,
        take_profit=last + 2000,
    )
    order = factories.OrderFactory.create(trade=trade)
    factories.ExecutionFactory.create(order=order)
    factories.EventFactory.create(account=account, data={"trade": trade.pk})
    earlier = factories.CycleFactory.create(bot=bot, boundary=NOON - timedelta(hours=6))
    factories.CycleStepFactory.create(cycle=earlier, number=3)
    factories.SignalFactory.create(cycle=earlier, symbol="ETHUSDT", rejected=True)
    won = factories.SignalFactory.create(cycle=earlier)
    closed = factories.TradeFactory.create(signal=won, closed=True)
    factories.StopMoveFactory.create(trade=closed)
    factories.CashflowFactory.create(trade=closed)
    asking = factories.SignalFactory.create(cycle=cycle, symbol="ETHUSDT", state="waiting")
    approval = factories.ApprovalFactory.create(signal=asking)
    return Desk(account, bot, cycle, trade, closed, approval)
