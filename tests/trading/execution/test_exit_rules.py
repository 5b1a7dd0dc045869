"""Exit rules on closed candles, and what is trimmed once the entry is final."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.exchange.paper.scripted_market import candles
from tests.trading.execution.floor import Floor
from trading.choices import (
    ExitReason,
    OrderState,
    TradeState,
)
from trading.models import Order, StopMove, Trade

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
