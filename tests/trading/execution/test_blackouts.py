"""A blackout that closes positions, and one that leaves them alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.factories import BlackoutFactory
from tests.trading.execution.floor import Floor
from trading.choices import BlackoutAction, CancelReason, ExitReason, TradeState
from trading.models import Blackout, Event, Order, Trade

HOUR = timedelta(hours=1)


def begin(floor: Floor, action: BlackoutAction, *symbols: str) -> None:
    now = floor.market.now()
    BlackoutFactory.create(
        account=floor.account,
        name="rates",
        action=action,
        symbols=list(symbols),
        starts_at=now - HOUR,
        ends_at=now + HOUR,
    )


def now(trade: Trade) -> Trade:
    trade.refresh_from_db()
    return trade


def test_a_flattening_blackout_closes_the_positions_of_its_symbols(floor: Floor) -> None:
    bitcoin, ether = floor.opened(), floor.opened(symbol="ETHUSDT")
    begin(floor, BlackoutAction.FLATTEN, "BTCUSDT")
    floor.pass_seconds(3)
    assert (now(bitcoin).state, bitcoin.exit_reason) == (TradeState.CLOSED, ExitReason.BLACKOUT)
    assert now(ether).state == TradeState.OPEN
    assert floor.venue.holdings["ETHUSDT"].qty > 0
    assert Event.objects.filter(kind="blackout_close").count() == 1


@pytest.mark.parametrize("action", [BlackoutAction.HALVE, BlackoutAction.NO_ENTRIES])
def test_other_blackouts_leave_positions_alone(floor: Floor, action: BlackoutAction) -> None:
    trade = floor.opened()
    begin(floor, action)
    floor.pass_seconds(3)
    assert now(trade).state == TradeState.OPEN


def test_a_flattening_blackout_takes_back_entries(floor: Floor) -> None:
    floor.resting()
    floor.rounds(2)
    begin(floor, BlackoutAction.FLATTEN)
    floor.pass_seconds(3)
    assert Order.objects.get(role="e").cancel_reason == CancelReason.BLACKOUT
    assert Trade.objects.get().state == TradeState.CANCELLED


def test_a_trade_that_is_being_closed_keeps_its_reason(floor: Floor) -> None:
    trade = floor.opened()
    Trade.objects.update(close_wanted=ExitReason.MANUAL, target_qty=0)
    begin(floor, BlackoutAction.FLATTEN)
    floor.pass_seconds(3)
    assert now(trade).exit_reason == ExitReason.MANUAL
    assert not Event.objects.filter(kind="blackout_close").exists()


def test_an_entry_is_taken_back_within_the_instant_that_a_blackout_begins(floor: Floor) -> None:
    """A stepped market moves on once a round has nothing left to do."""
    floor.resting()
    floor.rounds(2)
    begin(floor, BlackoutAction.FLATTEN)
    while floor.trader.step():
        pass
    assert not floor.venue.open_orders()


def test_a_blackout_that_nobody_can_read_stands_before_no_exit(floor: Floor) -> None:
    floor.opened()
    floor.opened(symbol="ETHUSDT")
    begin(floor, BlackoutAction.FLATTEN)
    Blackout.objects.update(kind="never")
    Trade.objects.filter(symbol="BTCUSDT").update(close_wanted=ExitReason.MANUAL, target_qty=0)
    with pytest.raises(ValueError, match="never"):
        floor.rounds()
    assert floor.venue.size("BTCUSDT") == 0
