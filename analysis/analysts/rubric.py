"""The two scores, counted in steps of a quarter from facts that anyone can check."""

from __future__ import annotations

from decimal import Decimal

from analysis.analysts.plan import Plan
from analysis.analysts.reading import TREND_SLOPE_ATR, SideReading
from analysis.domain import Environment

# Volatility is typical while ATR14 is within these multiples of its median over 80 bars.
QUIET_RATIO = 0.7
WILD_RATIO = 1.5
# A trend this old has shown itself; younger ones fit, but are not yet established.
ESTABLISHED_BARS = 30
RSI_MIDDLE = 50.0
STRETCHED_RSI = 70.0

FAIR_R_NET = Decimal("1.5")
GOOD_R_NET = Decimal("1.8")
# Counted kinds: trend, structure, momentum, volume.
SOUND_KINDS = 2
STRONG_KINDS = 3


def typical(atr_ratio: float) -> bool:
    """Whether volatility is near its own median."""
    return QUIET_RATIO <= atr_ratio <= WILD_RATIO


def environment_label(long: SideReading, short: SideReading, atr_ratio: float) -> Environment:
    """Name what the market is doing. Trends are named first: they decide what can be traded."""
    if long.trending:
        return Environment.TREND_UP
    if short.trending:
        return Environment.TREND_DOWN
    if atr_ratio > WILD_RATIO:
        return Environment.EXPANSION
    if atr_ratio < QUIET_RATIO:
        return Environment.COMPRESSION
    # Without a trend on either side and with averages that go nowhere, price moves sideways.
    if max(long.slope_atr, short.slope_atr) < TREND_SLOPE_ATR:
        return Environment.RANGE
    return Environment.UNCLEAR


def environment_fit(side: SideReading, atr_ratio: float) -> Decimal:
    """How well a pullback suits the market: 0 no trend, 0.25 the longer timeframe disagrees,
    0.5 unusual volatility, 0.75 fits, 1 fits and the trend is established."""
    if not side.trending:
        return Decimal(0)
    if not side.context_agrees:
        return Decimal("0.25")
    if not typical(atr_ratio):
        return Decimal("0.5")
    return Decimal(1) if side.trend_bars >= ESTABLISHED_BARS else Decimal("0.75")


def agreeing_kinds(side: SideReading, volume_ratio: float) -> tuple[str, ...]:
    """Independent kinds of evidence that speak for the side."""
    speaks = {
        "trend": side.trending,
        "structure": side.touched_average or side.level is not None,
        "momentum": side.rsi_rising and RSI_MIDDLE <= side.rsi <= STRETCHED_RSI,
        "volume": volume_ratio > 1,
    }
    return tuple(kind for kind, agrees in speaks.items() if agrees)


def setup_quality(
    side: SideReading, plan: Plan, kinds: tuple[str, ...], *, objected: bool
) -> Decimal:
    """How good the plan is: 0.25 thin, 0.5 two kinds with a proven level behind the stop,
    0.75 three kinds with good reward and no open objection, 1 with a reaction at a proven level
    and a free way to the target."""
    proven = plan.behind is not None
    if len(kinds) < SOUND_KINDS or plan.r_net < FAIR_R_NET or not proven:
        return Decimal("0.25")
    strong = len(kinds) >= STRONG_KINDS and plan.r_net >= GOOD_R_NET
    if not strong or objected or not side.context_agrees:
        return Decimal("0.5")
    if side.level is not None and not plan.in_the_way:
        return Decimal(1)
    return Decimal("0.75")
