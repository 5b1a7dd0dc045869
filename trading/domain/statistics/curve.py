"""The way of an account's value: drawdown, daily returns, and the ratios made of them.

Transfers move none of it. Day means UTC day. What can't be computed is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from trading.domain.statistics.trades import (
    DAY,
    UNKNOWN_TIME,
    Columns,
    Floats,
    Ints,
    amount,
    micros,
    units,
)

# A year of a market that never closes.
DAYS_PER_YEAR = 365


@dataclass(frozen=True, slots=True)
class EquityValue:
    """Equity at one moment. ``transfers`` is what was paid in (above 0) or out since the moment
    before; ``unit_value`` is equity per unit, which transfers do not move, where it is kept."""

    time: datetime
    equity: Decimal
    transfers: Decimal = Decimal(0)
    unit_value: Decimal | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Values, oldest first. ``money`` is the value less all transfers, in units of 1e-8;
    ``index`` the growth of one unit since the first value, NaN from where it can't be known."""

    times: Ints
    money: Ints
    index: Floats

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak, in money and as a share of the peak's value (each at its own
    worst), and the longest time until a peak was reached again, or to the end."""

    amount: Decimal
    share: float | None
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Ratios:
    """Return against risk, from ``days`` daily returns; a year has 365, the risk-free rate is 0."""

    days: int
    sharpe: float | None
    sortino: float | None
    calmar: float | None


def curve_of_equity(points: Sequence[EquityValue]) -> Curve:
    """Curve of stored equity. Growth comes from ``unit_value`` where two neighbours have it, else
    from (equity - transfers) / equity before, the time-weighted return of the step."""
    equity = np.array([units(point.equity) for point in points], dtype=np.int64)
    flows = np.array([units(point.transfers) for point in points], dtype=np.int64)
    held = np.array(
        [np.nan if p.unit_value is None else float(p.unit_value) for p in points], dtype=np.float64
    )
    times = np.array([micros(point.time) for point in points], dtype=np.int64)
    # What was paid in before the first value is part of it.
    flows[:1] = 0
    return curve_of(times, equity, flows, held)


def curve_of(times: Ints, equity: Ints, flows: Ints, unit_values: Floats) -> Curve:
    """The same from columns; the first of ``flows`` must be 0."""
    index = np.ones(len(equity), dtype=np.float64)
    if len(equity) > 1:
        before, after = equity[:-1].astype(np.float64), (equity - flows)[1:].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where((before > 0) & (after > 0), after / before, np.nan)
            kept = unit_values[1:] / unit_values[:-1]
        index[1:] = np.cumprod(np.where(np.isfinite(kept) & (kept > 0), kept, steps))
    return Curve(times, equity - np.cumsum(flows), index)


def curve_of_trades(columns: Columns, start: Decimal | None) -> Curve:
    """Value after each close, as if nothing else had moved it. It begins with ``start`` when the
    first trade opens; without a start its money begins at 0 and its growth is unknown."""
    base = units(start) if start is not None and start > 0 else 0
    money = base + np.concatenate(([0], np.cumsum(columns.net)))
    known = columns.opened[columns.opened != UNKNOWN_TIME]
    first = min(known.min(), columns.closed[0]) if len(known) else columns.closed[0]
    index = money / base if base else np.full(len(money), np.nan)
    # From zero there is no way back.
    ruined = np.maximum.accumulate(money <= 0) if base else np.zeros(len(money), dtype=np.bool_)
    times = np.concatenate(([first], columns.closed)).astype(np.int64)
    return Curve(times, money, np.where(ruined, np.nan, index))


def drawdown(curve: Curve) -> Drawdown | None:
    """Deepest fall of the curve; None with fewer than two values.

    Money: max over t of (highest value up to t - value at t). Share: max over t of
    1 - index(t) / highest index up to t. Source: Magdon-Ismail and Atiya, "Maximum drawdown",
    Risk 17 (2004).
    """
    if len(curve) < 2:
        return None
    peaks = np.maximum.accumulate(curve.money)
    fall = int((peaks - curve.money).max())
    return Drawdown(amount(fall), _fall_share(curve.index), _longest_fall(curve, peaks))


def falls(curve: Curve) -> Floats:
    """Share below the highest value so far, at each moment: 0 at a peak, -0.1 a tenth below."""
    return curve.index / np.maximum.accumulate(curve.index) - 1


def _fall_share(index: Floats) -> float | None:
    if np.isnan(index).any():
        return None
    return float((1 - index / np.maximum.accumulate(index)).max())


def _longest_fall(curve: Curve, peaks: Ints) -> timedelta:
    """Longest time below a peak. A fall begins at the last moment at the peak and ends at the
    first one back at it."""
    below = curve.money < peaks
    if not below.any():
        return timedelta(0)
    rows = np.arange(len(curve))
    last_peak = np.maximum.accumulate(np.where(below, 0, rows))
    # The row after a fall is its end; a fall that lasts ends with the curve.
    ends = np.flatnonzero(below & ~np.append(below[1:], False))
    back = np.minimum(ends + 1, len(curve) - 1)
    longest = (curve.times[back] - curve.times[last_peak[ends]]).max()
    return timedelta(microseconds=int(longest))


def daily_returns(curve: Curve) -> Floats:
    """Growth of each UTC day, from the first value's day to the last's.

    r(d) = index at the end of d / index at the end of the day before - 1; the first day starts
    from the first value; a day without a value has return 0. Empty where growth is unknown.
    """
    if len(curve) < 2 or np.isnan(curve.index).any():
        return np.array([], dtype=np.float64)
    days = curve.times // DAY
    ends = np.searchsorted(days, np.arange(days[0], days[-1] + 1), side="right") - 1
    closing = curve.index[ends]
    return closing / np.concatenate((curve.index[:1], closing[:-1])) - 1


def ratios(curve: Curve) -> Ratios:
    """Sharpe, Sortino and Calmar ratio of the curve's daily returns."""
    returns = daily_returns(curve)
    return Ratios(len(returns), sharpe(returns), sortino(returns), calmar(returns))


