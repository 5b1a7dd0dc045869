from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from analysis.chart_style import ChartStyle
from analysis.eye_test.generators import EXTREMES
from analysis.eye_test.marks import FULL, SHORT
from analysis.eye_test.plan import Control, Group, Item, exam_plan, golden_plan
from analysis.eye_test.prepare import Examiner, question_hash

STYLE = ChartStyle()


@pytest.fixture(scope="module")
def full() -> list[Item]:
    return exam_plan(7, FULL, STYLE, recall=True)


def test_the_full_form_has_the_numbers_of_the_mark_table(full: list[Item]) -> None:
    counts = Counter(item.group for item in full)
    assert counts == {
        Group.CARD: 14,
        Group.READING: 180,
        Group.CONTROL: 160,
        Group.NULL: 400,
        Group.DRIFT: 200,
        Group.LEVELS: 60,
        Group.EXTREMES: 20,
        Group.INVARIANCE: 300,
        Group.EVIDENCE: 240,
        Group.STABILITY: 300,
        Group.RECALL: 60,
    }


def test_keys_are_unique_and_the_short_form_is_part_of_the_full_one(full: list[Item]) -> None:
    keys = {item.key for item in full}
    assert len(keys) == len(full)
    short = exam_plan(7, SHORT, STYLE, recall=True)
    assert set(short) <= set(full)
    assert 0.18 <= len(short) / len(full) <= 0.22


def test_no_chart_serves_two_groups_by_accident(full: list[Item]) -> None:
    groups: dict[object, set[Group]] = {}
    for item in full:
        if item.spec is not None and item.group is not Group.INVARIANCE:
            groups.setdefault(item.spec, set()).add(item.group)
    assert all(len(found) == 1 for found in groups.values())


def test_trends_are_balanced_and_controls_and_extremes_all_occur(full: list[Item]) -> None:
    trends = Counter(
        item.spec.drift_t for item in full if item.spec and item.group is Group.READING
    )
    assert trends == {0.0: 60, 3.0: 30, -3.0: 30, 5.0: 30, -5.0: 30}
    controls = Counter(item.control for item in full if item.group is Group.CONTROL)
    assert controls[Control.INVERTED] == controls[Control.TRUNCATED] == 20
    assert controls[Control.BLANK] == controls[Control.WRONG] == controls[Control.CONFLICT] == 40
    markets = {item.spec.market for item in full if item.spec}
    assert set(EXTREMES) <= markets


def test_invariance_draws_the_same_chart_in_three_other_ways(full: list[Item]) -> None:
    styles = {item.style for item in full if item.group is Group.INVARIANCE}
    assert styles == {
        replace(STYLE, scale=4 / 3),
        replace(STYLE, dark=True),
        replace(STYLE, bars=70),
    }
    assert {item.style for item in full if item.group is not Group.INVARIANCE} == {STYLE}


def test_the_golden_set_has_forty_pictures() -> None:
    items = golden_plan(1, STYLE)
    assert len(items) == len({item.key for item in items}) == 40
    assert sum(item.mirrored for item in items) == 10


def test_a_question_is_named_by_all_that_is_sent(examiner: Examiner, full: list[Item]) -> None:
    item = next(item for item in full if item.group is Group.NULL)
    question = examiner.prepare(item).question
    named = question_hash("identity", item, question, "")
    assert named == question_hash("identity", item, examiner.prepare(item).question, "")
    others = {
        question_hash("other", item, question, ""),
        question_hash("identity", item, question, "again"),
        question_hash("identity", item, replace(question, user="Other words."), ""),
        question_hash("identity", item, replace(question, images=(b"other",)), ""),
        question_hash("identity", replace(item, variant="repeat1"), question, ""),
    }
    assert len(others | {named}) == 6
    assert all(len(name) == 64 for name in others)
