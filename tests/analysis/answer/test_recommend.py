from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis.answer.grounding import ground
from analysis.answer.recommend import to_recommendation
from analysis.domain import ChartFacts, Direction, Environment, Evidence, Recommendation
from analysis.errors import AnalysisInvalid
from tests.analysis.answer.makers import (
    FACTS,
    long_answer,
    none_answer,
    observation,
    parsed,
    short_answer,
)
from tests.analysis.candle_makers import given, random_window

GIVEN = given(random_window(3, price=20_000.0, digits=1, symbol="REALUSDT"), tick="0.1")


def recommended(written: dict[str, Any], facts: ChartFacts = FACTS) -> Recommendation:
    answer = parsed(written, facts)
    return to_recommendation(answer, GIVEN, facts, ground(answer, facts))


def prices_of(found: Recommendation) -> list[Decimal | None]:
    return [found.entry_price, found.stop_loss, found.take_profit]


def test_prices_are_turned_back_by_the_factor() -> None:
    found = recommended(long_answer())
    assert prices_of(found) == [20_040, 19_800, 20_600]
    assert found.atr == 160
    assert found.direction is Direction.LONG


def test_prices_have_the_eight_places_that_tables_keep() -> None:
    found = recommended(long_answer(), replace(FACTS, factor=Decimal("0.003")))
    assert found.entry_price == Decimal("33400.00000000")
    assert found.stop_loss == Decimal("33000.00000000")
    assert found.take_profit == Decimal("34333.33333333")


def test_a_short_keeps_its_order() -> None:
    found = recommended(short_answer())
    assert prices_of(found) == [20_040, 20_280, 19_820]
    assert found.features["r_gross"] == "0.92"


def test_none_has_no_prices() -> None:
    found = recommended(none_answer())
    assert found.direction is Direction.NONE
    assert prices_of(found) == [None, None, None]
    assert found.features["r_gross"] is None
    assert found.invalidation == ""


def test_what_is_asked_about_comes_from_the_question() -> None:
    found = recommended(long_answer(strongest_objection="Trade BTCUSDT instead."))
    assert (found.symbol, found.timeframe) == ("REALUSDT", "1h")
    assert found.candle_time == GIVEN.candle_time
    assert found.last_price == Decimal(str(GIVEN.window.close[-1]))


def test_scores_and_environment_are_taken() -> None:
    found = recommended(long_answer(environment="range", environment_fit=0.25, setup_quality=1))
    assert found.scores.market_environment == Decimal("0.25")
    assert found.scores.setup_quality == 1
    assert found.environment is Environment.RANGE


def test_evidence_shows_both_cases_and_the_touches_that_code_counted() -> None:
    seen = [
        observation(from_bar=-12, to_bar=-3, text="Lows rise."),
        observation(kind="level", from_bar=-5, to_bar=-5, level_id="S1", text="S1 held 9 times."),
        observation(kind="level", level_id="S2", text="S2 is old."),
    ]
    assert recommended(long_answer(observations=seen)).evidence == (
        Evidence("trend", "Lows rise. (bars -12 to -3)", Direction.NONE),
        Evidence("level", "S1 held 9 times. (bar -5; S1 has 2 touches)", Direction.NONE),
        Evidence("level", "S2 is old. (bars -30 to 0; S2 has 1 touch)", Direction.NONE),
        Evidence("case", "The pullback held at S1.", Direction.LONG),
        Evidence("case", "The highs stopped rising.", Direction.SHORT),
        Evidence("case", "Volume fades.", Direction.SHORT),
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "A close beyond 19820 (S1) ends the idea."),
        ({"invalidation_level_id": None}, "A close beyond 19820 ends the idea."),
        ({"invalidation_price": None}, "A close beyond 19820 (S1) ends the idea."),
        (
            {"invalidation_condition": "touch", "invalidation_bars": 4},
            "A trade at 19820 (S1) within 4 bars ends the idea.",
        ),
        (
            {"invalidation_condition": "time", "invalidation_bars": 1},
            "The idea ends if it has not worked within 1 bar.",
        ),
    ],
)
def test_the_invalidation_is_a_sentence_in_real_prices(
    changes: dict[str, Any], sentence: str
) -> None:
    assert recommended(long_answer(**changes)).invalidation == sentence


