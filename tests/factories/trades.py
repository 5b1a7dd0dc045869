"""Trades, orders, fills and money."""

# factory_boy declares itself typed but leaves its declarations without annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from factory.declarations import LazyFunction, SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from tests.factories.cycles import SignalFactory
from tests.factories.exchange import MINUTE, NOON, AccountFactory
from trading.choices import CashflowKind, OrderRole, OrderState, TradeState, WalletCheckState
from trading.models import (
    Cashflow,
    Counterfactual,
    EquityPoint,
    Execution,
    MonitorCandle,
    Order,
    StopMove,
    Trade,
    WalletCheck,
)


class TradeFactory(DjangoModelFactory[Trade]):
    """An open, protected long of 0.06 BTC; ``closed=True`` took its profit."""

    class Meta:
        model = Trade

    class Params:
        closed = Trait(
            state=TradeState.CLOSED,
            exit_qty=Decimal("0.06"),
            exit_value=Decimal(5994),
            fees=Decimal("6.50"),
            funding=Decimal("0.40"),
            closed_market=NOON + timedelta(hours=3),
            exit_reason="take_profit",
            net_pnl=Decimal("167.10"),
            r_multiple=Decimal("1.797"),
        )

    signal = SubFactory(SignalFactory)
    account = SelfAttribute("signal.account")
    bot = SelfAttribute("signal.bot")
    symbol = SelfAttribute("signal.symbol")
    side = "buy"
    state = TradeState.OPEN
    version = 3
    planned_qty = Decimal("0.06")
    planned_risk = Decimal("99.2")
    entry_qty = Decimal("0.06")
    entry_value = Decimal(5820)
    fees = Decimal("3.20")
    initial_stop = Decimal(95450)
    initial_target = Decimal(99900)
    stop_loss = Decimal(95450)
    take_profit = Decimal(99900)
    leverage = Decimal(2)
    atr = Decimal(600)
    created_market = NOON
    opened_market = NOON + timedelta(seconds=30)
    protected_at = LazyFunction(lambda: datetime.now(UTC))
    longest_naked_ms = 180


class OrderFactory(DjangoModelFactory[Order]):
    class Meta:
        model = Order

    trade = SubFactory(TradeFactory)
    account = SelfAttribute("trade.account")
    signal = SelfAttribute("trade.signal")
    order_link_id = Sequence(lambda n: f"at1-{n:026d}-e")
    venue_order_id = Sequence(lambda n: f"o{n}")
    role = OrderRole.ENTRY
    symbol = SelfAttribute("trade.symbol")
    side = SelfAttribute("trade.side")
    order_type = "limit"
    time_in_force = "ioc"
    qty = Decimal("0.06")
    price = Decimal("97048.5")
    stop_loss = Decimal(95450)
    take_profit = Decimal(99900)
    state = OrderState.FILLED
    filled_qty = Decimal("0.06")
    avg_price = Decimal(97000)
    created_market = NOON


class ExecutionFactory(DjangoModelFactory[Execution]):
    class Meta:
        model = Execution

    order = SubFactory(OrderFactory)
    trade = SelfAttribute("order.trade")
    account = SelfAttribute("order.account")
    exec_id = Sequence(lambda n: f"x{n}")
    venue_order_id = SelfAttribute("order.venue_order_id")
    order_link_id = SelfAttribute("order.order_link_id")
    symbol = SelfAttribute("order.symbol")
    side = SelfAttribute("order.side")
    qty = Decimal("0.06")
    price = Decimal(97000)
    fee = Decimal("3.20")
    is_maker = False
    kind = "trade"
    time = NOON


class StopMoveFactory(DjangoModelFactory[StopMove]):
    class Meta:
        model = StopMove

    trade = SubFactory(TradeFactory)
    rule = "tighten"
    old_stop = Decimal(95450)
    new_stop = Decimal(98100)
    old_target = Decimal(99900)
    new_target = Decimal(99900)
    numbers = {"r": "1.50", "lock_r": "0.75"}
    answer = "ok"
    accepted = True
    market_time = NOON + timedelta(hours=1)


class CashflowFactory(DjangoModelFactory[Cashflow]):
    class Meta:
        model = Cashflow

    trade = SubFactory(TradeFactory)
    account = SelfAttribute("trade.account")
    entry_id = Sequence(lambda n: f"f{n}")
    kind = CashflowKind.FUNDING
    symbol = SelfAttribute("trade.symbol")
    amount = Decimal("-0.40")
    time = NOON + timedelta(hours=4)


class EquityPointFactory(DjangoModelFactory[EquityPoint]):
    class Meta:
        model = EquityPoint

    account = SubFactory(AccountFactory)
    time = Sequence(lambda n: NOON + n * MINUTE)
    wallet = Decimal(10000)
    equity = Decimal(10000)


class WalletCheckFactory(DjangoModelFactory[WalletCheck]):
    class Meta:
        model = WalletCheck

    account = SubFactory(AccountFactory)
    day = Sequence(lambda n: NOON.date() + timedelta(days=n))
    state = WalletCheckState.AGREED
    booked = Decimal("12.5")
    reported = Decimal("12.5")
    difference = Decimal(0)
    checked_at = NOON


class CounterfactualFactory(DjangoModelFactory[Counterfactual]):
    """A signal that is still followed."""

    class Meta:
        model = Counterfactual

    signal = SubFactory(SignalFactory)
    stopped_by = "rr_net"
    followed_to = NOON


class MonitorCandleFactory(DjangoModelFactory[MonitorCandle]):
    class Meta:
        model = MonitorCandle

    market = "bybit:global"
    symbol = "BTCUSDT"
    open_time = Sequence(lambda n: NOON + n * MINUTE)
    seconds = 60
    open = Decimal(97000)
    high = Decimal(97050)
    low = Decimal(96950)
    close = Decimal(97010)
    volume = Decimal(12)
