"""Exit rules on closed candles, orders that shrink a position, entries that are taken back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.domain import ExecutionKind, OrderType
from tests.exchange.paper.scripted_market import candles
from tests.trading.execution.floor import Floor
from trading.choices import (
    CancelReason,
    ExitReason,
    OrderState,
    SignalState,
    TradeState,
    TradingStateName,
)
from trading.domain.protocol import ExitForm, ExitOrder
from trading.execution.executor import shrink, want_cancel
from trading.execution.protection import want_close
from trading.models import Order, StopMove, Trade, TradingState

D = Decimal


def now(trade: Trade) -> Trade:
    trade.refresh_from_db()
    return trade


def exits() -> list[str]:
    return list(Order.objects.filter(role="x").order_by("pk").values_list("state", flat=True))


def test_break_even_moves_the_stop_once_at_one_r(floor: Floor) -> None:
    trade = floor.opened(risk_amount=D(55))
    Trade.objects.update(exit_settings=trade.exit_settings | {"breakeven_at_r": "1.0"})
    floor.play(105, 105, 105)
    floor.rounds(5)
    move = StopMove.objects.get()
    assert (move.rule, move.accepted) == ("breakeven", True)
    assert now(trade).stop_loss > D(100)
    assert floor.venue.holdings["BTCUSDT"].stop_loss == trade.stop_loss


def test_rules_run_on_closed_candles_only(floor: Floor) -> None:
    floor.opened()
    floor.market._last["BTCUSDT"] = D(111)
    floor.rounds(3)
    assert not StopMove.objects.exists()


def test_missed_candles_are_caught_up_oldest_first(floor: Floor) -> None:
    trade = floor.opened(take_profit=D(120))
    floor.market.play(*candles(100, 104, "110.5", "112.6", 113))
    floor.rounds()
    assert [move.numbers["at_r"] for move in StopMove.objects.all()] == ["2.0", "2.5"]
    assert now(trade).state == TradeState.OPEN


def test_a_candle_that_the_venue_gives_late_is_managed_later(floor: Floor) -> None:
    floor.opened()
    floor.market.late = 1
    floor.play(111)
    assert not StopMove.objects.exists()
    floor.market.late = 0
    floor.rounds()
    assert StopMove.objects.count() == 1


def test_without_candles_the_rules_wait(floor: Floor) -> None:
    floor.opened()
    floor.market.silent = True
    floor.play(111)
    assert not StopMove.objects.exists()
    floor.market.silent = False
    floor.rounds()
    assert StopMove.objects.count() == 1


def test_managed_candles_are_stored_every_quarter_of_an_hour(floor: Floor) -> None:
    trade = floor.opened()
    opened = trade.managed_until
    assert opened is not None
    floor.play(*[100] * 14)
    assert now(trade).managed_until == opened
    floor.play(100)
    assert now(trade).managed_until == opened + timedelta(minutes=15)


def test_a_restart_manages_candles_again_without_moving_twice(floor: Floor) -> None:
    floor.opened()
    floor.play(110.5, 109)
    floor.restart()
    floor.rounds(2)
    assert StopMove.objects.count() == 1


def test_holding_too_long_closes_at_market(floor: Floor) -> None:
    trade = floor.opened()
    Trade.objects.update(exit_settings=trade.exit_settings | {"max_holding_bars": 1})
    floor.play(*[100] * 15)
    floor.rounds(2)
    assert (now(trade).state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.MAX_HOLDING)
    assert floor.venue.posts[-1].close_all
    assert floor.venue.posts[-1].reduce_only


def test_the_wish_to_close_outlives_a_crash(floor: Floor) -> None:
    trade = floor.opened()
    want_close(trade, ExitReason.MAX_HOLDING)
    floor.restart()
    floor.rounds(2)
    assert now(trade).state == TradeState.CLOSED


def test_the_first_reason_to_close_stays(floor: Floor) -> None:
    trade = floor.opened()
    assert want_close(trade, ExitReason.MAX_HOLDING)
    assert not want_close(trade, ExitReason.MANUAL)
    assert now(trade).close_wanted == ExitReason.MAX_HOLDING


def test_a_close_replaces_a_reduction(floor: Floor) -> None:
    trade = floor.opened()
    Trade.objects.update(close_wanted=ExitReason.MANUAL, target_qty=D(4))
    assert want_close(now(trade), ExitReason.UNPROTECTED)
    assert now(trade).target_qty == 0


def test_a_refused_close_is_repeated_with_pauses_until_flat(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.rejects = "venue_busy"
    want_close(trade, ExitReason.MAX_HOLDING)
    floor.rounds(5)
    assert len(exits()) == 1
    floor.leap(2)
    assert len(exits()) == 2
    floor.rounds(3)
    floor.leap(0.5)
    assert len(exits()) == 2
    floor.leap(1, 2, 4, 8, 10)
    assert len(exits()) == 7
    floor.venue.rejects = ""
    floor.leap(10)
    floor.rounds()
    assert now(trade).state == TradeState.CLOSED
    assert exits() == ["rejected"] * 7 + ["filled"]


def test_a_part_filled_close_sends_the_rest(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    want_close(trade, ExitReason.MAX_HOLDING)
    floor.rounds()
    working = Order.objects.get(role="x")
    floor.venue.fill(working.order_link_id, D(4))
    floor.leap(5)
    assert len(exits()) == 1
    floor.venue.cancel_order(symbol="BTCUSDT", order_link_id=working.order_link_id)
    floor.venue.fills = True
    floor.leap(1, 2)
    floor.rounds()
    assert (now(trade).state, trade.exit_qty) == (TradeState.CLOSED, D(10))


def test_a_manual_close_tries_near_the_touch_and_then_goes_to_market(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    want_close(trade, ExitReason.MANUAL)
    floor.rounds()
    first = floor.venue.posts[-1]
    assert (first.order_type, first.price, first.qty) == (OrderType.LIMIT, D("99.7"), D(10))
    floor.venue.cancel_order(symbol="BTCUSDT", order_link_id=first.order_link_id)
    floor.venue.fills = True
    floor.leap(1.5)
    assert len(exits()) == 1
    floor.leap(0.5)
    floor.rounds()
    assert floor.venue.posts[-1].order_type is OrderType.MARKET
    assert (now(trade).state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.MANUAL)


def test_a_short_is_closed_by_buying_a_little_above(floor: Floor) -> None:
    trade = floor.opened(
        direction="short", stop_loss=D(105), take_profit=D(90), limit_price=D("99.9")
    )
    want_close(trade, ExitReason.MANUAL)
    floor.rounds(2)
    assert floor.venue.posts[-1].price == D("100.4")
    assert now(trade).state == TradeState.CLOSED


def test_a_manual_close_without_a_quote_goes_to_market_at_once(floor: Floor) -> None:
    trade = floor.opened()
    trade.symbol, trade.close_wanted, trade.target_qty = "NOCOINUSDT", ExitReason.MANUAL, D(0)
    floor.venue.fills = False
    shrink(floor.desk, trade, ExitOrder(D(10), ExitForm.TOUCH))
    assert floor.venue.posts[-1].order_type is OrderType.MARKET


@pytest.mark.parametrize("state", [TradingStateName.REDUCING, TradingStateName.HALTED])
def test_exits_go_on_without_lease_and_in_every_trading_state(
    floor: Floor, state: TradingStateName
) -> None:
    trade = floor.opened()
    TradingState.objects.update(state=state)
    floor.desk.lease._valid_until = 0.0
    want_close(trade, ExitReason.MAX_HOLDING)
    floor.rounds(2)
    assert now(trade).state == TradeState.CLOSED


def test_exits_go_on_while_the_exchange_answers_no_questions(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.down |= {"drain", "positions", "order"}
    want_close(trade, ExitReason.MAX_HOLDING)
    late = floor.signal("ETHUSDT")
    floor.rounds()
    assert len(floor.venue.posts) == 2
    late.refresh_from_db()
    assert (late.state, late.rule) == (SignalState.DROPPED, "health")
    floor.venue.down.clear()
    floor.rounds()
    assert now(trade).state == TradeState.CLOSED


@pytest.mark.parametrize("shown_after", [0, 20])
@pytest.mark.parametrize("lost", ["before", "after"])
def test_two_quarter_closes_with_a_lost_answer_sell_half(
    floor: Floor, lost: str, shown_after: int
) -> None:
    trade = floor.opened()
    floor.venue.lose = lost
    floor.venue.before_post = lambda request: floor.venue.hidden.add(request.order_link_id)
    Trade.objects.update(close_wanted=ExitReason.MANUAL, target_qty=D("7.5"))
    floor.rounds()
    floor.venue.lose, floor.venue.before_post = "", None
    floor.venue.news.clear()
    Trade.objects.update(close_wanted=ExitReason.MANUAL, target_qty=D(5))
    floor.pass_seconds(shown_after)
    floor.venue.hidden.clear()
    floor.pass_seconds(40)
    assert floor.venue.size("BTCUSDT") == D(5)
    assert (now(trade).exit_qty, trade.close_wanted) == (D(5), "")
    assert not any(post.close_all for post in floor.venue.posts)


def test_a_report_without_its_executions_is_not_sold_again(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    Trade.objects.update(close_wanted=ExitReason.RISK_TRIM, target_qty=D(4))
    floor.rounds()
    order = Order.objects.get(role="x")
    floor.venue.fill(order.order_link_id, told=False)
    Order.objects.filter(pk=order.pk).update(state=OrderState.FILLED, filled_qty=D(6))
    floor.pass_seconds(15)
    assert len(exits()) == 1
    floor.leap(61)
    floor.rounds()
    assert (now(trade).exit_qty, trade.close_wanted) == (D(6), "")
    assert len(exits()) == 1


def test_a_lost_exit_that_lands_after_all_is_counted_before_the_next(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.lose = "before"
    Trade.objects.update(close_wanted=ExitReason.RISK_TRIM, target_qty=D(6))
    floor.rounds()
    floor.venue.lose = ""
    floor.pass_seconds(3)
    assert exits() == ["not_placed"]
    floor.venue.take(floor.venue.posts[-1])
    floor.pass_seconds(10)
    assert (now(trade).exit_qty, floor.venue.size("BTCUSDT")) == (D(4), D(6))
    assert exits() == ["filled"]


def test_an_exit_that_the_venue_throttles_is_repeated_in_a_new_row(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.rejects = "rate_limited"
    want_close(trade, ExitReason.MAX_HOLDING)
    floor.rounds()
    floor.venue.rejects = ""
    floor.pass_seconds(3)
    assert exits() == ["rejected", "filled"]
    assert now(trade).state == TradeState.CLOSED


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


def test_too_much_risk_after_the_fill_is_trimmed(floor: Floor) -> None:
    trade = floor.opened(risk_amount=D(30))
    floor.rounds(2)
    assert now(trade).exit_qty > 0
    assert trade.close_wanted == ""
    assert trade.state == TradeState.OPEN
    # 5 to the stop, 2 x 0.00055 x 100 of fees, 0.0005 x 95 of slippage: 5.1575 per unit
    assert floor.venue.size("BTCUSDT") == D("5.816")
    assert Order.objects.get(role="x").exit_reason == ExitReason.RISK_TRIM


def test_a_fill_below_the_minimum_is_closed(floor: Floor) -> None:
    floor.venue.fills = False
    floor.signal()
    floor.rounds()
    entry = floor.entry()
    floor.venue.fill(entry.order_link_id, D("0.001"))
    floor.venue.cancel_order(symbol="BTCUSDT", order_link_id=entry.order_link_id)
    floor.venue.fills = True
    floor.rounds(3)
    trade = Trade.objects.get()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.RISK_TRIM)


def test_nothing_is_trimmed_while_fills_are_still_on_their_way(floor: Floor) -> None:
    floor.venue.fills = False
    floor.signal()
    floor.rounds()
    link_id = floor.entry().order_link_id
    floor.venue.fill(link_id, D("0.001"))
    floor.venue.fill(link_id, told=False)
    Order.objects.update(state=OrderState.FILLED, filled_qty=D(10))
    floor.rounds(3)
    assert exits() == []


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
