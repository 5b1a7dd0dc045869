"""What the technical analyst sees in a chart, from the point of view of one side.

For shorts every price is negated and RSI is taken from 100, so one set of rules serves both
sides and neither is preferred. Distances are in ATR14 of the newest candle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.domain import Direction, Level
from analysis.indicators import MIN_TOUCHES, TOUCH_ATR, VISIBLE_BARS, Indicators
from exchange.candles import CandleWindow, Floats

# Slopes are measured over half the period of the fast average: long enough to outlast a single
# bar, short enough to see a turn.
SLOPE_BARS = 10
# An average that moved less than one bar's range in ten bars is drifting, not trending.
TREND_SLOPE_ATR = 1.0
# An order of averages younger than this may still be the wiggle of one swing.
TREND_BARS = 5
# "The last three closed bars": how long ago a touch may lie and still be answered.
RECENT_BARS = 3
# A pullback gives back at least one bar's range from the high of the last twenty bars.
PULLBACK_ATR = 1.0
PULLBACK_BARS = 20


@dataclass(frozen=True, slots=True)
class SideReading:
    """One side's facts about a chart. Prices are as drawn; ``*_atr`` are in ATR14.

    ``slope_atr`` is the change of EMA20 over ten bars, positive in favour of the side;
    ``trend_bars`` counts bars since EMA20 went to the side's side of EMA50 (80 at most).
    ``swing`` is the extreme of the pullback, ``level`` the touched level, if any.
    """

    direction: Direction
    slope_atr: float
    trend_bars: int
    trending: bool
    context_agrees: bool
    pulled_back: bool
    touched_average: bool
    level: Level | None
    reacted: bool
    swing: float
    rsi: float
    rsi_rising: bool
    extension_atr: float


def read_side(
    direction: Direction,
    window: CandleWindow,
    found: Indicators,
    levels: Sequence[Level],
) -> SideReading:
    """Measure the facts for ``direction`` (long or short) at the newest candle."""
    sign = float(direction.sign)
    atr = float(found.atr[-1])
    lows = (window.low if sign > 0 else window.high)[-PULLBACK_BARS:] * sign
    highs = (window.high if sign > 0 else window.low)[-PULLBACK_BARS:] * sign
    close = window.close[-SLOPE_BARS:] * sign
    fast, slow = found.ema_fast[-VISIBLE_BARS:] * sign, found.ema_slow[-VISIBLE_BARS:] * sign
    context = found.ema_context * sign
    slope = float(fast[-1] - fast[-1 - SLOPE_BARS]) / atr
    trend_bars = _trailing(fast > slow)
    low = float(lows[-RECENT_BARS:].min())
    depth = float(highs.max()) - low
    rsi = found.rsi if sign > 0 else 100.0 - found.rsi
    return SideReading(
        direction=direction,
        slope_atr=slope,
        trend_bars=trend_bars,
        trending=(
            trend_bars >= TREND_BARS
            and slope >= TREND_SLOPE_ATR
            and slow[-1] > slow[-1 - SLOPE_BARS]
        ),
        context_agrees=bool(context[-1] > context[-1 - SLOPE_BARS]),
        pulled_back=depth >= PULLBACK_ATR * atr and bool(close[-1] > slow[-1]),
        touched_average=_touched_average(lows, fast, close, atr),
        level=_touched_level(levels, low * sign, direction, atr),
        reacted=_reacted(window, sign),
        swing=low * sign,
        rsi=float(rsi[-1]),
        rsi_rising=bool(rsi[-1] > rsi[-2]),
        extension_atr=float(close[-1] - fast[-1]) / atr,
    )


def _trailing(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """How many of the newest flags are true without a break."""
    broken = np.flatnonzero(~flags)
    return len(flags) if len(broken) == 0 else len(flags) - 1 - int(broken[-1])


def _touched_average(lows: Floats, fast: Floats, close: Floats, atr: float) -> bool:
    """A recent bar came within the touch zone of EMA20, and price closed beyond it again."""
    gaps = lows[-RECENT_BARS:] - fast[-RECENT_BARS:]
    return bool(gaps.min() <= TOUCH_ATR * atr and close[-1] > fast[-1])


def _touched_level(
    levels: Sequence[Level], swing: float, direction: Direction, atr: float
) -> Level | None:
    """The twice-proven level behind price that the pullback reached, if it did."""
    letter = "S" if direction is Direction.LONG else "R"
    for level in levels:
        proven = level.level_id.startswith(letter) and level.touches >= MIN_TOUCHES
        if proven and abs(float(level.price) - swing) <= TOUCH_ATR * atr:
            return level
    return None


def _reacted(window: CandleWindow, sign: float) -> bool:
    """The newest bar turned to the side: it closed beyond its open, beyond the close before
    and in the half of its range that faces the side."""
    close = float(window.close[-1])
    middle = (float(window.high[-1]) + float(window.low[-1])) / 2
    behind = (float(window.open[-1]), float(window.close[-2]), middle)
    return all((close - price) * sign > 0 for price in behind)
