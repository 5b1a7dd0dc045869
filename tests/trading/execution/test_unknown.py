"""Orders whose answer is missing: looked up, adopted, or proved absent, and never sent again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.execution.floor import Floor
from trading.choices import CancelReason, ExitReason, OrderState, TradeState
from trading.execution.protection import want_close
from trading.models import Event, Execution, Lease, Order, Trade

D = Decimal


def unknown(floor: Floor, lost: str = "before") -> Order:
    floor.venue.lose = lost
    floor.signal()
    floor.rounds()
    floor.venue.lose = ""
    return floor.entry()


def kinds() -> set[str]:
    return set(Event.objects.values_list("kind", flat=True))


def test_an_order_without_answer_is_unknown_not_failed(floor: Floor) -> None:
    order = unknown(floor)
    assert order.state == OrderState.UNKNOWN
    assert order.trade.state == TradeState.PENDING
    assert "order_unknown" in kinds()


def test_an_unknown_order_is_told_as_a_doubt(floor: Floor) -> None:
    unknown(floor)
    floor.rounds()
    assert Lease.objects.get().doubts == ["order of BTCUSDT unresolved"]


def test_one_that_had_arrived_is_adopted_with_its_fills(floor: Floor) -> None:
    floor.venue.lose = "after"
    floor.signal()
    floor.rounds()
    floor.venue.news.clear()
    floor.rounds()
    order = floor.entry()
    assert (order.state, order.filled_qty) == (OrderState.FILLED, D(10))
    assert order.trade.state == TradeState.OPEN
    assert "order_found" in kinds()
    floor.rounds()
    assert Lease.objects.get().doubts == []


def test_absence_takes_thirty_seconds_of_answered_look_ups(floor: Floor) -> None:
    unknown(floor)
    floor.leap(10, 10, 9)
    assert floor.entry().state == OrderState.UNKNOWN
    assert floor.entry().not_found_count >= 3
    floor.leap(2)
    order = floor.entry()
    assert order.state == OrderState.NOT_PLACED
    assert floor.venue.cancels == [order.order_link_id]
    trade = Trade.objects.get()
    assert (trade.state, trade.cancel_reason) == (TradeState.CANCELLED, CancelReason.NOT_PLACED)
    assert len(floor.venue.posts) == 1


@pytest.mark.parametrize("call", ["order", "executions"])
def test_an_error_never_counts_as_not_found(floor: Floor, call: str) -> None:
    order = unknown(floor)
    floor.venue.down.add(call)
    floor.leap(10, 10, 10, 10)
    order.refresh_from_db()
    assert (order.state, order.not_found_count) == (OrderState.UNKNOWN, 0)
    floor.venue.down.clear()
    floor.leap(1, 1)
    assert floor.entry().state == OrderState.UNKNOWN
    floor.leap(1)
    assert floor.entry().state == OrderState.NOT_PLACED


def test_a_failing_venue_is_asked_once_a_second(floor: Floor) -> None:
    unknown(floor)
    floor.venue.down.add("order")
    before = floor.venue.lookups
    floor.rounds(20)
    assert floor.venue.lookups - before <= 1


def test_a_cancel_without_answer_proves_nothing(floor: Floor) -> None:
    unknown(floor)
    floor.venue.down.add("cancel_order")
    floor.leap(10, 10, 10, 10)
    assert floor.entry().state == OrderState.UNKNOWN


def test_a_cancel_that_was_taken_means_that_the_order_is_there(floor: Floor) -> None:
    floor.venue.fills = False
    unknown(floor)
    floor.leap(10, 10)
    # It shows between the last look-up and the cancel.
    floor.venue.before_cancel = lambda: floor.venue.take(floor.venue.posts[0], told=False)
    floor.leap(10, 1)
    order = floor.entry()
    assert (order.state, len(floor.venue.cancels)) == (OrderState.CANCELLED, 1)


def test_a_venue_that_shows_the_order_late_still_gives_one_trade(floor: Floor) -> None:
    floor.venue.lose = "after"
    floor.signal()
    floor.venue.before_post = lambda request: floor.venue.hidden.add(request.order_link_id)
    floor.rounds()
    floor.venue.news.clear()
    floor.leap(5, 10)
    assert floor.entry().state == OrderState.UNKNOWN
    floor.venue.hidden.clear()
    floor.pass_seconds(1)
    assert floor.entry().state == OrderState.FILLED
    assert Trade.objects.get().entry_qty == D(10)


def test_executions_alone_are_booked_while_the_order_is_not_shown(floor: Floor) -> None:
    order = unknown(floor, "after")
    floor.venue.news.clear()
    report = floor.venue.reports.pop(order.order_link_id)
    floor.pass_seconds(1)
    assert Execution.objects.count() == 1
    assert floor.entry().state == OrderState.UNKNOWN
    floor.venue.reports[order.order_link_id] = report
    floor.pass_seconds(2)
    assert floor.entry().state == OrderState.FILLED


def test_an_order_that_arrives_after_its_absence_was_proved_is_closed(floor: Floor) -> None:
    unknown(floor)
    floor.leap(10, 10, 11)
    floor.venue.take(floor.venue.posts[0])
    floor.pass_seconds(5)
    trade = Trade.objects.get()
    assert floor.entry().state == OrderState.FILLED
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.LATE_FILL)
    assert trade.cancel_reason == ""
    assert floor.venue.size("BTCUSDT") == 0
    assert {"order_late", "trade_late_fill"} <= kinds()


def test_an_entry_that_fills_after_its_cancel_is_closed(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    order = floor.entry()
    floor.venue.cancel_order(symbol="BTCUSDT", order_link_id=order.order_link_id)
    floor.rounds()
    assert Trade.objects.get().state == TradeState.CANCELLED
    floor.venue.fill(order.order_link_id, price=D(99))
    floor.pass_seconds(3)
    trade = Trade.objects.get()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.LATE_FILL)


def test_a_late_fill_beside_another_trade_is_closed_by_its_own_quantity(floor: Floor) -> None:
    late = unknown(floor).trade
    floor.leap(10, 10, 11)
    holder = floor.opened(qty=D(7))
    floor.venue.take(floor.venue.posts[0])
    assert floor.venue.size("BTCUSDT") == D(17)
    floor.pass_seconds(3)
    late.refresh_from_db()
    holder.refresh_from_db()
    assert (late.state, late.exit_reason) == (TradeState.CLOSED, ExitReason.LATE_FILL)
    assert (holder.state, holder.entry_qty, holder.exit_qty) == (TradeState.OPEN, D(7), D(0))
    close = floor.venue.posts[-1]
    assert (close.qty, close.reduce_only, close.close_all) == (D(10), True, False)
    assert floor.venue.size("BTCUSDT") == D(7)
    assert Event.objects.filter(kind="trade_late_fill").count() == 1


def test_a_late_fill_against_another_trade_closes_that_one(floor: Floor) -> None:
    unknown(floor)
    floor.leap(10, 10, 11)
    holder = floor.opened(
        direction="short", stop_loss=D(105), take_profit=D(90), limit_price=D("99.9")
    )
    floor.venue.take(floor.venue.posts[0])
    floor.pass_seconds(3)
    holder.refresh_from_db()
    assert (holder.state, holder.exit_reason) == (TradeState.CLOSED, ExitReason.LATE_FILL)
    assert floor.venue.size("BTCUSDT") == 0
    assert len(floor.venue.posts) == 2
    assert floor.desk.reconciled


@pytest.mark.parametrize("code", ["rate_limited", "not_sent", "symbol_closed"])
def test_a_refused_entry_is_over_and_never_sent_again(floor: Floor, code: str) -> None:
    floor.venue.rejects = code
    floor.signal()
    floor.rounds()
    floor.venue.rejects = ""
    floor.pass_seconds(40)
    assert floor.entry().state == OrderState.REJECTED
    assert Trade.objects.get().cancel_reason == CancelReason.REJECTED
    assert len(floor.venue.posts) == 1


def test_an_id_that_was_used_before_is_looked_up(floor: Floor) -> None:
    floor.venue.before_post = lambda request: floor.venue.take(request, told=False)
    floor.venue.rejects = "duplicate_link_id"
    floor.signal()
    floor.rounds()
    assert floor.entry().state == OrderState.UNKNOWN
    floor.rounds()
    assert floor.entry().state == OrderState.FILLED


def test_a_taken_order_that_the_venue_forgets_is_looked_up_and_then_given_up(
    floor: Floor,
) -> None:
    floor.resting()
    floor.rounds(2)
    order = floor.entry()
    del floor.venue.reports[order.order_link_id]
    floor.leap(61, 1)
    assert Lease.objects.get().doubts == ["order of BTCUSDT unresolved"]
    floor.leap(10, 10)
    assert floor.entry().state == OrderState.ACKNOWLEDGED
    floor.leap(10, 2)
    assert floor.entry().state == OrderState.CANCELLED
    assert Trade.objects.get().state == TradeState.CANCELLED
    assert "order_lost" in kinds()
    floor.rounds()
    assert Lease.objects.get().doubts == []


def test_a_taken_order_that_was_missed_once_is_found_again(floor: Floor) -> None:
    floor.resting()
    floor.rounds(2)
    order = floor.entry()
    floor.venue.hidden.add(order.order_link_id)
    floor.leap(61)
    floor.venue.hidden.clear()
    floor.leap(2)
    order.refresh_from_db()
    assert (order.state, order.not_found_count) == (OrderState.ACKNOWLEDGED, 0)
    floor.rounds()
    assert Lease.objects.get().doubts == []


def test_an_unknown_exit_is_sent_again_after_two_equal_readings(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.lose = "before"
    want_close(trade, ExitReason.MAX_HOLDING)
    floor.rounds()
    floor.venue.lose = ""
    floor.rounds()
    assert len(floor.venue.posts) == 2
    floor.pass_seconds(4)
    trade.refresh_from_db()
    assert trade.state == TradeState.CLOSED
    assert len(floor.venue.posts) == 3
    exits = list(Order.objects.filter(role="x").order_by("pk").values_list("state", flat=True))
    assert exits == [OrderState.NOT_PLACED, OrderState.FILLED]


def test_an_unknown_exit_whose_fill_shows_late_is_not_sent_again(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.lose = "after"
    floor.venue.before_post = lambda request: floor.venue.hidden.add(request.order_link_id)
    Trade.objects.update(close_wanted=ExitReason.RISK_TRIM, target_qty=D(4))
    floor.rounds()
    floor.venue.lose, floor.venue.before_post = "", None
    floor.venue.news.clear()
    floor.leap(5, 5)
    assert len(floor.venue.posts) == 2
    floor.venue.hidden.clear()
    floor.pass_seconds(2)
    trade.refresh_from_db()
    assert (trade.exit_qty, trade.close_wanted) == (D(6), "")
    assert floor.venue.size("BTCUSDT") == D(4)


def test_an_order_whose_sender_vanished_is_unknown_from_the_next_round(floor: Floor) -> None:
    unknown(floor)
    # Another holder sent it at the moment of the take-over and died of it.
    Order.objects.update(state=OrderState.SUBMITTED, unknown_since=None, lease_token=77)
    floor.rounds(2)
    order = floor.entry()
    assert order.state == OrderState.UNKNOWN
    assert order.unknown_since is not None
