"""A chart's truth and valid answers about it, as a model would write them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from analysis.answer.parse import parse_answer
from analysis.answer.value import Answer
from analysis.domain import ChartFacts, Level
from analysis.errors import AnalysisInvalid

FACTS = ChartFacts(
    chart_id="A7KM",
    question_id="Q3R7TN",
    factor=Decimal("0.005"),
    bars=80,
    last_close=Decimal("100.20"),
    visible_high=Decimal("104.13"),
    visible_low=Decimal("95.37"),
    high_bars=(-41,),
    low_bars=(-70, -68),
    markers=(Decimal("101.47"), Decimal("97.29")),
    newest_hollow=True,
    atr=Decimal("0.80"),
    levels=(
        Level("R1", Decimal("103.00"), 3),
        Level("S1", Decimal("99.10"), 2),
        Level("S2", Decimal("97.00"), 1),
    ),
)


def observation(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "trend",
        "from_bar": -30,
        "to_bar": 0,
        "level_id": None,
        "text": "Lows rise.",
    } | changes


def long_answer(**changes: Any) -> dict[str, Any]:
    """A grounded long about ``FACTS``: stop behind S1, target at R1, 2.33 R before costs."""
    return {
        "question_id": "Q3R7TN",
        "chart_id": "A7KM",
        "last_close": 100.2,
        "marker_1": 101.5,
        "marker_2": 97.3,
        "visible_high": 104.1,
        "visible_low": 95.4,
        "high_bar": -41,
        "low_bar": -70,
        "last_bar": "hollow",
        "legible": "all",
        "observations": [
            observation(),
            observation(kind="momentum", text="RSI turns up from its middle."),
            observation(kind="level", from_bar=-5, to_bar=-5, level_id="S1", text="S1 held."),
        ],
        "environment": "trend_up",
        "environment_fit": 0.75,
        "case_long": ["The pullback held at S1."],
        "case_short": ["The highs stopped rising.", "Volume fades."],
        "strongest_objection": "R1 turned price three times.",
        "invalidation_level_id": "S1",
        "invalidation_price": 99.1,
        "invalidation_condition": "close_beyond",
        "invalidation_bars": None,
        "setup_quality": 0.5,
        "direction": "long",
        "entry_type": "limit",
        "entry": 100.2,
        "stop": 99.0,
        "target": 103.0,
        "stop_level_id": "S1",
        "target_level_id": "R1",
        "target_first": 0.3,
        "stop_first": 0.5,
        "neither": 0.2,
        "not_visible": [],
        "conflict": "none",
    } | changes


def short_answer(**changes: Any) -> dict[str, Any]:
    plan = {
        "direction": "short",
        "entry_type": "market",
        "entry": 100.2,
        "stop": 101.4,
        "target": 99.1,
        "stop_level_id": None,
        "target_level_id": "S1",
        "invalidation_level_id": None,
        "invalidation_price": 101.4,
        "invalidation_condition": "touch",
        "invalidation_bars": 12,
    }
    return long_answer(**(plan | changes))


def none_answer(**changes: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(
        (
            "invalidation_level_id",
            "invalidation_price",
            "invalidation_condition",
            "invalidation_bars",
            "entry_type",
            "entry",
            "stop",
            "target",
            "stop_level_id",
            "target_level_id",
        )
    )
    return long_answer(**(nothing | {"direction": "none", "setup_quality": 0} | changes))


def parsed(answer: dict[str, Any], facts: ChartFacts = FACTS) -> Answer:
    return parse_answer(json.dumps(answer), facts)


def refusal(text: str, facts: ChartFacts = FACTS) -> str:
    """The code under which ``text`` is refused; empty when it is taken."""
    try:
        parse_answer(text, facts)
    except AnalysisInvalid as error:
        return error.code
    return ""


def refusal_of(answer: dict[str, Any], facts: ChartFacts = FACTS) -> str:
    return refusal(json.dumps(answer), facts)
