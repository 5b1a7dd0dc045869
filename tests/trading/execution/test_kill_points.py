"""Each named moment stands where its name says, and whatever ends there is recovered from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from exchange import fault_points
from exchange.domain import ExecutionKind
from exchange.fault_points import FaultRaised
from tests.trading.execution.floor import Floor
from trading.choices import ExitReason, OrderState, SignalState, TradeState, TradingStateName
from trading.execution.protection import want_close
from trading.models import Execution, Order, Signal, Trade, TradingState

D = Decimal


Strike = Callable[[str], int]


@pytest.fixture
def strike(tmp_path: Path) -> Iterator[Strike]:
    """Arms points to raise, once each."""
    folder = tmp_path / "faults"
    folder.mkdir()
    fault_points.arm(folder)
    yield lambda name: (folder / name).write_text("raise")
    fault_points.arm(None)


def dies(floor: Floor, rounds: int = 3) -> None:
    with pytest.raises(FaultRaised):
        floor.rounds(rounds)


def entry_state() -> str:
    return str(Order.objects.get(role="e").state)


def recovered(floor: Floor) -> Trade:
    """After the restart there is one trade, one entry on the venue, and agreement."""
    floor.restart()
    floor.leap(*[1] * 5)
    assert floor.desk.reconciled
    assert len([post for post in floor.venue.posts if not post.reduce_only]) <= 1
    return Trade.objects.get()


def test_k8_a_signal_is_claimed_and_no_order_stored(floor: Floor, strike: Strike) -> None:
    strike("K8")
    floor.signal()
    dies(floor)
    assert Signal.objects.get().state == SignalState.CLAIMED
    assert not Order.objects.exists()
    floor.restart()
    assert Signal.objects.get().state == SignalState.DROPPED


def test_k9_an_entry_is_marked_and_not_sent(floor: Floor, strike: Strike) -> None:
    strike("K9")
    floor.signal()
    dies(floor)
    assert (entry_state(), floor.venue.posts) == (OrderState.SUBMITTED, [])
    floor.restart()
    floor.leap(10, 10, 10, 1)
    assert entry_state() == OrderState.NOT_PLACED
    assert floor.venue.posts == []


@pytest.mark.parametrize("point", ["K10", "K11"])
def test_k10_k11_the_venue_has_the_entry_and_nobody_knows(
    floor: Floor, strike: Strike, point: str
) -> None:
    strike(point)
    floor.signal()
    dies(floor)
    assert (entry_state(), len(floor.venue.posts)) == (OrderState.SUBMITTED, 1)
    floor.venue.news.clear()
    assert recovered(floor).state == TradeState.OPEN


def test_k12_a_fill_is_heard_of_and_not_stored(floor: Floor, strike: Strike) -> None:
    strike("K12")
    floor.signal()
    dies(floor)
    assert not Execution.objects.exists()
    trade = recovered(floor)
    assert (trade.state, trade.entry_qty) == (TradeState.OPEN, D(10))


def test_k13_a_trade_opened_and_its_stop_is_not_read_back(floor: Floor, strike: Strike) -> None:
    strike("K13")
    floor.signal()
    dies(floor)
    trade = Trade.objects.get()
    assert (trade.state, trade.protected_at) == (TradeState.OPEN, None)
    assert recovered(floor).protected_at is not None


def test_k14_a_stop_was_sent_and_its_answer_not_stored(floor: Floor, strike: Strike) -> None:
    floor.opened()
    strike("K14")
    with pytest.raises(FaultRaised):
        floor.play(111, 111)
    moved = floor.venue.holdings["BTCUSDT"].stop_loss
    assert moved is not None
    assert moved > 95
    trade = recovered(floor)
    assert trade.stop_loss == moved
    assert trade.stop_moves.get().accepted


def test_k15_an_exit_was_sent_and_its_answer_not_stored(floor: Floor, strike: Strike) -> None:
    want_close(floor.opened(), ExitReason.MAX_HOLDING)
    strike("K15")
    dies(floor)
    floor.venue.news.clear()
    trade = recovered(floor)
    assert (trade.state, trade.exit_qty) == (TradeState.CLOSED, D(10))
    assert len(floor.venue.posts) == 2


def test_k16_in_the_middle_of_a_reconciliation(floor: Floor, strike: Strike) -> None:
    floor.opened()
    floor.venue.trigger("BTCUSDT", ExecutionKind.STOP_LOSS, D(95))
    floor.venue.news.clear()
    strike("K16")
    with pytest.raises(FaultRaised):
        floor.leap(61)
    assert Trade.objects.get().state == TradeState.OPEN
    assert recovered(floor).state == TradeState.CLOSED


def test_k17_trading_is_halted_and_an_entry_still_works(floor: Floor, strike: Strike) -> None:
    floor.resting()
    floor.rounds(2)
    TradingState.objects.update(state=TradingStateName.HALTED)
    strike("K17")
    dies(floor)
    assert floor.venue.cancels == []
    trade = recovered(floor)
    assert trade.state == TradeState.CANCELLED
    assert len(floor.venue.cancels) == 1
