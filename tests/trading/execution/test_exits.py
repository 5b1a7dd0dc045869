"""Orders that shrink a position: sent, lost, refused, repeated."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.domain import OrderType
from tests.trading.execution.floor import Floor
from trading.choices import (
    ExitReason,
    OrderState,
    SignalState,
    TradeState,
    TradingStateName,
)
from trading.domain.protocol import ExitForm, ExitOrder
from trading.execution.executor import shrink
from trading.execution.protection import want_close
from trading.models import Order, Trade, TradingState

D = Decimal


def now(trade: Trade) -> Trade:
    trade.refresh_from_db()
    return trade


def exits() -> list[str]:
    return list(Order.objects.filter(role="x").order_by("pk").values_list("state", flat=True))


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