def sharpe(returns: Floats) -> float | None:
    """sqrt(365) x mean(r) / s(r) with the sample deviation s (n - 1); None where returns do not
    vary. Source: Sharpe, "The Sharpe ratio", Journal of Portfolio Management 21 (1994)."""
    if len(returns) < 2:
        return None
    deviation = float(returns.std(ddof=1))
    if not _varies(deviation, returns):
        return None
    return math.sqrt(DAYS_PER_YEAR) * float(returns.mean()) / deviation


def sortino(returns: Floats) -> float | None:
    """sqrt(365) x mean(r) / sqrt(mean(min(r, 0)^2)); None without a losing day.

    The downside deviation runs over all n days about the fixed target 0; no mean is estimated
    there, so nothing is taken off n. Source: Sortino and Price, "Performance measurement in a
    downside risk framework", Journal of Investing 3 (1994).
    """
    if len(returns) < 2:
        return None
    downside = math.sqrt(float((np.minimum(returns, 0) ** 2).mean()))
    if downside == 0:
        return None
    return math.sqrt(DAYS_PER_YEAR) * float(returns.mean()) / downside


def calmar(returns: Floats) -> float | None:
    """(growth of all days ^ (365 / days) - 1) / deepest fall at the end of a day; None without a
    fall. Source: Young, "Calmar ratio: a smoother tool", Futures 20 (1991)."""
    if len(returns) < 2:
        return None
    values = np.concatenate(([1.0], np.cumprod(1 + returns)))
    fall = _fall_share(values)
    if not fall or values[-1] <= 0:
        return None
    try:
        yearly = math.pow(float(values[-1]), DAYS_PER_YEAR / len(returns)) - 1
    except OverflowError:
        return None
    return yearly / fall


def _varies(deviation: float, values: Floats) -> bool:
    """Whether a deviation is more than the rounding of equal values."""
    return deviation > 1e-12 * max(1e-300, float(np.abs(values).max()))
