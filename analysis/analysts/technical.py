"""The analyst without a model: trades pullbacks in trends by countable rules.

It is the default, the fallback and the baseline that a model has to beat. Its answer depends on
the candles and the instrument's fees alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from analysis.analysts import words
from analysis.analysts.plan import NoPlan, Plan, make_plan
from analysis.analysts.reading import SideReading, read_side
from analysis.analysts.rubric import (
    agreeing_kinds,
    environment_fit,
    environment_label,
    setup_quality,
)
from analysis.domain import (
    AnalysisInput,
    Direction,
    Environment,
    Evidence,
    Level,
    Recommendation,
    ScoreParts,
)
from analysis.indicators import VISIBLE_BARS, indicators, levels
from exchange.candles import decimal_of
from exchange.domain import quantise

NOTHING = ScoreParts(setup_quality=Decimal(0), market_environment=Decimal(0))


@dataclass(frozen=True, slots=True)
class _Chart:
    """Everything the rules look at, measured once."""

    given: AnalysisInput
    long: SideReading
    short: SideReading
    levels: tuple[Level, ...]
    atr: Decimal
    last: Decimal
    atr_ratio: float
    volume_ratio: float
    environment: Environment


class TechnicalAnalyst:
    """Pullbacks to EMA20 or a proven level in a trend. Raises ``NotEnoughCandles``."""

    name = "technical"
    version = "1"

    def analyse(self, given: AnalysisInput) -> Recommendation:
        """Recommend the one side that has a complete setup, else nothing, with reasons."""
        chart = _measure(given)
        if chart is None:
            return _still(given)
        for side in (chart.long, chart.short):
            if not words.missing_parts(side):
                return _with_plan(chart, side)
        return _without_plan(chart, _reasons(chart))


def _measure(given: AnalysisInput) -> _Chart | None:
    """All facts of a chart; None when price mostly stood still, so that distances have no unit."""
    found = indicators(given.window)
    last = quantise(decimal_of(given.window.close[-1]))
    atr = float(found.atr[-1])
    usual_atr = float(np.median(found.atr[-VISIBLE_BARS:]))
    if quantise(decimal_of(atr)) <= 0 or usual_atr <= 0:
        return None
    marks = levels(given.window, atr)
    long = read_side(Direction.LONG, given.window, found, marks)
    short = read_side(Direction.SHORT, given.window, found, marks)
    ratio = atr / usual_atr
    return _Chart(
        given=given,
        long=long,
        short=short,
        levels=marks,
        atr=quantise(decimal_of(atr)),
        last=last,
        atr_ratio=ratio,
        volume_ratio=float(found.volume_ratio[-1]),
        environment=environment_label(long, short, ratio),
    )


def _evidence(chart: _Chart) -> list[Evidence]:
    return [
        *words.observations(
            chart.long,
            chart.short,
            atr_ratio=chart.atr_ratio,
            volume_ratio=chart.volume_ratio,
        ),
        *words.level_observations(chart.levels, chart.last, chart.atr),
    ]


def _reasons(chart: _Chart) -> str:
    """The first missing part of each side in one sentence."""
    parts = (
        f"{side.direction.value.capitalize()}: {words.missing_parts(side)[0]}"
        for side in (chart.long, chart.short)
    )
    return "; ".join(parts) + "."


def _with_plan(chart: _Chart, side: SideReading) -> Recommendation:
    plan = make_plan(
        side,
        last=chart.last,
        atr=chart.atr,
        levels=chart.levels,
        instrument=chart.given.instrument,
    )
    if isinstance(plan, NoPlan):
        return _without_plan(chart, plan.reason)
    objections = words.open_objections(side, plan, chart.atr_ratio)
    kinds = agreeing_kinds(side, chart.volume_ratio)
    return _recommendation(
        chart,
        plan,
        scores=ScoreParts(
            setup_quality=setup_quality(side, plan, kinds, objected=bool(objections)),
            market_environment=environment_fit(side, chart.atr_ratio),
        ),
        evidence=(words.pullback_observation(side), *_evidence(chart)),
        objection=objections[0] if objections else words.mild_objection(plan),
    )


def _recommendation(
    chart: _Chart,
    plan: Plan,
    *,
    scores: ScoreParts,
    evidence: tuple[Evidence, ...],
    objection: str,
) -> Recommendation:
    return Recommendation(
        symbol=chart.given.symbol,
        timeframe=chart.given.timeframe,
        candle_time=chart.given.candle_time,
        direction=plan.direction,
        entry_price=plan.entry,
        stop_loss=plan.stop,
        take_profit=plan.target,
        scores=scores,
        environment=chart.environment,
        evidence=evidence,
        strongest_objection=objection,
        invalidation=words.invalidation(plan),
        atr=chart.atr,
        last_price=chart.last,
    )


def _without_plan(chart: _Chart, reason: str) -> Recommendation:
    return _nothing(
        chart.given, chart.environment, tuple(_evidence(chart)), reason, chart.atr, chart.last
    )


def _still(given: AnalysisInput) -> Recommendation:
    reason = "Price hardly moved, so there is nothing to measure distances with."
    atr = quantise(decimal_of(indicators(given.window).atr[-1]))
    last = quantise(decimal_of(given.window.close[-1]))
    evidence = (Evidence("volatility", reason, Direction.NONE),)
    return _nothing(given, Environment.UNCLEAR, evidence, reason, atr, last)


def _nothing(
    given: AnalysisInput,
    environment: Environment,
    evidence: tuple[Evidence, ...],
    reason: str,
    atr: Decimal,
    last: Decimal,
) -> Recommendation:
    return Recommendation(
        symbol=given.symbol,
        timeframe=given.timeframe,
        candle_time=given.candle_time,
        direction=Direction.NONE,
        entry_price=None,
        stop_loss=None,
        take_profit=None,
        scores=NOTHING,
        environment=environment,
        evidence=evidence,
        strongest_objection=reason,
        invalidation="",
        atr=atr,
        last_price=last,
    )