@pytest.mark.parametrize(
    ("conflict", "vetoed"), [("none", False), ("image_vs_table", True), ("within_image", True)]
)
def test_a_conflict_vetoes(conflict: str, vetoed: bool) -> None:
    found = recommended(long_answer(conflict=conflict))
    assert bool(found.veto) is vetoed
    assert found.direction is Direction.LONG


def test_a_partly_legible_picture_with_unread_markers_is_a_result_that_is_not_grounded() -> None:
    found = recommended(long_answer(legible="partly", marker_1=None, marker_2=None))
    assert found.grounding is not None
    assert not found.grounding.grounded
    assert found.features["readback"]["marker_1"] is None
    assert found.features["legible"] == "partly"


def test_features_hold_the_read_back_and_what_code_recomputed() -> None:
    found = recommended(long_answer(high_bar=-43, low_bar=-69))
    assert found.features == {
        "readback": {
            "last_close": "0.0000",
            "marker_1": "0.0034",
            "marker_2": "0.0011",
            "visible_high": "0.0034",
            "visible_low": "0.0034",
        },
        "readback_worst": "0.0034",
        "high_bar_off": 2,
        "low_bar_off": 1,
        "legible": "all",
        "conflict": "none",
        "setup_quality": "0.5",
        "environment_fit": "0.75",
        "target_first": "0.3",
        "stop_first": "0.5",
        "neither": "0.2",
        "r_gross": "2.33",
        "stop_touches": 2,
        "target_touches": 3,
    }


def test_the_answer_for_people_is_json_in_real_prices() -> None:
    shown = recommended(long_answer(marker_2=None)).answer
    assert json.loads(json.dumps(shown)) == shown
    written = long_answer()
    assert set(shown) == {*written, "factor", "r_gross", "invalidation_at"}
    prices = {
        "last_close": "20040",
        "marker_1": "20300",
        "marker_2": None,
        "visible_high": "20820",
        "visible_low": "19080",
        "invalidation_price": "19820",
        "invalidation_at": "19820",
        "entry": "20040",
        "stop": "19800",
        "target": "20600",
    }
    assert {name: shown[name] for name in prices} == prices
    assert (shown["factor"], shown["r_gross"], shown["setup_quality"]) == ("0.005", "2.33", "0.5")
    assert shown["observations"] == written["observations"]
    assert shown["high_bar"] == -41


@pytest.mark.parametrize(
    ("plan", "factor"),
    [
        # In units of the last place: 1, 1, 2, then 1, 2, 2, and for the short 3, 2, 0.
        ({"stop": 99.0, "entry": 100.2, "target": 103.0}, 68),
        ({"stop": 99.0, "entry": 100.2, "target": 103.0}, Decimal("66.3")),
        ({"direction": "short", "stop": 140.0, "entry": 100.2, "target": 20.2}, 50),
    ],
)
def test_prices_that_fall_together_in_real_prices_are_refused(
    plan: dict[str, Any], factor: Decimal
) -> None:
    free = dict.fromkeys(
        name for name in long_answer() if name.startswith(("stop_l", "target_l", "invalidation"))
    )
    wide = replace(FACTS, atr=Decimal(10)) if "direction" in plan else FACTS
    assert recommended(long_answer(**free, **plan), wide).entry_price
    with pytest.raises(AnalysisInvalid) as caught:
        recommended(long_answer(**free, **plan), replace(wide, factor=factor * Decimal(10) ** 8))
    assert caught.value.code == "price_resolution"


def test_the_place_of_an_invalidation_named_by_its_level_is_kept() -> None:
    by_level = recommended(long_answer(invalidation_price=None)).answer
    assert by_level["invalidation_price"] is None
    assert by_level["invalidation_at"] == "19820"
    nowhere = recommended(none_answer()).answer
    assert nowhere["invalidation_at"] is None
