"""Scores are counted from facts, one step of a quarter at a time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from analysis.analysts.plan import Plan
from analysis.analysts.reading import SideReading
from analysis.analysts.rubric import (
    agreeing_kinds,
    environment_fit,
    environment_label,
    setup_quality,
)
from analysis.analysts.words import mild_objection, open_objections
from analysis.domain import Direction, Environment, Level

SUPPORT = Level("S1", Decimal(97), 3)
LONG = SideReading(
    direction=Direction.LONG,
    slope_atr=2.0,
    trend_bars=40,
    trending=True,
    context_agrees=True,
    pulled_back=True,
    touched_average=True,
    level=SUPPORT,
    reacted=True,
    swing=97.0,
    rsi=58.0,
    rsi_rising=True,
    extension_atr=0.5,
)
SHORT = replace(
    LONG, direction=Direction.SHORT, slope_atr=-2.0, trend_bars=0, trending=False, level=None
)
PLAN = Plan(
    direction=Direction.LONG,
    entry=Decimal(100),
    stop=Decimal(96),
    target=Decimal(110),
    r_net=Decimal("2.2"),
    in_the_way=(),
    behind=SUPPORT,
)
ALL = ("trend", "structure", "momentum", "volume")


def test_full_score_needs_a_reaction_at_a_proven_level_and_a_free_way() -> None:
    assert setup_quality(LONG, PLAN, ALL, objected=False) == 1


def test_level_in_the_way_or_none_touched_takes_a_step_off() -> None:
    blocked = replace(PLAN, in_the_way=(Level("R1", Decimal(105), 2),))
    assert setup_quality(LONG, blocked, ALL, objected=False) == Decimal("0.75")
    assert setup_quality(replace(LONG, level=None), PLAN, ALL, objected=False) == Decimal("0.75")


def test_two_kinds_small_reward_or_an_open_objection_make_half() -> None:
    half = Decimal("0.5")
    assert setup_quality(LONG, PLAN, ALL[:2], objected=False) == half
    assert setup_quality(LONG, replace(PLAN, r_net=Decimal("1.7")), ALL, objected=False) == half
    assert setup_quality(LONG, PLAN, ALL, objected=True) == half
    assert setup_quality(replace(LONG, context_agrees=False), PLAN, ALL, objected=False) == half


def test_unproven_stop_or_poor_reward_makes_a_quarter() -> None:
    quarter = Decimal("0.25")
    assert setup_quality(LONG, replace(PLAN, behind=None), ALL, objected=False) == quarter
    assert setup_quality(LONG, replace(PLAN, r_net=Decimal("1.4")), ALL, objected=False) == quarter


def test_kinds_count_only_what_speaks_for_the_side() -> None:
    assert agreeing_kinds(LONG, 1.2) == ALL
    assert agreeing_kinds(replace(LONG, rsi_rising=False), 0.9) == ("trend", "structure")
    assert agreeing_kinds(LONG, float("nan")) == ("trend", "structure", "momentum")


@pytest.mark.parametrize(
    ("side", "atr_ratio", "score"),
    [
        (LONG, 1.0, "1"),
        (replace(LONG, trend_bars=10), 1.0, "0.75"),
        (LONG, 1.8, "0.5"),
        (LONG, 0.5, "0.5"),
        (replace(LONG, context_agrees=False), 1.0, "0.25"),
        (replace(LONG, trending=False), 1.0, "0"),
    ],
)
def test_environment_fit_by_its_anchors(side: SideReading, atr_ratio: float, score: str) -> None:
    assert environment_fit(side, atr_ratio) == Decimal(score)


@pytest.mark.parametrize(
    ("long_slope", "trending", "atr_ratio", "label"),
    [
        (2.0, "long", 2.0, Environment.TREND_UP),
        (-2.0, "short", 1.0, Environment.TREND_DOWN),
        (2.0, "", 1.6, Environment.EXPANSION),
        (0.1, "", 0.6, Environment.COMPRESSION),
        (0.1, "", 1.0, Environment.RANGE),
        (2.0, "", 1.0, Environment.UNCLEAR),
    ],
)
def test_environment_is_named_by_trend_then_volatility(
    long_slope: float, trending: str, atr_ratio: float, label: Environment
) -> None:
    long = replace(LONG, slope_atr=long_slope, trending=trending == "long")
    short = replace(SHORT, slope_atr=-long_slope, trending=trending == "short")
    assert environment_label(long, short, atr_ratio) is label


def test_objections_come_strongest_first() -> None:
    side = replace(LONG, context_agrees=False, rsi=75.0)
    plan = replace(PLAN, in_the_way=(Level("R1", Decimal(102), 2),))
    found = open_objections(side, plan, 1.7)
    assert [text.split()[0] for text in found] == ["The", "R1", "RSI14", "ATR14"]
    assert open_objections(LONG, PLAN, 1.0) == []


def test_without_objection_the_base_rate_is_named() -> None:
    assert "2.5 times" in mild_objection(PLAN)
    assert "29%" in mild_objection(PLAN)
    blocked = replace(PLAN, in_the_way=(Level("R1", Decimal(105), 2),))
    assert "R1 at 105 (2 touches)" in mild_objection(blocked)
