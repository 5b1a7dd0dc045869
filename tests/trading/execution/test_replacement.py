"""A better signal takes the slot of an unfilled entry: surely empty, or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.execution.floor import SYMBOLS, Floor
from trading.choices import CancelReason, OrderState, SignalState, TradeState
from trading.domain.replacement import RULE
from trading.models import Bot, Event, Order, RiskLimits, Signal, Trade

D = Decimal
BTC, ETH = SYMBOLS
PROMISED = {"rule": RULE, "passed": True, "value": "", "limit": "", "text": "Would replace."}


@pytest.fixture
def full(floor: Floor) -> Floor:
    """One slot, held by an unfilled entry of BTC."""
    _fill_slot(floor)
    return floor


def _fill_slot(floor: Floor) -> None:
    RiskLimits.objects.update(max_slots=1)
    Bot.objects.update(entry_settings={"replacement": True})
    floor.resting(BTC, confidence=D("0.66"))
    floor.rounds(2)


def better(floor: Floor, confidence: str = "0.80", verdicts: list[object] | None = None) -> Signal:
    promised = [PROMISED] if verdicts is None else verdicts
    return floor.signal(ETH, confidence=D(confidence), verdicts=promised)


def state_of(signal: Signal) -> tuple[str, str]:
    signal.refresh_from_db()
    return signal.state, signal.rule


def test_the_old_entry_goes_and_the_new_one_comes(full: Floor) -> None:
    signal = better(full)
    full.rounds(3)
    assert state_of(signal)[0] == SignalState.EXECUTING
    old = Trade.objects.get(symbol=BTC)
    assert (old.state, old.cancel_reason) == (TradeState.CANCELLED, CancelReason.REPLACED)
    assert [one.symbol for one in full.venue.posts] == [BTC, ETH]
    assert "taken back for ETHUSDT" in Event.objects.get(kind="entry_replaced").text


def test_on_the_paper_venue_too(paper_floor: Floor) -> None:
    _fill_slot(paper_floor)
    signal = better(paper_floor)
    paper_floor.rounds(3)
    assert state_of(signal)[0] == SignalState.EXECUTING
    assert Order.objects.get(symbol=BTC).state == OrderState.CANCELLED


def test_a_fill_in_the_meantime_drops_the_new_one(full: Floor) -> None:
    old = full.entry()
    full.venue.before_cancel = lambda: full.venue.fill(old.order_link_id, D(4), price=D(99))
    signal = better(full)
    full.rounds(3)
    assert state_of(signal) == (SignalState.DROPPED, RULE)
    assert [one.symbol for one in full.venue.posts] == [BTC]
    assert Trade.objects.get().state == TradeState.OPEN


def test_a_doubt_of_five_seconds_drops_the_new_one(full: Floor) -> None:
    full.venue.down.add("cancel_order")
    signal = better(full)
    full.leap(0, 2, 2.9)
    assert state_of(signal)[0] == SignalState.CLAIMED
    full.leap(0.2)
    assert state_of(signal) == (SignalState.DROPPED, RULE)
    assert [one.symbol for one in full.venue.posts] == [BTC]


def test_it_is_asked_of_every_rule_again_once_the_slot_is_free(full: Floor) -> None:
    signal = better(full)
    full.rounds()
    RiskLimits.objects.update(max_open_risk=D("0.001"))
    full.rounds(3)
    assert state_of(signal) == (SignalState.DROPPED, "open_risk")


@pytest.mark.parametrize(
    ("confidence", "verdicts", "rule"), [("0.80", [], "slots"), ("0.70", None, "slots")]
)
def test_only_what_was_promised_a_slot_and_is_better_gets_one(
    full: Floor, confidence: str, verdicts: list[object] | None, rule: str
) -> None:
    signal = better(full, confidence, verdicts)
    full.rounds(2)
    assert state_of(signal) == (SignalState.DROPPED, rule)
    assert full.venue.cancels == []


def test_a_free_slot_is_taken_without_cancelling(full: Floor) -> None:
    RiskLimits.objects.update(max_slots=2)
    signal = better(full)
    full.rounds(2)
    assert state_of(signal)[0] == SignalState.EXECUTING
    assert full.venue.cancels == []


def test_a_restart_drops_what_waited(full: Floor) -> None:
    full.venue.down.add("cancel_order")
    signal = better(full)
    full.rounds()
    full.venue.down.clear()
    full.restart()
    full.rounds(3)
    assert state_of(signal) == (SignalState.DROPPED, "interrupted")
    assert [one.symbol for one in full.venue.posts] == [BTC]
