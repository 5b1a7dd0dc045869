"""States of an order: the table, the late moves, reports that repeat and reorder."""

from __future__ import annotations

from decimal import Decimal
from graphlib import TopologicalSorter
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import Side, VenueOrderStatus
from tests.trading.domain.made import MINUTE, NOW
from trading.choices import CancelReason, OrderState
from trading.domain.order import (
    FINAL,
    LATE,
    LIVE,
    TRANSITIONS,
    WORKING,
    WorkingEntry,
    check_transition,
    state_after_report,
    take_back,
)
from trading.errors import IllegalTransition

S, V = OrderState, VenueOrderStatus
D = Decimal

ALLOWED = {
    S.CREATED: {S.SUBMITTED, S.CANCELLED, S.REJECTED},
    S.SUBMITTED: {S.ACKNOWLEDGED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.REJECTED, S.UNKNOWN},
    S.UNKNOWN: {
        S.ACKNOWLEDGED,
        S.PARTIALLY_FILLED,
        S.FILLED,
        S.CANCELLED,
        S.REJECTED,
        S.NOT_PLACED,
    },
    S.ACKNOWLEDGED: {S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.REJECTED},
    S.PARTIALLY_FILLED: {S.FILLED, S.CANCELLED, S.REJECTED},
    S.FILLED: set(),
    S.CANCELLED: {S.FILLED},
    S.REJECTED: set(),
    S.NOT_PLACED: {S.ACKNOWLEDGED, S.PARTIALLY_FILLED, S.FILLED},
}


@pytest.mark.parametrize(("old", "new"), list(product(S, S)))
def test_an_order_moves_by_the_table_and_no_other_way(old: OrderState, new: OrderState) -> None:
    if new in ALLOWED[old]:
        check_transition(old, new)
    else:
        with pytest.raises(IllegalTransition, match=f"from {old} to {new}"):
            check_transition(old, new)


def test_no_order_ever_returns_to_a_state_it_has_left() -> None:
    order = list(TopologicalSorter(TRANSITIONS).static_order())
    assert set(order) == set(S)


def test_final_states_are_left_by_the_late_moves_alone() -> None:
    left = {(old, new) for old in FINAL for new in TRANSITIONS[old]}
    assert left == LATE
    assert {
        (S.CANCELLED, S.FILLED),
        (S.NOT_PLACED, S.ACKNOWLEDGED),
        (S.NOT_PLACED, S.PARTIALLY_FILLED),
        (S.NOT_PLACED, S.FILLED),
    } == LATE


def test_every_state_is_either_final_or_live() -> None:
    assert set(S) == FINAL | LIVE
    assert not FINAL & LIVE
    assert {S.CREATED} == LIVE - WORKING


@pytest.mark.parametrize(
    ("known", "reported", "then"),
    [
        (S.SUBMITTED, V.NEW, S.ACKNOWLEDGED),
        (S.SUBMITTED, V.FILLED, S.FILLED),
        (S.UNKNOWN, V.NEW, S.ACKNOWLEDGED),
        (S.UNKNOWN, V.REJECTED, S.REJECTED),
        (S.ACKNOWLEDGED, V.NEW, S.ACKNOWLEDGED),
        (S.ACKNOWLEDGED, V.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
        # Older than what is known.
        (S.PARTIALLY_FILLED, V.NEW, S.PARTIALLY_FILLED),
        (S.PARTIALLY_FILLED, V.CANCELLED, S.CANCELLED),
        (S.PARTIALLY_FILLED, V.REJECTED, S.REJECTED),
        (S.FILLED, V.NEW, S.FILLED),
        (S.FILLED, V.PARTIALLY_FILLED, S.FILLED),
        (S.FILLED, V.CANCELLED, S.FILLED),
        (S.CANCELLED, V.NEW, S.CANCELLED),
        (S.CANCELLED, V.PARTIALLY_FILLED, S.CANCELLED),
        (S.REJECTED, V.FILLED, S.REJECTED),
        (S.NOT_PLACED, V.CANCELLED, S.NOT_PLACED),
        # The late moves.
        (S.CANCELLED, V.FILLED, S.FILLED),
        (S.NOT_PLACED, V.NEW, S.ACKNOWLEDGED),
        (S.NOT_PLACED, V.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
        (S.NOT_PLACED, V.FILLED, S.FILLED),
    ],
)
def test_a_report_moves_an_order_forward_or_not_at_all(
    known: OrderState, reported: VenueOrderStatus, then: OrderState
) -> None:
    assert state_after_report(known, reported) is then


def test_a_report_on_an_order_that_was_never_sent_is_a_bug() -> None:
    with pytest.raises(IllegalTransition):
        state_after_report(S.CREATED, V.NEW)


@given(st.lists(st.sampled_from(V), max_size=8))
def test_any_stream_of_reports_can_be_booked(reports: list[VenueOrderStatus]) -> None:
    state = S.SUBMITTED
    for status in reports:
        after = state_after_report(state, status)
        assert after is state or after in ALLOWED[state]
        assert state_after_report(after, status) is after
        state = after


@given(st.lists(st.sampled_from(V), max_size=8))
def test_an_order_that_was_reported_filled_stays_filled(reports: list[VenueOrderStatus]) -> None:
    state = state_after_report(S.ACKNOWLEDGED, V.FILLED)
    for status in reports:
        state = state_after_report(state, status)
    assert state is S.FILLED


def waiting(**changes: Any) -> WorkingEntry:
    """A long that waits at 99 with its stop at 95 and its target at 110."""
    facts: dict[str, Any] = {"expires_at": NOW, "price": D(99)}
    return WorkingEntry(side=Side.BUY, stop_loss=D(95), take_profit=D(110), **(facts | changes))


@pytest.mark.parametrize(
    ("changes", "last", "reason"),
    [
        ({}, "100", None),
        ({}, "104.4", None),
        ({}, "104.5", CancelReason.TARGET_REACHED),
        ({}, "95", CancelReason.TARGET_REACHED),
        ({}, None, None),
        ({"expires_at": NOW - 2 * MINUTE}, "100", CancelReason.EXPIRED),
        ({"expires_at": None}, "95", None),
        ({"known": False}, "95", None),
        ({"asked": CancelReason.OPPOSITE}, "95", CancelReason.OPPOSITE),
        ({"asked": CancelReason.OPPOSITE, "known": False}, "95", CancelReason.OPPOSITE),
        ({"shrinking": True, "asked": CancelReason.EXPIRED}, "100", CancelReason.MANUAL),
    ],
)
def test_an_entry_is_taken_back_for_the_first_reason_that_applies(
    changes: dict[str, Any], last: str | None, reason: CancelReason | None
) -> None:
    price = None if last is None else D(last)
    before = NOW - MINUTE
    assert take_back(waiting(**changes), price, before, halted=False) is reason
    assert take_back(waiting(**changes), price, before, halted=True) is CancelReason.KILL_SWITCH


def test_a_short_entry_is_left_behind_downwards() -> None:
    short = WorkingEntry(Side.SELL, D(101), D(105), D(90), NOW)
    before = NOW - MINUTE
    assert take_back(short, D("95.6"), before, halted=False) is None
    assert take_back(short, D("95.5"), before, halted=False) is CancelReason.TARGET_REACHED
    assert take_back(short, D(105), before, halted=False) is CancelReason.TARGET_REACHED
