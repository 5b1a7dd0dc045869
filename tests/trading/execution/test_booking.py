"""What the venue reports becomes rows once, in whatever order and however often it comes."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.domain import (
    ZERO,
    AccountUpdate,
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    OrderReport,
    OrderType,
    Side,
    VenueOrderStatus,
)
from tests.factories import NOON, AccountFactory, OrderFactory, SignalFactory, TradeFactory
from trading.choices import CancelReason, ExitReason, OrderRole, OrderState, TradeState
from trading.execution.booking import book
from trading.models import Cashflow, Event, Order, Trade
from trading.models import Execution as ExecutionRow

D = Decimal
pytestmark = pytest.mark.django_db

Item = OrderReport | Execution | LedgerEntry
STATUS = VenueOrderStatus
FRESH: dict[str, Any] = {
    "entry_qty": 0,
    "entry_value": 0,
    "fees": 0,
    "version": 0,
    "initial_stop": D(95),
    "stop_loss": D(95),
    "take_profit": D(110),
    "opened_market": None,
    "protected_at": None,
    "longest_naked_ms": 0,
}


@pytest.fixture
def trade() -> Trade:
    """A pending long whose entry of ten has been sent, with an exit of three beside it."""
    account = AccountFactory.create()
    signal = SignalFactory.create(cycle__bot__account=account)
    pending: Trade = TradeFactory.create(signal=signal, state=TradeState.PENDING, **FRESH)
    fields = {"trade": pending, "filled_qty": 0, "avg_price": None, "venue_order_id": ""}
    OrderFactory.create(order_link_id="at1-in-e", qty=D(10), state=OrderState.SUBMITTED, **fields)
    OrderFactory.create(
        order_link_id="at1-out-x",
        qty=D(3),
        role=OrderRole.EXIT,
        side="sell",
        signal=None,
        exit_reason=ExitReason.RISK_TRIM,
        state=OrderState.SUBMITTED,
        **fields,
    )
    return pending


def fill(
    exec_id: str,
    qty: int,
    price: str,
    minute: int,
    *,
    link_id: str = "",
    side: Side = Side.SELL,
    kind: ExecutionKind = ExecutionKind.TRADE,
) -> Execution:
    return Execution(
        exec_id=exec_id,
        order_id=f"o{link_id}",
        order_link_id=link_id,
        symbol="BTCUSDT",
        side=side,
        qty=D(qty),
        price=D(price),
        fee=D("0.5"),
        is_maker=False,
        kind=kind,
        time=NOON + timedelta(minutes=minute),
    )


def entered(exec_id: str, qty: int, price: str, minute: int) -> Execution:
    return fill(exec_id, qty, price, minute, link_id="at1-in-e", side=Side.BUY)


def report(link_id: str, status: STATUS, filled: int, minute: int, qty: int = 10) -> OrderReport:
    return OrderReport(
        order_link_id=link_id,
        order_id=f"o{link_id}",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        status=status,
        qty=D(qty),
        filled_qty=D(filled),
        avg_price=D(100) if filled else None,
        price=D(100),
        reduce_only=False,
        created_at=NOON,
        updated_at=NOON + timedelta(minutes=minute),
    )


def funding(entry_id: str, amount: str, minute: int) -> LedgerEntry:
    moment = NOON + timedelta(minutes=minute)
    return LedgerEntry(entry_id, LedgerKind.FUNDING, "BTCUSDT", D(amount), moment)


def update(*items: Item) -> AccountUpdate:
    return AccountUpdate(
        orders=tuple(one for one in items if isinstance(one, OrderReport)),
        executions=tuple(one for one in items if isinstance(one, Execution)),
        ledger=tuple(one for one in items if isinstance(one, LedgerEntry)),
    )


STOPPED = fill("stop", 7, "95", 9, kind=ExecutionKind.STOP_LOSS)
HISTORY: tuple[Item, ...] = (
    report("at1-in-e", STATUS.NEW, 0, 0),
    entered("in1", 4, "100", 1),
    report("at1-in-e", STATUS.PARTIALLY_FILLED, 4, 1),
    entered("in2", 6, "100.2", 2),
    report("at1-in-e", STATUS.FILLED, 10, 2),
    funding("f1", "-0.7", 5),
    report("at1-out-x", STATUS.NEW, 0, 6, qty=3),
    fill("out1", 3, "103", 7, link_id="at1-out-x"),
    report("at1-out-x", STATUS.FILLED, 3, 7, qty=3),
    STOPPED,
    funding("f2", "-0.1", 9),
)


@dataclass(frozen=True)
class Rows:
    """What must not depend on the order of the news."""

    trade: tuple[object, ...]
    orders: frozenset[tuple[object, ...]]
    executions: frozenset[tuple[object, ...]]
    cashflows: frozenset[tuple[object, ...]]


TRADE_FIELDS = (
    "state",
    "entry_qty",
    "entry_value",
    "exit_qty",
    "exit_value",
    "fees",
    "funding",
    "opened_market",
    "closed_market",
    "exit_reason",
    "cancel_reason",
    "net_pnl",
    "r_multiple",
    "close_wanted",
)


def rows() -> Rows:
    return Rows(
        trade=Trade.objects.values_list(*TRADE_FIELDS).get(),
        orders=frozenset(Order.objects.values_list("order_link_id", "state", "filled_qty")),
        executions=frozenset(ExecutionRow.objects.values_list("exec_id", "trade_id", "order_id")),
        cashflows=frozenset(Cashflow.objects.values_list("entry_id", "trade_id", "amount")),
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(), repeats=st.integers(0, 6), pieces=st.integers(1, 12))
def test_any_order_and_any_repetition_give_the_same_rows(
    trade: Trade, seed: int, repeats: int, pieces: int
) -> None:
    dice = random.Random(seed)
    news = [*HISTORY, *dice.choices(HISTORY, k=repeats)]
    dice.shuffle(news)
    with transaction.atomic():
        for one in HISTORY:
            book(trade.account, update(one))
        straight = rows()
        transaction.set_rollback(True)
    with transaction.atomic():
        for start in range(pieces):
            book(trade.account, update(*news[start::pieces]))
        assert rows() == straight
        assert straight.trade[0] == TradeState.CLOSED
        transaction.set_rollback(True)


def test_the_result_is_price_minus_fees_minus_funding(trade: Trade) -> None:
    book(trade.account, update(*HISTORY))
    trade.refresh_from_db()
    # 3 x 103 + 7 x 95 - (4 x 100 + 6 x 100.2), four fees of 0.5, funding of 0.8
    assert trade.net_pnl == D("974") - D("1001.2") - D(2) - D("0.8")
    assert trade.r_multiple == (D(-30) / D("51.2")).quantize(D("0.00000001"))
    assert trade.exit_reason == ExitReason.STOP_LOSS


def test_booking_twice_changes_nothing(trade: Trade) -> None:
    book(trade.account, update(*HISTORY))
    trade.refresh_from_db()
    events = Event.objects.count()
    again = book(trade.account, update(*HISTORY))
    assert not again
    assert Trade.objects.get().version == trade.version
    assert Event.objects.count() == events


def test_an_empty_update_costs_nothing(trade: Trade, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert not book(trade.account, AccountUpdate())


def test_entry_and_stop_in_one_update_open_and_close_the_trade(trade: Trade) -> None:
    whole = replace(STOPPED, qty=D(10))
    book(
        trade.account,
        update(report("at1-in-e", STATUS.FILLED, 10, 1), whole, entered("in", 10, "100", 1)),
    )
    kinds = list(Event.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["trade_opened", "trade_closed"]
    assert Trade.objects.get().exit_reason == ExitReason.STOP_LOSS


def test_a_final_report_waits_for_the_fills_it_counts(trade: Trade) -> None:
    book(trade.account, update(report("at1-in-e", STATUS.FILLED, 10, 1)))
    assert Trade.objects.get().state == TradeState.PENDING
    book(trade.account, update(entered("in", 10, "100", 1)))
    opened = Trade.objects.get()
    assert (opened.state, opened.close_wanted) == (TradeState.OPEN, "")


def test_a_trade_stays_open_while_its_entry_may_still_fill(trade: Trade) -> None:
    book(trade.account, update(entered("in1", 4, "100", 1), replace(STOPPED, qty=D(4))))
    assert Trade.objects.get().state == TradeState.OPEN
    book(trade.account, update(report("at1-in-e", STATUS.CANCELLED, 4, 2)))
    assert Trade.objects.get().state == TradeState.CLOSED


def test_filled_quantity_never_falls(trade: Trade) -> None:
    book(trade.account, update(report("at1-in-e", STATUS.PARTIALLY_FILLED, 6, 2)))
    book(trade.account, update(report("at1-in-e", STATUS.PARTIALLY_FILLED, 4, 1)))
    book(trade.account, update(report("at1-in-e", STATUS.NEW, 0, 0)))
    entry = Order.objects.get(role=OrderRole.ENTRY)
    assert (entry.state, entry.filled_qty) == (OrderState.PARTIALLY_FILLED, D(6))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (STATUS.CANCELLED, CancelReason.NOT_FILLED),
        (STATUS.REJECTED, CancelReason.REJECTED),
    ],
)
def test_an_entry_that_never_filled_cancels_the_trade(
    trade: Trade, status: STATUS, reason: CancelReason
) -> None:
    book(trade.account, update(report("at1-in-e", status, 0, 1)))
    cancelled = Trade.objects.get()
    assert (cancelled.state, cancelled.cancel_reason) == (TradeState.CANCELLED, reason)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ExecutionKind.LIQUIDATION, ExitReason.LIQUIDATION),
        (ExecutionKind.ADL, ExitReason.ADL),
        (ExecutionKind.TAKE_PROFIT, ExitReason.TAKE_PROFIT),
        (ExecutionKind.TRADE, ExitReason.EXTERNAL),
    ],
)
def test_what_the_venue_or_others_close_reduces_ours(
    trade: Trade, kind: ExecutionKind, reason: ExitReason
) -> None:
    book(trade.account, update(*HISTORY[:5]))
    book(trade.account, update(replace(STOPPED, qty=D(10), kind=kind)))
    closed = Trade.objects.get()
    assert (closed.state, closed.exit_reason) == (TradeState.CLOSED, reason)


@pytest.mark.parametrize(
    "strange",
    [
        fill("a", 1, "100", 1, side=Side.BUY),
        fill("b", 1, "100", 1, side=Side.SELL),
        fill("c", 1, "100", 1, link_id="somebody-else", side=Side.BUY),
    ],
)
def test_what_is_not_ours_is_booked_beside_the_pending_trade(
    trade: Trade, strange: Execution
) -> None:
    book(trade.account, update(strange))
    assert ExecutionRow.objects.get().trade is None
    assert Trade.objects.get().version == 0
    assert Event.objects.get().kind == "order_foreign"


def test_an_order_of_somebody_else_is_no_business_of_ours(trade: Trade) -> None:
    assert not book(trade.account, update(report("web-123", STATUS.NEW, 0, 1)))


def test_funding_of_a_flat_symbol_belongs_to_no_trade(trade: Trade) -> None:
    book(trade.account, update(funding("f", "-1", 1)))
    assert Cashflow.objects.get().trade is None
    assert Trade.objects.get().funding == ZERO


def test_funding_told_after_the_close_changes_the_result(trade: Trade) -> None:
    book(trade.account, update(*HISTORY[:-1]))
    before = Trade.objects.get().net_pnl
    book(trade.account, update(HISTORY[-1]))
    after = Trade.objects.get()
    assert before is not None
    assert after.net_pnl == before - D("0.1")


def test_funding_settled_after_the_close_is_not_charged(trade: Trade) -> None:
    book(trade.account, update(*HISTORY, funding("late", "-5", 30)))
    assert Trade.objects.get().funding == D("0.8")


def test_a_transfer_is_a_cashflow_without_a_trade(trade: Trade) -> None:
    moved = LedgerEntry("t1", LedgerKind.TRANSFER, "", D(500), NOON)
    executed = LedgerEntry("t2", LedgerKind.EXECUTION, "BTCUSDT", D(-1), NOON)
    book(trade.account, update(moved, executed))
    row = Cashflow.objects.get()
    assert (row.kind, row.amount, row.trade) == ("transfer", D(500), None)


def test_a_fill_after_the_close_opens_the_trade_again_to_close_it(trade: Trade) -> None:
    book(trade.account, update(entered("in1", 4, "100", 1), replace(STOPPED, qty=D(4))))
    book(trade.account, update(report("at1-in-e", STATUS.CANCELLED, 4, 10)))
    assert Trade.objects.get().state == TradeState.CLOSED
    book(trade.account, update(entered("late", 6, "100", 11)))
    reopened = Trade.objects.get()
    assert (reopened.state, reopened.close_wanted) == (TradeState.OPEN, ExitReason.LATE_FILL)
    assert (reopened.net_pnl, reopened.target_qty) == (None, ZERO)
