"""The decisions that keep an account safe, fact by fact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchange.domain import Side
from exchange.errors import (
    ExchangeError,
    ExchangeUnavailable,
    InsufficientBalance,
    OrderNotSent,
    OrderOutcomeUnknown,
    OrderRejected,
)
from trading.choices import ExitReason, OrderRole, OrderState
from trading.domain.protocol import (
    Absence,
    EntryFacts,
    Evidence,
    ExitFacts,
    ExitForm,
    ExitOrder,
    Levels,
    Reading,
    StopAnswer,
    StopBounds,
    StopHistory,
    absence,
    after_cancel_by_id,
    after_post,
    check_stop,
    entry_gate,
    next_exit,
    settled_size,
)

D = Decimal


def readings(*pairs: tuple[int, float]) -> tuple[Reading, ...]:
    return tuple(Reading(D(qty), at_s) for qty, at_s in pairs)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, OrderState.ACKNOWLEDGED),
        (OrderRejected("no", code="invalid_order"), OrderState.REJECTED),
        (InsufficientBalance("no", code="insufficient_balance"), OrderState.REJECTED),
        (OrderRejected("slow down", code="rate_limited"), OrderState.REJECTED),
        (OrderNotSent("the door is closed"), OrderState.REJECTED),
        (OrderRejected("used before", code="duplicate_link_id"), OrderState.UNKNOWN),
        (OrderOutcomeUnknown("no answer"), OrderState.UNKNOWN),
        (ExchangeUnavailable("no answer"), OrderState.UNKNOWN),
    ],
)
def test_only_a_certain_refusal_is_a_refusal(
    error: ExchangeError | None, state: OrderState
) -> None:
    assert after_post(error) is state


@pytest.mark.parametrize(
    ("not_found", "since_s", "answer"),
    [
        (2, 100.0, Absence.WAIT),
        (3, 29.9, Absence.WAIT),
        (3, 30.0, Absence.CANCEL_BY_ID),
        (0, 1000.0, Absence.WAIT),
    ],
)
def test_an_entry_is_absent_after_three_look_ups_in_thirty_seconds(
    not_found: int, since_s: float, answer: Absence
) -> None:
    assert absence(OrderRole.ENTRY, Evidence(not_found, since_s)) is answer


def test_position_readings_prove_nothing_about_an_entry() -> None:
    evidence = Evidence(2, 40, readings((0, 0), (0, 5)), D(0))
    assert absence(OrderRole.ENTRY, evidence) is Absence.WAIT


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (OrderRejected("gone", code="order_not_open"), Absence.NOT_PLACED),
        (OrderRejected("slow down", code="rate_limited"), Absence.WAIT),
        (OrderOutcomeUnknown("no answer"), Absence.WAIT),
        (None, Absence.WAIT),
    ],
)
def test_the_cancel_by_id_is_the_last_proof(error: ExchangeError | None, answer: Absence) -> None:
    assert after_cancel_by_id(error) is answer


@pytest.mark.parametrize(
    ("pairs", "size"),
    [
        ([], None),
        ([(10, 0)], None),
        ([(10, 0), (10, 0.9)], None),
        ([(10, 0), (10, 1)], 10),
        ([(10, 0), (7, 0.5), (10, 1)], None),
        ([(10, 0), (7, 1), (7, 2)], 7),
        ([(10, 0), (10, 0.6), (10, 1.2)], 10),
    ],
)
def test_a_size_is_settled_when_two_readings_a_second_apart_agree(
    pairs: list[tuple[int, float]], size: int | None
) -> None:
    assert settled_size(readings(*pairs)) == (None if size is None else D(size))


@pytest.mark.parametrize(
    ("not_found", "since_s", "pairs", "answer"),
    [
        (2, 2, [(10, 0), (10, 1)], Absence.NOT_PLACED),
        (0, 2, [(10, 0), (10, 1)], Absence.WAIT),
        (9, 60, [(10, 0)], Absence.WAIT),
        # Less than we have booked: its fills are on their way.
        (2, 2, [(7, 0), (7, 1)], Absence.WAIT),
        (3, 30, [(7, 0), (7, 1)], Absence.NOT_PLACED),
    ],
)
def test_an_exit_is_given_up_once_the_position_shows_nothing_of_it(
    not_found: int, since_s: float, pairs: list[tuple[int, float]], answer: Absence
) -> None:
    evidence = Evidence(not_found, since_s, readings(*pairs), D(10))
    assert absence(OrderRole.EXIT, evidence) is answer


def wish(target: int = 0, open_qty: int = 10, **facts: Any) -> ExitOrder | None:
    defaults: dict[str, Any] = {"reason": ExitReason.MAX_HOLDING, "position_qty": D(open_qty)}
    return next_exit(ExitFacts(D(target), D(open_qty), **(defaults | facts)))


def test_a_full_close_takes_the_close_all_form() -> None:
    assert wish() == ExitOrder(D(0), ExitForm.CLOSE_ALL)


@pytest.mark.parametrize(
    "facts",
    [{"position_qty": D(13)}, {"position_qty": None}, {"shared": True}],
)
def test_where_the_position_may_hold_more_than_ours_only_ours_is_sent(
    facts: dict[str, Any],
) -> None:
    assert wish(**facts) == ExitOrder(D(10), ExitForm.MARKET)


def test_only_the_difference_is_sent() -> None:
    assert wish(4) == ExitOrder(D(6), ExitForm.MARKET)
    assert wish(4, 4) is None
    assert wish(4, 3) is None


def test_fills_that_are_told_and_not_booked_count_as_sold() -> None:
    assert wish(4, awaited=D(2)) == ExitOrder(D(4), ExitForm.MARKET)
    assert wish(4, awaited=D(6)) is None


def test_a_manual_close_first_tries_near_the_touch() -> None:
    first = wish(reason=ExitReason.MANUAL)
    assert first == ExitOrder(D(10), ExitForm.TOUCH)
    again = wish(reason=ExitReason.MANUAL, attempts=1, since_last_s=2.0)
    assert again == ExitOrder(D(0), ExitForm.CLOSE_ALL)


def test_one_order_is_at_most_what_the_venue_takes() -> None:
    assert wish(1, max_qty=D(4)) == ExitOrder(D(4), ExitForm.MARKET)
    assert wish(0, max_qty=D(4)) == ExitOrder(D(0), ExitForm.CLOSE_ALL)


def test_nothing_is_sent_while_an_exit_works() -> None:
    assert wish(working=True) is None


def test_exits_repeat_one_to_ten_seconds_apart() -> None:
    pauses = []
    for attempts in range(1, 9):
        since_s = 0.0
        while wish(attempts=attempts, since_last_s=since_s) is None:
            since_s += 0.5
        pauses.append(since_s)
    assert pauses == [2, 1, 2, 4, 8, 10, 10, 10]


def test_after_a_lost_exit_the_difference_is_counted_from_the_settled_position() -> None:
    lost: dict[str, Any] = {"doubtful": True, "attempts": 1, "since_last_s": 30.0}
    assert wish(50, 100, **lost) is None
    assert wish(50, 100, **lost, readings=readings((75, 0), (75, 1))) == ExitOrder(
        D(25), ExitForm.MARKET
    )
    assert wish(50, 100, **lost, readings=readings((50, 0), (50, 1))) is None
    # Somebody else's part of the position is not ours to sell.
    assert wish(50, 100, **lost, readings=readings((130, 0), (130, 1))) == ExitOrder(
        D(50), ExitForm.MARKET
    )


def test_a_part_is_not_sold_again_while_the_lost_order_may_still_land() -> None:
    facts: dict[str, Any] = {
        "doubtful": True,
        "attempts": 1,
        "readings": readings((10, 0), (10, 1)),
    }
    assert wish(5, since_last_s=29.9, **facts) is None
    assert wish(5, since_last_s=30.0, **facts) == ExitOrder(D(5), ExitForm.MARKET)
    assert wish(0, since_last_s=5.9, shared=True, **facts) is None
    assert wish(0, since_last_s=6.0, shared=True, **facts) == ExitOrder(D(10), ExitForm.MARKET)
    # A whole close can't sell too much, and does not wait.
    assert wish(0, since_last_s=2.0, **facts) == ExitOrder(D(0), ExitForm.CLOSE_ALL)


WANTED = Levels(D(95), D(110))
NONE = Levels(None, None)
BOUNDS = StopBounds(Side.BUY, D(100), D(6), frozenset({D(94)}))
CALM = StopHistory(confirmed=True)


def test_levels_as_wanted_are_confirmed_and_end_what_was_remembered() -> None:
    check = check_stop(WANTED, WANTED, StopHistory(missing_since_s=1.0, refusals=1), 9.0)
    assert (check.answer, check.history) == (StopAnswer.CONFIRMED, CALM)


def test_a_missing_stop_is_set_every_time_and_given_up_after_five_seconds() -> None:
    history = CALM
    answers = []
    for now_s in (10, 12, 14.9, 15):
        check = check_stop(WANTED, NONE, history, now_s, BOUNDS)
        history = check.history.taken()
        answers.append(check.answer)
    assert answers == [StopAnswer.SET_AGAIN] * 3 + [StopAnswer.GIVE_UP]


def test_a_stop_that_comes_back_begins_the_five_seconds_anew() -> None:
    history = check_stop(WANTED, NONE, CALM, 10).history
    history = check_stop(WANTED, WANTED, history, 14).history
    assert check_stop(WANTED, NONE, history, 16).answer is StopAnswer.SET_AGAIN


def test_two_refusals_give_the_position_up() -> None:
    once = StopHistory().refused()
    assert not once.spent
    assert check_stop(WANTED, NONE, once, 1.0).answer is StopAnswer.SET_AGAIN
    assert check_stop(WANTED, NONE, once.refused(), 1.0).answer is StopAnswer.GIVE_UP
    assert check_stop(WANTED, NONE, once.taken().refused(), 1.0).answer is StopAnswer.SET_AGAIN


def test_a_stop_moved_in_the_app_is_adopted_when_it_is_read_twice() -> None:
    moved = Levels(D(96), D(112))
    first = check_stop(WANTED, moved, CALM, 10, BOUNDS)
    assert first.answer is StopAnswer.WAIT
    assert check_stop(WANTED, moved, first.history, 11.9, BOUNDS).answer is StopAnswer.WAIT
    assert check_stop(WANTED, moved, first.history, 12, BOUNDS).answer is StopAnswer.ADOPT
    other = check_stop(WANTED, Levels(D(97), D(112)), first.history, 12, BOUNDS)
    assert other.answer is StopAnswer.WAIT


@pytest.mark.parametrize(
    "seen",
    [
        Levels(D("93.9"), D(110)),  # too far away
        Levels(D(94), D(110)),  # one of ours, shown late
        Levels(D(96), None),  # the target removed
        Levels(D(96), D(99)),  # the target on the wrong side of the entry
        Levels(D(112), D(111)),  # the wrong way round
    ],
)
def test_levels_out_of_bounds_are_set_again(seen: Levels) -> None:
    history = StopHistory(confirmed=True, moved=seen)
    assert check_stop(WANTED, seen, history, 50, BOUNDS).answer is StopAnswer.SET_AGAIN


def test_a_short_adopts_above_its_entry() -> None:
    bounds = StopBounds(Side.SELL, D(100), D(6))
    assert bounds.allow(Levels(D(106), D(90)))
    assert not bounds.allow(Levels(D("106.1"), D(90)))
    assert not bounds.allow(Levels(D(103), D(101)))


def test_nothing_is_adopted_before_ours_was_confirmed_or_without_bounds() -> None:
    moved = Levels(D(96), D(110))
    unconfirmed = StopHistory(moved=moved)
    assert check_stop(WANTED, moved, unconfirmed, 50, BOUNDS).answer is StopAnswer.SET_AGAIN
    known = StopHistory(confirmed=True, moved=moved)
    assert check_stop(WANTED, moved, known, 50).answer is StopAnswer.SET_AGAIN


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"reconciled": False}, "not reconciled"),
        ({"unresolved": ("BTCUSDT",)}, "order of BTCUSDT unresolved"),
        ({"doubts": ("the stream is silent",)}, "the stream is silent"),
        ({"halted": "the key has expired"}, "the key has expired"),
        ({"deaf": True}, "does not answer"),
        ({"clock_offset_ms": 501}, "501 ms"),
        ({"clock_offset_ms": -501}, "-501 ms"),
        ({"quote_age_s": 3.1}, "3.1 s old"),
        ({"lease_left_s": 6.9}, "lease"),
        ({"kill": "the KILL file is present"}, "KILL"),
    ],
)
def test_each_doubt_alone_stops_entries(facts: dict[str, Any], said: str) -> None:
    (reason,) = entry_gate(EntryFacts(**({"reconciled": True} | facts)))
    assert said in reason


def test_no_doubt_is_a_yes() -> None:
    facts = EntryFacts(True, clock_offset_ms=500, quote_age_s=3.0, lease_left_s=7.0)
    assert entry_gate(facts) == ()
