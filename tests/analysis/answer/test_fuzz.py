"""Broken, random and hostile answers: nothing crashes, nothing invalid is taken."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer.grounding import ground
from analysis.answer.parse import parse_answer
from analysis.answer.recommend import to_recommendation
from analysis.answer.value import Answer
from analysis.domain import Direction
from analysis.errors import AnalysisInvalid
from tests.analysis.answer.corpus import generated, injected, mutated
from tests.analysis.answer.invariants import broken_by, broken_by_recommendation
from tests.analysis.answer.makers import FACTS, long_answer, none_answer, parsed, short_answer
from tests.analysis.candle_makers import given as candles_given
from tests.analysis.candle_makers import random_window

GIVEN = candles_given(random_window(3, price=20_000.0, digits=1), tick="0.1")
SECRETS = (FACTS.chart_id, *(str(marker) for marker in FACTS.markers))
LONGEST_REASON = 300


class Outcome(NamedTuple):
    """What became of one text: the answer, or the code and sentence of its refusal."""

    text: str
    answer: Answer | None
    code: str
    reason: str


def outcome(text: str) -> Outcome:
    try:
        return Outcome(text, parse_answer(text, FACTS), "", "")
    except AnalysisInvalid as error:
        return Outcome(text, None, error.code, str(error))


def outcomes(texts: Iterable[str]) -> list[Outcome]:
    return [outcome(text) for text in texts]


def invalid(found: Outcome) -> list[str]:
    """Broken invariants of one outcome, whether it was taken or refused."""
    if found.answer is None:
        return [] if well_said(found) else [f"refused without reason: {found}"]
    grounding = ground(found.answer, FACTS)
    recommendation = to_recommendation(found.answer, GIVEN, FACTS, grounding)
    json.dumps([recommendation.answer, recommendation.features])
    return [
        *broken_by(found.answer, found.text, FACTS),
        *broken_by_recommendation(recommendation, found.answer, GIVEN, FACTS),
    ]


def well_said(found: Outcome) -> bool:
    """Whether a refusal has a code and one printable sentence without secrets."""
    return (
        found.code.replace("_", "").isalpha()
        and found.reason.endswith(".")
        and found.reason.isprintable()
        and len(found.reason) <= LONGEST_REASON
        and not any(secret in found.reason for secret in SECRETS)
    )


def wrong(found: Iterable[Outcome]) -> list[tuple[str, list[str]]]:
    return [(each.text, broken) for each in found if (broken := invalid(each))]


def codes(found: Iterable[Outcome]) -> Counter[str]:
    return Counter(each.code for each in found)


@pytest.mark.parametrize(
    ("make", "count", "seed"),
    [(long_answer, 400, 1), (short_answer, 400, 2), (none_answer, 200, 3)],
)
def test_mutated_answers(make: Any, count: int, seed: int) -> None:
    found = outcomes(mutated(make(), count, seed))
    assert len(found) == count
    assert wrong(found) == []
    # The corpus reaches many rules, and some mutations leave a valid answer.
    assert len(codes(found)) > 12
    assert codes(found)[""] > 0


def test_generated_texts() -> None:
    found = outcomes(generated(long_answer(), 300, 4))
    assert len(found) == 300
    assert wrong(found) == []
    assert len(codes(found)) > 12
    assert codes(found)[""] > 0


def test_hostile_answers() -> None:
    attempts = injected(long_answer())
    assert len(attempts) == 200
    assert wrong(outcome(attempt.text) for attempt in attempts) == []


def test_no_hostile_field_value_or_frame_is_taken() -> None:
    attempts = [each for each in injected(long_answer()) if each.attempt != "text"]
    assert [each for each in attempts if outcome(each.text).answer is not None] == []
    fields = [outcome(each.text) for each in attempts if each.attempt == "field"]
    assert codes(fields) == {"unknown_field": 40}


def test_orders_inside_texts_stay_texts_and_change_nothing() -> None:
    plain = parsed(long_answer())
    attempts = [each for each in injected(long_answer()) if each.attempt == "text"]
    answers = [outcome(each.text).answer for each in attempts]
    taken = [answer for answer in answers if answer is not None]
    assert len(taken) == len(attempts) == 100
    words = ("observations", "case_long", "case_short", "strongest_objection", "not_visible")
    same = {name: getattr(plain, name) for name in words}
    assert {replace(answer, **same) for answer in taken} == {plain}


def test_mutations_never_turn_into_a_side_that_was_not_written() -> None:
    found = outcomes(mutated(none_answer(), 500, 5))
    sides = [each.answer.direction for each in found if each.answer is not None]
    assert set(sides) == {Direction.NONE}


@pytest.mark.parametrize("make", [long_answer, short_answer])
def test_each_seed_gives_the_same_corpus(make: Any) -> None:
    assert list(mutated(make(), 20, 9)) == list(mutated(make(), 20, 9))
    assert list(mutated(make(), 20, 9)) != list(mutated(make(), 20, 10))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.sampled_from(list(long_answer())), ANY_JSON)
def test_any_value_in_any_field_is_taken_rightly_or_refused(name: str, value: Any) -> None:
    assert invalid(outcome(json.dumps(long_answer(**{name: value})))) == []


PRICES = st.decimals(min_value=92, max_value=108, places=2).map(float)


@given(st.sampled_from([long_answer, short_answer]), PRICES, PRICES, PRICES)
def test_any_plan_is_ordered_and_near_or_refused(
    make: Any, entry: float, stop: float, target: float
) -> None:
    free = {"stop_level_id": None, "target_level_id": None, "invalidation_level_id": None}
    plan = {"entry": entry, "stop": stop, "target": target, "invalidation_price": stop}
    assert invalid(outcome(json.dumps(make(**free, **plan)))) == []
