"""What a list of closed trades amounts to. What can't be computed is None, never 0 or NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from exchange.domain import ZERO

# Two-sided 95 % quantile of the normal distribution.
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """The result of one trade. ``net_pnl`` is after fees and funding, in USDT."""

    net_pnl: Decimal
    fees: Decimal
    funding: Decimal
    r_multiple: Decimal | None
    held: timedelta


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures over closed trades; shares are 0..1, money is USDT."""

    trades: int
    wins: int
    losses: int
    win_rate: float | None
    win_rate_interval: tuple[float, float] | None
    net_pnl: Decimal
    fees: Decimal
    funding: Decimal
    profit_factor: Decimal | None
    expectancy: Decimal | None
    expectancy_r: Decimal | None
    largest_win: Decimal | None
    largest_loss: Decimal | None
    average_hold: timedelta | None


def performance(trades: Sequence[ClosedTrade]) -> Performance:
    """Figures of ``trades`` in any order. A trade with net P&L of 0 is neither win nor loss."""
    gains = [trade.net_pnl for trade in trades if trade.net_pnl > 0]
    losses = [trade.net_pnl for trade in trades if trade.net_pnl < 0]
    multiples = [trade.r_multiple for trade in trades if trade.r_multiple is not None]
    count = len(trades)
    net = sum((trade.net_pnl for trade in trades), ZERO)
    return Performance(
        trades=count,
        wins=len(gains),
        losses=len(losses),
        win_rate=len(gains) / count if count else None,
        win_rate_interval=wilson_interval(len(gains), count),
        net_pnl=net,
        fees=sum((trade.fees for trade in trades), ZERO),
        funding=sum((trade.funding for trade in trades), ZERO),
        profit_factor=sum(gains, ZERO) / -sum(losses, ZERO) if losses else None,
        expectancy=net / count if count else None,
        expectancy_r=sum(multiples, ZERO) / len(multiples) if multiples else None,
        largest_win=max(gains, default=None),
        largest_loss=min(losses, default=None),
        average_hold=sum((t.held for t in trades), timedelta()) / count if count else None,
    )


def wilson_interval(wins: int, count: int) -> tuple[float, float] | None:
    """95 % interval of a share of ``wins`` in ``count`` (Wilson 1927); None without trades."""
    if count == 0:
        return None
    share = wins / count
    scale = 1 + Z95**2 / count
    centre = share + Z95**2 / (2 * count)
    reach = Z95 * math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2))
    # Floats may miss the ends by a hair: no wins is exactly 0, all wins exactly 1.
    low = 0.0 if wins == 0 else (centre - reach) / scale
    high = 1.0 if wins == count else (centre + reach) / scale
    return low, high


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak: in money and as a share of that peak."""

    amount: Decimal
    share: Decimal


def max_drawdown(equity: Sequence[Decimal]) -> Drawdown | None:
    """Deepest fall of an equity series, oldest first, each against the highest value before it;
    None without a series."""
    if not equity:
        return None
    peak, worst = equity[0], Drawdown(ZERO, ZERO)
    for value in equity:
        peak = max(peak, value)
        share = (peak - value) / peak if peak > 0 else ZERO
        if share > worst.share:
            worst = Drawdown(peak - value, share)
    return worst
