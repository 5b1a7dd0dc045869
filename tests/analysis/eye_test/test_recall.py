from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.eye_test.plan import Group, Item, Question
from analysis.eye_test.prepare import Examiner
from analysis.eye_test.recall import RecallSource
from analysis.indicators import INPUT_BARS
from exchange.market.archive import Archive
from tests.analysis.candle_makers import random_window

pytestmark = pytest.mark.django_db

SYMBOLS = ("BTCUSDT", "ETHUSDT", "OTHERUSDT")


def source(folder: Path, symbols: tuple[str, ...] = SYMBOLS, count: int = 400) -> RecallSource:
    archive = Archive(folder)
    for seed, symbol in enumerate(symbols):
        archive.store(random_window(seed, count=count, symbol=symbol), source="test")
    return RecallSource(archive)


def test_charts_come_from_any_market_and_time_and_say_which(tmp_path: Path) -> None:
    recall = source(tmp_path)
    assert recall.is_enough
    found = [recall.chart(1, number) for number in range(30)]
    assert {each.asset for each in found} == set(SYMBOLS)
    assert len({each.given.window.last_close_time for each in found}) > 10
    for each in found:
        assert len(each.given.window) == INPUT_BARS
        assert each.month == f"{each.given.window.last_close_time:%Y-%m}"
    assert recall.chart(1, 3).given.window.close.tolist() == (found[3].given.window.close.tolist())


@pytest.mark.parametrize(
    ("symbols", "count"), [(SYMBOLS[:2], INPUT_BARS), (SYMBOLS, INPUT_BARS - 1)]
)
def test_few_markets_or_short_ones_are_not_enough(
    tmp_path: Path, symbols: tuple[str, ...], count: int
) -> None:
    assert not source(tmp_path, symbols, count).is_enough


def test_the_question_names_the_choices_and_nothing_else(
    tmp_path: Path, examiner: Examiner
) -> None:
    examining = replace(examiner, recall=source(tmp_path))
    prepared = examining.prepare(Item(Group.RECALL, 4, Question.RECALL))
    asset, month = prepared.expected
    schema = prepared.question.schema or {}
    assert schema["properties"]["asset"]["enum"] == list(SYMBOLS)
    text = prepared.question.system + prepared.question.user
    assert asset not in text
    assert month not in text
    assert prepared.given is not None
    assert str(prepared.given.window.close[-1]) not in text
