"""What a list of closed trades amounts to.

Money sums are exact, ratios are floats, shares are 0..1. What can't be computed is None, never 0
or NaN. Figures of several modes are never added up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np

from analysis.intervals import Interval, bootstrap_mean, wilson_interval
from trading.domain.statistics.curve import (
    Curve,
    Drawdown,
    Ratios,
    curve_of_trades,
    drawdown,
    ratios,
)
from trading.domain.statistics.trades import (
    UNITS,
    UNKNOWN_TIME,
    ClosedTrade,
    Columns,
    Dimension,
    Floats,
    Ints,
    Labels,
    amount,
    columns_of,
    exact_sum,
    labels_of,
)


@dataclass(frozen=True, slots=True)
class Streaks:
    """Most wins and losses in a row, in the order of closing. ``current`` is the streak that still
    runs: above 0 wins, below 0 losses. A trade that ends at 0 ends both."""

    wins: int
    losses: int
    current: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures over closed trades. A trade with a net P&L of exactly 0 is neither win nor loss.

    ``left_out`` counts unverifiable trades, which are in no other figure. ``slippage_known`` says
    of how many trades the slippage is known.
    """

    trades: int
    left_out: int
    wins: int
    losses: int
    win_rate: float | None
    win_rate_interval: Interval | None
    gross_pnl: Decimal
    net_pnl: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    profit_factor: float | None
    expectancy: float | None
    expectancy_interval: Interval | None
    expectancy_r: float | None
    expectancy_r_interval: Interval | None
    average_win: float | None
    average_loss: float | None
    largest_win: Decimal | None
    largest_loss: Decimal | None
    drawdown: Drawdown | None
    ratios: Ratios
    sqn: float | None
    exposure: float | None
    average_hold: timedelta | None
    median_hold: timedelta | None
    fees: Decimal
    funding: Decimal
    slippage: Decimal | None
    slippage_known: int
    ai_cost: Decimal
    net_after_ai_cost: Decimal
    streaks: Streaks
    mfe_r: float | None
    mae_r: float | None


def statistics(
    trades: Sequence[ClosedTrade],
    *,
    start_equity: Decimal | None = None,
    equity: Curve | None = None,
) -> Statistics:
    """Figures of ``trades`` in any order.

    Drawdown and ratios come from ``equity`` where it is given, else from the trades' own results
    on top of ``start_equity``. Raises ``ValueError`` for trades of several modes.
    """
    _one_mode({trade.mode for trade in trades})
    verified = [trade for trade in trades if not trade.unverifiable]
    return figures(
        columns_of(verified), len(trades) - len(verified), start_equity=start_equity, equity=equity
    )


def statistics_by(
    trades: Sequence[ClosedTrade], dimension: Dimension, *, start_equity: Decimal | None = None
) -> dict[str, Statistics]:
    """Figures per value of ``dimension``; see ``figures_by``."""
    if dimension is not Dimension.MODE:
        _one_mode({trade.mode for trade in trades})
    verified = [trade for trade in trades if not trade.unverifiable]
    columns = columns_of(verified)
    return figures_by(columns, labels_of(verified, columns)[dimension], start_equity=start_equity)


def _one_mode(modes: set[str]) -> None:
    if len(modes) > 1:
        raise ValueError(f"figures of {', '.join(sorted(modes))} can't be added up")


def figures_by(
    columns: Columns,
    labels: Labels,
    *,
    start_equity: Decimal | None = None,
    starts: Mapping[str, Decimal] | None = None,
) -> dict[str, Statistics]:
    """Figures per name of ``labels`` that has trades, in the order of the names. ``starts`` gives
    some names a start of their own."""
    order = np.argsort(labels.codes, kind="stable")
    bounds = np.searchsorted(labels.codes[order], np.arange(len(labels.names) + 1))
    own = starts or {}
    return {
        name: figures(
            columns.take(order[bounds[code] : bounds[code + 1]]),
            start_equity=own.get(name, start_equity),
        )
        for code, name in enumerate(labels.names)
        if bounds[code] < bounds[code + 1]
    }


