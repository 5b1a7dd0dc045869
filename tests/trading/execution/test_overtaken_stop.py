"""A tightened stop that price has passed before the venue hears of it."""

from __future__ import annotations

from decimal import Decimal

from tests.exchange.paper.scripted_market import candles
from tests.trading.execution.floor import Floor
from trading.choices import EventLevel, ExitReason, TradeState
from trading.models import Event, StopMove, Trade

D = Decimal


def opened(floor: Floor) -> Trade:
    """A long at about 100 with its stop at 95 and a target that is out of reach."""
    signal = floor.signal(take_profit=D(150))
    floor.rounds()
    floor.play(100)
    trade = Trade.objects.get(signal=signal)
    assert trade.state == TradeState.OPEN
    return trade


def test_stop_that_price_passed_while_the_trader_was_away_closes_at_market(
    paper_floor: Floor,
) -> None:
    trade = opened(paper_floor)
    paper_floor.market.play(*candles(100, 106, 113, 107))
    paper_floor.rounds()
    assert StopMove.objects.latest("id").accepted is False
    paper_floor.play(107, 107)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.TIGHTENED_STOP)


def test_refused_stop_that_price_has_not_passed_leaves_the_trade_open(floor: Floor) -> None:
    trade = floor.opened(take_profit=D(150))
    floor.venue.stop_refusal = "no"
    floor.play(113)
    trade.refresh_from_db()
    assert (trade.state, trade.close_wanted) == (TradeState.OPEN, "")


def test_wish_of_a_dead_trader_that_price_has_passed_closes_without_an_alarm(
    paper_floor: Floor,
) -> None:
    # It died between storing the new stop and telling the venue, whose old stop still stands.
    trade = opened(paper_floor)
    Trade.objects.filter(pk=trade.pk).update(stop_loss=D(107), stop_rule="tightening")
    paper_floor.market.play(*candles(100, 104, 104))
    paper_floor.restart()
    paper_floor.rounds()
    paper_floor.play(104, 104)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.TIGHTENED_STOP)
    assert not Event.objects.filter(level=EventLevel.CRITICAL).exists()
