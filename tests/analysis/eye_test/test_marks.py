from __future__ import annotations

import pytest

from analysis.choices import Grade
from analysis.eye_test.marks import PARTS, Bound, Check, grade_from, judge, unexamined

ALL = tuple(PARTS)
READER = ("P0", "P1", "P2", "P3", "P4", "P5", "P12", "P13", "P15")
ANALYST = (*READER, "P6", "P8", "P9", "P11")


@pytest.mark.parametrize(
    ("passed", "short", "grade"),
    [
        (ALL, False, Grade.VOTER),
        (ALL, True, Grade.ANALYST),
        (ANALYST, False, Grade.ANALYST),
        (READER, False, Grade.READER),
        ((), False, Grade.NONE),
    ],
)
def test_grades_are_earned_by_parts(passed: tuple[str, ...], short: bool, grade: Grade) -> None:
    assert grade_from(passed, short=short) == grade


@pytest.mark.parametrize("missing", READER)
def test_every_reading_part_is_needed(missing: str) -> None:
    assert grade_from(set(ALL) - {missing}, short=False) == Grade.NONE


@pytest.mark.parametrize("missing", ["P6", "P8", "P9", "P11"])
def test_every_judging_part_is_needed_to_propose(missing: str) -> None:
    assert grade_from(set(ALL) - {missing}, short=False) == Grade.READER


def test_recall_decides_no_grade() -> None:
    assert grade_from(set(ALL) - {"P14"}, short=False) == Grade.VOTER


FIGURES = {
    "same direction": 0.85,
    "median shift of the stop in the range": 0.01,
}


def test_a_figure_on_its_mark_passes() -> None:
    result = judge("P9", 100, FIGURES)
    assert result.passed
    assert result.value == 0.85
    assert "at least 85.0 %" in result.mark


@pytest.mark.parametrize("change", [{"same direction": 0.84}, {"same direction": None}])
def test_a_figure_under_its_mark_or_missing_fails(change: dict[str, float | None]) -> None:
    assert not judge("P9", 100, {**FIGURES, **change}).passed


def test_an_optional_figure_may_be_missing_and_must_hold_when_there() -> None:
    name = "median shift of the stop in the range"
    assert judge("P9", 100, {**FIGURES, name: None}).passed
    assert not judge("P9", 100, {**FIGURES, name: 0.02}).passed


def test_a_part_without_items_is_not_passed() -> None:
    assert not judge("P9", 0, FIGURES).passed
    assert unexamined("P7", "Shapes", "left out").passed is None


def test_more_than_excludes_the_limit() -> None:
    check = Check("effect", Bound.MORE_THAN, 0.0)
    assert not check.holds(0.0)
    assert check.holds(0.001)
