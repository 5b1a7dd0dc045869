"""The tables of a study as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from trading.backtest.study import RandomStudy
from trading.counterfactual_table import FEW, Outcomes
from trading.funnel import stage_label

NONE = "–"


def rule_words(rows: Sequence[Outcomes], without: Sequence[tuple[str, int]]) -> list[str]:
    """What each rule saved or cost, and how many signals can't be followed."""
    lines = [
        "what the signals that a rule stopped would have come to (R per trade, 95 % interval):",
        f"  {'rule':<22}{'stopped':>8}{'ended':>7}{'won':>6}{'mean R':>9}  {'interval':<18}"
        f"{'sum R':>9}  effect",
    ]
    lines += [_rule_line(row) for row in rows] or ["  no rule stopped a signal with prices"]
    if any(row.few for row in rows):
        lines.append(f"  * fewer than {FEW} outcomes: too few to lean on")
    known = ", ".join(f"{count} {stage_label(rule)}" for rule, count in without)
    if known:
        lines.append(f"  without prices, so it can't be known: {known}")
    return lines


def _rule_line(row: Outcomes) -> str:
    mean = NONE if row.mean_r is None else f"{row.mean_r:+.3f}"
    interval = NONE
    if row.mean_interval is not None:
        interval = f"{row.mean_interval[0]:+.3f} to {row.mean_interval[1]:+.3f}"
    total = NONE if row.sum_r is None else f"{row.sum_r:+.1f}"
    return (
        f"  {stage_label(row.name):<22}{row.count:>8}{row.ended:>7}{row.won:>6}{mean:>9}  "
        f"{interval:<18}{total:>9}  {row.effect}{' *' if row.few else ''}"
    )


def random_words(study: RandomStudy | None) -> list[str]:
    """The strategy among random entries, and what that means."""
    if study is None:
        return ["no closed trades to compare with random entries"]
    low, quarter, middle, upper, high = study.spread
    runs = len(study.runs.mean_r)
    lines = [
        f"the same exits on random entries, {runs:,} runs of {study.trades} trades each "
        "(same symbols, sides, stop and target distances, fees and fills):",
        f"  random mean R: median {middle:+.3f}, half of the runs {quarter:+.3f} to {upper:+.3f}, "
        f"nine of ten {low:+.3f} to {high:+.3f}",
        f"  this profile: {study.mean_r:+.3f} R per trade, {study.sum_r:+.1f} R in all, "
        f"better than {study.percentile:.1%} of the random runs",
        f"  its entries at market: {study.own_mean_r:+.3f} R, "
        f"better than {study.own_percentile:.1%}",
        f"  {study.verdict}",
    ]
    if study.mean_r < 0:
        lines.append("  These defaults lost money in this period, after costs.")
    return lines
