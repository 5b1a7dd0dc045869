"""States of an order: the table, the late moves, reports that repeat and reorder."""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import VenueOrderStatus
from trading.choices import OrderState
from trading.domain.order import (
    FINAL,
    LATE,
    LIVE,
    TRANSITIONS,
    WORKING,
    check_transition,
    state_after_report,
)
from trading.errors import IllegalTransition

S, V = OrderState, VenueOrderStatus

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
