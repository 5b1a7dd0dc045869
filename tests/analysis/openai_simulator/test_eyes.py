"""The simulator's own eyes on charts that the product drew and nobody told it about."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from analysis.answer.grounding import ground
from analysis.answer.parse import parse_answer
from analysis.answer.schema import ANSWER_SCHEMA
from analysis.chart import RenderedChart, render
from analysis.chart_layout import Layout
from analysis.chart_style import ChartStyle
from analysis.copies import mirrored
from analysis.domain import AnalysisInput, ChartFacts, Direction
from analysis.eye_test import pictures
from analysis.prompts.numbers import numbers_table
from tests.analysis.candle_makers import instrument, random_window
from tests.analysis.openai_simulator.door import Door, data_url
from tests.simulators.openai.eyes import look

STYLES = (
    ChartStyle(),
    ChartStyle(scale=4 / 3),
    ChartStyle(bars=70),
    ChartStyle(scale=4 / 3, bars=95),
    ChartStyle(scale=4 / 3, dark=True),
)
SEEDS = range(20)


def given(seed: int, symbol: str = "TESTUSDT") -> AnalysisInput:
    return AnalysisInput(symbol, "1h", instrument(symbol), random_window(seed))


def style(seed: int) -> ChartStyle:
    return STYLES[seed % len(STYLES)]


def seen_on(chart: RenderedChart) -> dict[str, object]:
    return look(Image.open(io.BytesIO(chart.png)))


def off(seen: dict[str, object], name: str, truth: object, facts: ChartFacts) -> float:
    """By what share of the visible range a price was misread."""
    return abs(float(str(seen[name])) - float(str(truth))) / float(facts.visible_range)


@pytest.mark.parametrize("seed", SEEDS)
def test_eyes_read_what_the_chart_shows(seed: int) -> None:
    chart = render(given(seed), style(seed))
    facts, seen = chart.facts, seen_on(chart)
    assert seen["chart_id"] == facts.chart_id
    assert seen["last_close"] == float(facts.last_close)
    assert off(seen, "marker_1", facts.markers[0], facts) <= 0.01
    assert off(seen, "marker_2", facts.markers[1], facts) <= 0.01
    assert off(seen, "visible_high", facts.visible_high, facts) <= 0.01
    assert off(seen, "visible_low", facts.visible_low, facts) <= 0.01
    assert seen["high_bar"] in facts.high_bars
    assert seen["low_bar"] in facts.low_bars
    assert seen["last_bar"] == ("hollow" if facts.newest_hollow else "solid")
    assert {"ema20", "ema50", "rsi"} <= set(seen)


@pytest.mark.parametrize("size", [(64, 64), (1152, 768), (1536, 1024)])
def test_eyes_see_nothing_on_other_pictures(size: tuple[int, int]) -> None:
    assert look(Image.new("RGB", size, "white")) == {}


def test_reader_gives_grounded_answers_that_flip_with_the_mirror(door: Door) -> None:
    answers = [_answered(door, picture) for picture in (given(3), mirrored(given(3)))]
    assert answers == [Direction.LONG, Direction.SHORT]


def test_reader_admits_what_it_cannot_read_or_believe(door: Door) -> None:
    shown, other = given(3), given(4)
    chart = render(shown, ChartStyle())
    layout = Layout(1)
    assert _said(door, pictures.blank(layout), shown, chart)["legible"] == "no"
    inverted = _said(door, pictures.inverted(chart.png, layout), shown, chart)
    assert (inverted["conflict"], inverted["direction"]) == ("within_image", "none")
    conflicting = _said(door, chart.png, other, chart)
    assert (conflicting["conflict"], conflicting["direction"]) == ("image_vs_table", "none")


def _said(door: Door, png: bytes, told: AnalysisInput, chart: RenderedChart) -> dict[str, Any]:
    """The answer about a picture beside the numbers of ``told``."""
    words = numbers_table(told, render(told, ChartStyle()).facts)
    door.sim.script("reader", times=1)
    return door.fields(
        words=f"Question {chart.facts.question_id}.\n\n{words}",
        image=data_url(png),
        schema=ANSWER_SCHEMA,
    )


def _answered(door: Door, shown: AnalysisInput) -> Direction:
    chart = render(shown, ChartStyle(scale=4 / 3))
    words = f"Question {chart.facts.question_id}.\n\n{numbers_table(shown, chart.facts)}"
    door.sim.script("reader", times=1)
    text = door.text(words=words, image=data_url(chart.png), schema=ANSWER_SCHEMA)
    answer = parse_answer(text, chart.facts)
    assert ground(answer, chart.facts).grounded
    return answer.direction