def figures(
    columns: Columns,
    left_out: int = 0,
    *,
    start_equity: Decimal | None = None,
    equity: Curve | None = None,
) -> Statistics:
    """Figures of columns, which must be of one mode, in the order of closing."""
    net = columns.net
    count = len(net)
    gains, losses = net[net > 0], net[net < 0]
    won, lost = exact_sum(gains), exact_sum(losses)
    total, fees, funding = won + lost, exact_sum(columns.fees), exact_sum(columns.funding)
    ai_cost = exact_sum(columns.ai_cost)
    money = net / UNITS
    multiples = columns.r[~np.isnan(columns.r)]
    holds = _holds(columns)
    curve = equity
    if curve is None and count:
        curve = curve_of_trades(columns, start_equity)
    return Statistics(
        trades=count,
        left_out=left_out,
        wins=len(gains),
        losses=len(losses),
        win_rate=len(gains) / count if count else None,
        win_rate_interval=wilson_interval(len(gains), count),
        gross_pnl=amount(total + fees + funding),
        net_pnl=amount(total),
        gross_profit=amount(won),
        gross_loss=amount(lost),
        profit_factor=profit_factor(won, lost),
        expectancy=total / count / UNITS if count else None,
        expectancy_interval=bootstrap_mean(money),
        expectancy_r=_mean(multiples),
        expectancy_r_interval=bootstrap_mean(multiples),
        average_win=won / len(gains) / UNITS if len(gains) else None,
        average_loss=lost / len(losses) / UNITS if len(losses) else None,
        largest_win=amount(int(gains.max())) if len(gains) else None,
        largest_loss=amount(int(losses.min())) if len(losses) else None,
        drawdown=drawdown(curve) if curve is not None else None,
        ratios=ratios(curve) if curve is not None else Ratios(0, None, None, None),
        sqn=system_quality(multiples),
        exposure=exposure(columns),
        average_hold=_span(_mean(holds)),
        median_hold=_span(float(np.median(holds)) if len(holds) else None),
        fees=amount(fees),
        funding=amount(funding),
        slippage=_slippage(columns),
        slippage_known=int(columns.slippage_known.sum()),
        ai_cost=amount(ai_cost),
        net_after_ai_cost=amount(total - ai_cost),
        streaks=streaks(net),
        mfe_r=_mean(columns.best_r[~np.isnan(columns.best_r)]),
        mae_r=_mean(columns.worst_r[~np.isnan(columns.worst_r)]),
    )


def profit_factor(won: int, lost: int) -> float | None:
    """Sum of wins / |sum of losses|, net; None without losses. Source: Kaufman, "Trading Systems
    and Methods" (5th ed., 2013), chapter 21."""
    return won / -lost if lost else None


def system_quality(multiples: Floats) -> float | None:
    """SQN = sqrt(n) x mean(R) / s(R) with the sample deviation; None where R does not vary.

    n is not capped at 100, so it grows with the number of trades: compare lists of like length.
    Source: Tharp, "The Definitive Guide to Position Sizing" (2008).
    """
    if len(multiples) < 2:
        return None
    deviation = float(multiples.std(ddof=1))
    if deviation <= 1e-12 * float(np.abs(multiples).max()):
        return None
    return math.sqrt(len(multiples)) * float(multiples.mean()) / deviation


def exposure(columns: Columns) -> float | None:
    """Share of the time from the first opening to the last close in which at least one trade was
    open: length of the union of all [opened, closed] / (last close - first opening)."""
    known = columns.opened != UNKNOWN_TIME
    opened, closed = columns.opened[known], columns.closed[known]
    if len(opened) == 0:
        return None
    order = np.argsort(opened, kind="stable")
    opened, closed = opened[order], closed[order]
    span = int(closed.max() - opened[0])
    if span <= 0:
        return None
    reached = np.maximum.accumulate(closed)
    gaps = np.maximum(opened[1:] - reached[:-1], 0)
    return 1 - exact_sum(gaps) / span


def streaks(net: Ints) -> Streaks:
    """Longest runs of results of one sign, in the given order."""
    if len(net) == 0:
        return Streaks(0, 0, 0)
    signs = np.sign(net)
    starts = np.flatnonzero(np.append(True, signs[1:] != signs[:-1]))
    lengths = np.diff(np.append(starts, len(signs)))
    kinds = signs[starts]
    return Streaks(
        wins=int(lengths[kinds > 0].max(initial=0)),
        losses=int(lengths[kinds < 0].max(initial=0)),
        current=int(lengths[-1] * kinds[-1]),
    )


def _holds(columns: Columns) -> Floats:
    """Time from opening to close in microseconds, where both are known."""
    known = columns.opened != UNKNOWN_TIME
    held: Ints = columns.closed[known] - columns.opened[known]
    return held.astype(np.float64)


def _slippage(columns: Columns) -> Decimal | None:
    if not columns.slippage_known.any():
        return None
    return amount(exact_sum(columns.slippage[columns.slippage_known]))


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _span(microseconds: float | None) -> timedelta | None:
    return None if microseconds is None else timedelta(microseconds=round(microseconds))
