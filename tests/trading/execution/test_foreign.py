"""What is ours, what is somebody else's, and what the exchange takes by force."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.domain import ExecutionKind, Side
from tests.trading.execution.floor import Floor
from trading.choices import (
    CommandKind,
    CommandState,
    ExitReason,
    SignalState,
    TradeState,
)
from trading.execution.agreement import disagreements
from trading.execution.protection import want_close
from trading.models import Command, Event, Execution, Lease, Trade

D = Decimal


def events(kind: str) -> list[Event]:
    return list(Event.objects.filter(kind=kind))


def release(floor: Floor, trade: Trade) -> Command:
    command = Command.objects.create(
        account=floor.account,
        kind=CommandKind.RELEASE,
        target=trade.pk,
        idempotency_key=f"release-{trade.pk}-{Command.objects.count()}",
    )
    floor.rounds()
    command.refresh_from_db()
    return command


def test_a_close_in_the_app_reduces_ours(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stranger("BTCUSDT", Side.SELL, D(4))
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_qty) == (TradeState.OPEN, D(4))
    floor.venue.stranger("BTCUSDT", Side.SELL, D(6))
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.EXTERNAL)
    assert len(floor.venue.posts) == 1
    assert floor.desk.reconciled


def test_what_others_sell_beyond_ours_is_theirs(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stranger("BTCUSDT", Side.SELL, D(13))
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_qty) == (TradeState.CLOSED, D(10))
    execution = Execution.objects.get(side="sell")
    assert (execution.trade, execution.qty, execution.trade_qty) == (trade, D(13), D(10))
    assert trade.fees == D("0.55") + D("0.55")
    assert Lease.objects.get().external_symbols == ["BTCUSDT"]
    assert floor.desk.reconciled
    assert disagreements(floor.desk) == []


def test_what_others_add_closes_the_symbol_and_our_exits_leave_it(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stranger("BTCUSDT", Side.BUY, D(3))
    floor.rounds(2)
    assert Lease.objects.get().external_symbols == ["BTCUSDT"]
    assert floor.desk.reconciled
    assert len(events("order_foreign")) == 1
    floor.pass_seconds(3)
    want_close(trade, ExitReason.MAX_HOLDING)
    floor.rounds(3)
    trade.refresh_from_db()
    assert trade.state == TradeState.CLOSED
    close = floor.venue.posts[-1]
    assert (close.qty, close.close_all, close.reduce_only) == (D(10), False, True)
    assert floor.venue.size("BTCUSDT") == D(3)


def test_a_stop_that_closes_more_than_ours_books_ours(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stranger("BTCUSDT", Side.BUY, D(3))
    floor.rounds()
    floor.venue.trigger("BTCUSDT", ExecutionKind.STOP_LOSS, D(95))
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_qty, trade.exit_reason) == (
        TradeState.CLOSED,
        D(10),
        ExitReason.STOP_LOSS,
    )
    assert floor.desk.reconciled


def test_a_position_of_somebody_else_is_compared_at_once(floor: Floor) -> None:
    floor.venue.stranger("ETHUSDT", Side.BUY, D(3))
    floor.rounds()
    assert Lease.objects.get().external_symbols == ["ETHUSDT"]
    late = floor.signal("ETHUSDT")
    floor.rounds()
    late.refresh_from_db()
    assert (late.state, late.rule) == (SignalState.DROPPED, "occupied")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ExecutionKind.LIQUIDATION, ExitReason.LIQUIDATION),
        (ExecutionKind.ADL, ExitReason.ADL),
        (ExecutionKind.SETTLEMENT, ExitReason.DELISTING),
    ],
)
def test_what_the_exchange_takes_by_force_closes_ours_with_an_alarm(
    floor: Floor, kind: ExecutionKind, reason: ExitReason
) -> None:
    trade = floor.opened()
    floor.venue.trigger("BTCUSDT", kind, D(90))
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, reason)
    (event,) = events(f"trade_{kind}")
    assert (event.level, event.data["trade"]) == ("critical", trade.pk)


def test_a_part_taken_by_force_leaves_the_rest_managed(floor: Floor) -> None:
    trade = floor.opened()
    for _ in range(2):
        floor.venue.stranger("BTCUSDT", Side.SELL, D(2), kind=ExecutionKind.ADL)
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_qty) == (TradeState.OPEN, D(4))
    assert len(events("trade_adl")) == 2


def test_the_watchdogs_close_ends_our_trade_as_unprotected(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stranger("BTCUSDT", Side.SELL, D(10), link_id="at1-aaaaaaaaaaaaaaaaaaaaaaaaaa-p")
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.UNPROTECTED)
    assert events("order_foreign") == []


def test_an_order_with_our_prefix_that_adds_is_an_alarm(floor: Floor) -> None:
    floor.venue.stranger("BTCUSDT", Side.BUY, D(10), link_id="at1-aaaaaaaaaaaaaaaaaaaaaaaaaa-e")
    floor.rounds()
    (event,) = events("order_foreign")
    assert event.level == "critical"
    assert "an id of ours" in event.text


def test_a_released_trade_closes_as_external_and_is_left_alone(floor: Floor) -> None:
    trade = floor.opened()
    command = release(floor, trade)
    assert command.state == CommandState.DONE
    assert "10 BTCUSDT handed over" in command.answer
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason, trade.released_qty) == (
        TradeState.CLOSED,
        ExitReason.EXTERNAL,
        D(10),
    )
    assert trade.net_pnl == -trade.fees
    floor.venue.place_stop("BTCUSDT", None, None)
    floor.pass_seconds(5)
    assert floor.venue.stop_calls == []
    assert floor.venue.size("BTCUSDT") == D(10)
    assert Lease.objects.get().external_symbols == ["BTCUSDT"]
    floor.venue.stranger("BTCUSDT", Side.SELL, D(10))
    floor.rounds(2)
    trade.refresh_from_db()
    assert trade.exit_qty == 0


def test_a_trade_with_a_working_order_is_not_released(floor: Floor) -> None:
    floor.venue.fills = False
    floor.signal()
    floor.rounds()
    floor.venue.fill(floor.entry().order_link_id, D(4))
    floor.rounds()
    command = release(floor, Trade.objects.get())
    assert command.state == CommandState.REFUSED
    assert "cancel it first" in command.answer
