"""Calibration on the performance page: what confidence was worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.calibration import ISOTONIC_LABELS, MIN_LABELS, CalibrationCurve
from analysis.reliability import (
    BrierScore,
    Flags,
    Floats,
    ReliabilityBin,
    Slope,
    brier_score,
    reliability_bins,
    reliability_slope,
)
from dashboard import figures as fig
from dashboard import format as fmt
from dashboard.plot import Dot, Line, Mark, Plot, across, path, ticks, upward
from trading.domain.statistics.trades import Columns

FEWEST_IN_BIN = 10


@dataclass(frozen=True, slots=True)
class BrierPart:
    """One part of the score with what it means."""

    label: str
    value: str
    about: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pictures and figures; ``state`` says in one sentence how far it has come."""

    state: str
    slope: str
    slope_words: str
    plots: list[Plot]
    brier: list[BrierPart]
    brier_words: str


def calibration_read(columns: Columns, curve: CalibrationCurve | None) -> Calibration:
    """Confidence and calibrated chance of the trades against how they ended. ``curve`` is the one
    that the next decision of a chosen bot is judged by."""
    raw = ~np.isnan(columns.confidence)
    stated = ~np.isnan(columns.chance)
    won = columns.net > 0
    slope = reliability_slope(columns.confidence[raw], won[raw])
    score = brier_score(columns.chance[stated], won[stated])
    title = "Confidence against outcome"
    plots = [_plot(title, columns.confidence[raw], won[raw], curve)]
    if stated.any():
        title = "Calibrated chance against outcome"
        plots.append(_plot(title, columns.chance[stated], won[stated], None))
    return Calibration(
        state=_state(curve),
        slope=_slope_text(slope),
        slope_words=_slope_words(slope, int(raw.sum())),
        plots=[plot for plot in plots if plot.rows],
        brier=_brier_parts(score),
        brier_words=_brier_words(score),
    )


def _state(curve: CalibrationCurve | None) -> str:
    if curve is None:
        return "Choose a bot to see the curve that its next decision is judged by."
    if not curve.points:
        return (
            f"Uncalibrated (n = {curve.count}): a curve is fitted from {MIN_LABELS} closed trades "
            "of this bot with its present analyst on."
        )
    method = "Platt's curve" if curve.count < ISOTONIC_LABELS else "an isotonic curve"
    weighs = "rises with confidence" if curve.reliable else "is not shown to rise with confidence"
    return (
        f"Calibrated by {method} on {curve.count:,} trades, the newest closed "
        f"{fmt.day_and_time(curve.until)} UTC. The share of wins {weighs}."
    )


def _slope_text(slope: Slope | None) -> str:
    if slope is None:
        return fmt.UNKNOWN
    return f"{fig.number(slope.value, signed=True)} ({fig.interval((slope.low, slope.high))})"


def _slope_words(slope: Slope | None, count: int) -> str:
    if slope is None:
        return f"It can't be computed from {count} trades."
    if slope.low > 0:
        return f"Above 0 with its whole interval, from {count:,} trades: confidence says something."
    return f"Its interval holds 0, from {count:,} trades: confidence is not shown to say anything."


def _brier_parts(score: BrierScore | None) -> list[BrierPart]:
    if score is None:
        return []
    return [
        BrierPart("Brier score", fig.number(score.score, 4), "0 is foresight, 0.25 a coin"),
        BrierPart("Reliability", fig.number(score.reliability, 4), "how far off; less is better"),
        BrierPart("Resolution", fig.number(score.resolution, 4), "telling apart; more is better"),
        BrierPart("Uncertainty", fig.number(score.uncertainty, 4), "of the outcomes themselves"),
        BrierPart("Within bins", fig.number(score.within_bins, 4), "left over by the bins"),
    ]


def _brier_words(score: BrierScore | None) -> str:
    if score is None:
        return "No closed trade had a calibrated chance when it was decided."
    return (
        f"On the chance known at the decision of {score.count:,} trades: score = reliability "
        f"{fmt.MINUS} resolution + uncertainty + within bins (Murphy 1973)."
    )


def _plot(title: str, forecast: Floats, won: Flags, curve: CalibrationCurve | None) -> Plot:
    bins = reliability_bins(forecast, won)
    low = min([0.5, *(item.low for item in bins)])
    x, y = across(low, 1), upward(0, 1)
    lines = [Line(path([low, 1], [low, 1], x, y), "plot-ideal")]
    for item in bins:
        lines.append(
            Line(path([item.forecast] * 2, [*item.interval], x, y), "plot-reach"),
        )
    if curve is not None and curve.points:
        known = [(float(raw), float(chance)) for raw, chance, _ in curve.points if raw >= low]
        xs, ys = [raw for raw, _ in known], [chance for _, chance in known]
        lines.append(Line(path(xs, ys, x, y), "plot-line"))
    return Plot(
        title=title,
        unit="share won (up), with 95 % intervals",
        summary=_summary(bins),
        across=[Mark(x.text(v), f"{v:.0%}".replace("%", " %")) for v in ticks(x, 5)],
        upward=[Mark(y.text(v), f"{v * 100:.0f} %") for v in (0, 0.25, 0.5, 0.75, 1)],
        lines=lines,
        dots=[Dot(x.text(item.forecast), y.text(item.won), _tone(item)) for item in bins],
        head=("Stated", "Trades", "Mean", "Won", "95 % interval"),
        rows=[
            (
                f"{item.low * 100:.0f} to {item.high * 100:.0f} %",
                f"{item.count:,}",
                fig.percent(item.forecast),
                fig.percent(item.won),
                fig.share_interval(item.interval),
            )
            for item in bins
        ],
        caption="On the dashed line as many are won as stated. Faint dots: fewer than "
        f"{FEWEST_IN_BIN} trades.",
    )


def _tone(item: ReliabilityBin) -> str:
    return "plot-dot" if item.count >= FEWEST_IN_BIN else "plot-dot-faint"


def _summary(bins: list[ReliabilityBin]) -> str:
    parts = (
        f"{item.low * 100:.0f} to {item.high * 100:.0f} %: {item.won * 100:.0f} % of {item.count}"
        for item in bins
    )
    return f"Won of trades by what was stated. {'; '.join(parts)}."
