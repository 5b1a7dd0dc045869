"""Entries that are taken back: too late, left behind, halted, or in the way of an exit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.domain import ExecutionKind
from tests.exchange.paper.scripted_market import candles
from tests.trading.execution.floor import Floor
from trading.choices import (
    CancelReason,
    ExitReason,
    OrderState,
    TradeState,
    TradingStateName,
)
from trading.execution.executor import want_cancel
from trading.execution.protection import want_close
from trading.models import Order, StopMove, Trade, TradingState

D = Decimal


def now(trade: Trade) -> Trade:
    trade.refresh_from_db()
    return trade


def test_the_rest_of_an_entry_is_taken_back_before_a_stop_moves(floor: Floor) -> None:
    order = resting(floor)
    floor.venue.fill(order.order_link_id, D(4), price=D(99))
    floor.rounds()
    Trade.objects.update(exit_settings=order.trade.exit_settings | {"breakeven_at_r": "1.0"})
    calls: list[str] = []
    floor.venue.before_cancel = lambda: calls.append("cancel")
    floor.venue.before_stop = lambda: calls.append("stop")
    floor.play(103.5)
    assert calls == ["cancel", "stop"]
    assert StopMove.objects.get().accepted


def test_what_an_entry_fills_after_exits_began_is_closed_again(floor: Floor) -> None:
    order = resting(floor)
    floor.venue.fill(order.order_link_id, D(6), price=D(99))
    floor.rounds()
    Trade.objects.update(close_wanted=ExitReason.MANUAL, target_qty=D(4))
    floor.venue.down.add("cancel_order")
    floor.rounds(2)
    assert now(order.trade).exit_qty == D(2)
    floor.market.play(*candles(99, 99))
    floor.venue.fill(order.order_link_id, D(3), price=D(99))
    floor.pass_seconds(4)
    assert now(order.trade).exit_qty == D(5)
    assert floor.venue.size("BTCUSDT") == D(4)


def test_what_an_entry_fills_after_its_stop_closed_it_is_closed_too(floor: Floor) -> None:
    order = resting(floor)
    floor.venue.fill(order.order_link_id, D(6), price=D(99))
    floor.rounds()
    floor.venue.trigger("BTCUSDT", ExecutionKind.STOP_LOSS, D(95))
    floor.market.play(*candles(95, 96))
    floor.venue.fill(order.order_link_id, D(4), price=D(96))
    floor.pass_seconds(3)
    trade = now(order.trade)
    assert (trade.state, trade.entry_qty, trade.exit_qty) == (TradeState.CLOSED, D(10), D(10))
    assert trade.exit_reason == ExitReason.LATE_FILL
    assert floor.venue.size("BTCUSDT") == 0


def test_an_unknown_entry_is_cancelled_by_its_id_when_trading_halts(floor: Floor) -> None:
    floor.venue.lose = "after"
    floor.venue.before_post = lambda request: floor.venue.hidden.add(request.order_link_id)
    floor.resting()
    floor.rounds()
    floor.venue.news.clear()
    TradingState.objects.update(state=TradingStateName.HALTED)
    floor.venue.hidden.clear()
    floor.pass_seconds(3)
    assert floor.entry().state == OrderState.CANCELLED
    assert Trade.objects.get().cancel_reason == CancelReason.KILL_SWITCH


def resting(floor: Floor) -> Order:
    floor.resting()
    floor.rounds(2)
    order = floor.entry()
    assert order.state == OrderState.ACKNOWLEDGED
    return order


def test_an_entry_is_cancelled_after_two_bars(floor: Floor) -> None:
    resting(floor)
    floor.play(*[100] * 29)
    assert floor.venue.cancels == []
    floor.play(100)
    floor.rounds()
    trade = Trade.objects.get()
    assert (trade.state, trade.cancel_reason) == (TradeState.CANCELLED, CancelReason.EXPIRED)


@pytest.mark.parametrize("price", [104.5, 95])
def test_an_entry_that_price_left_behind_is_cancelled(floor: Floor, price: float) -> None:
    resting(floor)
    floor.play(price)
    floor.rounds()
    assert Trade.objects.get().cancel_reason == CancelReason.TARGET_REACHED


def test_halting_cancels_working_entries_and_reducing_keeps_them(floor: Floor) -> None:
    resting(floor)
    TradingState.objects.update(state=TradingStateName.REDUCING)
    floor.rounds()
    assert floor.venue.cancels == []
    TradingState.objects.update(state=TradingStateName.HALTED)
    floor.rounds(2)
    assert Trade.objects.get().cancel_reason == CancelReason.KILL_SWITCH


def test_a_reading_that_turned_takes_the_entry_back(floor: Floor) -> None:
    order = resting(floor)
    assert want_cancel(order.trade, CancelReason.OPPOSITE) == 1
    floor.rounds(2)
    assert Trade.objects.get().cancel_reason == CancelReason.OPPOSITE


def test_an_unanswered_cancel_is_repeated_every_two_seconds(floor: Floor) -> None:
    order = resting(floor)
    floor.venue.hidden.add(order.order_link_id)
    want_cancel(order.trade, CancelReason.MANUAL)
    floor.rounds(10)
    assert len(floor.venue.cancels) == 1
    floor.venue.down.add("cancel_order")
    floor.leap(2)
    floor.venue.down.clear()
    floor.venue.hidden.clear()
    floor.leap(2)
    floor.rounds()
    assert floor.entry().state == OrderState.CANCELLED


def test_a_closing_fill_takes_the_rest_of_the_entry_back(floor: Floor) -> None:
    order = resting(floor)
    floor.venue.fill(order.order_link_id, D(4), price=D(99))
    floor.rounds()
    floor.venue.trigger("BTCUSDT", ExecutionKind.STOP_LOSS, D(95))
    floor.rounds(3)
    trade = Trade.objects.get()
    assert floor.entry().state == OrderState.CANCELLED
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.STOP_LOSS)


def test_a_cancel_that_lost_the_race_against_a_fill_opens_the_trade(floor: Floor) -> None:
    order = resting(floor)
    floor.venue.before_cancel = lambda: floor.venue.fill(order.order_link_id, price=D(99))
    want_cancel(order.trade, CancelReason.EXPIRED)
    floor.rounds(2)
    trade = Trade.objects.get()
    assert (trade.state, trade.entry_qty) == (TradeState.OPEN, D(10))
    assert len(floor.venue.posts) == 1


def test_without_a_quote_a_resting_entry_stays(floor: Floor) -> None:
    order = resting(floor)
    Order.objects.update(symbol="NOCOINUSDT")
    floor.rounds()
    order.refresh_from_db()
    assert order.cancel_reason == ""


def test_closing_a_trade_that_waits_for_its_entry_cancels_it(floor: Floor) -> None:
    order = resting(floor)
    want_close(order.trade, ExitReason.MANUAL)
    floor.rounds(2)
    trade = Trade.objects.get()
    assert (trade.state, trade.close_wanted) == (TradeState.CANCELLED, "")
