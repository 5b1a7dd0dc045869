"""Truthful answers about charts that were really drawn."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from analysis.answer.grounding import ground
from analysis.answer.parse import parse_answer
from analysis.answer.recommend import to_recommendation
from analysis.chart import ChartStyle, render
from analysis.copies import mirrored
from analysis.domain import ChartFacts
from analysis.errors import AnalysisInvalid
from tests.analysis.answer.makers import long_answer
from tests.analysis.candle_makers import given, random_window

STYLES = [ChartStyle(), ChartStyle(scale=4 / 3, bars=95), ChartStyle(bars=70, dark=True)]


def truthful(facts: ChartFacts) -> dict[str, Any]:
    """A long answer with the true read-back and a stop of one ATR."""

    def read(price: Decimal) -> float:
        return round(float(price), 2)

    free = dict.fromkeys(
        name for name in long_answer() if name.endswith("level_id") or name.startswith("inval")
    )
    seen = [{**each, "level_id": None} for each in long_answer()["observations"]]
    return long_answer(
        **free,
        observations=seen,
        question_id=facts.question_id,
        chart_id=facts.chart_id,
        last_close=float(facts.last_close),
        marker_1=read(facts.markers[0]),
        marker_2=read(facts.markers[1]),
        visible_high=read(facts.visible_high),
        visible_low=read(facts.visible_low),
        high_bar=facts.high_bars[0],
        low_bar=facts.low_bars[-1],
        last_bar="hollow" if facts.newest_hollow else "solid",
        entry=float(facts.last_close),
        stop=float(facts.last_close - facts.atr),
        target=float(facts.last_close + 2 * facts.atr),
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("price", [0.03, 7.0, 64_000.0])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_truthful_answer_is_grounded_and_lands_at_the_real_price(
    style: ChartStyle, price: float, mirror: bool
) -> None:
    market = given(random_window(11, price=price, digits=7))
    asked = mirrored(market) if mirror else market
    facts = render(asked, style).facts
    answer = parse_answer(json.dumps(truthful(facts)), facts)
    grounding = ground(answer, facts)
    assert grounding.reason == ""
    found = to_recommendation(answer, asked, facts, grounding)
    assert found.entry_price is not None
    assert found.stop_loss is not None
    # The picture prints two decimals of an index near 100.
    assert abs(found.entry_price / found.last_price - 1) < Decimal("0.0002")
    assert abs((found.entry_price - found.stop_loss) / found.atr - 1) < Decimal("0.001")


def test_an_answer_about_one_chart_is_refused_for_another() -> None:
    one, other = (render(given(random_window(seed))).facts for seed in (1, 2))
    text = json.dumps(truthful(one))
    assert parse_answer(text, one).chart_id == one.chart_id
    with pytest.raises(AnalysisInvalid, match="is not the id"):
        parse_answer(text, other)
