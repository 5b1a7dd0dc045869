"""Numbers computed from candles: averages, momentum, volatility, volume and price levels.

Everything is causal (a value at a bar uses that bar and earlier ones only) and pure. Arrays are
as long as the window they came from; leading entries are NaN until an indicator has its period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import talib

from analysis.domain import Level
from analysis.errors import NotEnoughCandles
from exchange.candles import CandleWindow, Floats, decimal_of

VISIBLE_BARS = 80
WARM_UP = 120
INPUT_BARS = VISIBLE_BARS + WARM_UP

EMA_FAST = 20
EMA_SLOW = 50
# The fast average of a timeframe four times as long, expressed in bars of this one.
EMA_CONTEXT = 4 * EMA_FAST
RSI_PERIOD = 14
ATR_PERIOD = 14
VOLUME_BARS = 20
# Every visible bar must have its slow average, whose period lies before it.
NEEDED_BARS = VISIBLE_BARS + EMA_SLOW

# A price within a quarter of the average true range of a level touches it.
TOUCH_ATR = 0.25
MIN_TOUCHES = 2
# A swing is the extreme among the two bars before it and the two after it.
SWING_BARS = 2
LEVELS_PER_SIDE = 3
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Indicators:
    """Indicator values per candle, as floats in the units of the window.

    ``volume_ratio`` is volume over the mean of the 20 bars before (NaN where that mean is 0);
    ``ema_context`` stands in for the fast average of a timeframe four times as long.
    """

    ema_fast: Floats
    ema_slow: Floats
    ema_context: Floats
    rsi: Floats
    atr: Floats
    volume_ratio: Floats


def indicators(window: CandleWindow) -> Indicators:
    """Compute all indicators of ``window``. Raises ``NotEnoughCandles`` under ``NEEDED_BARS``."""
    if len(window) < NEEDED_BARS:
        raise NotEnoughCandles(
            f"{window.symbol}: {len(window)} candles, the indicators need {NEEDED_BARS}"
        )
    return Indicators(
        ema_fast=talib.EMA(window.close, timeperiod=EMA_FAST),
        ema_slow=talib.EMA(window.close, timeperiod=EMA_SLOW),
        ema_context=talib.EMA(window.close, timeperiod=EMA_CONTEXT),
        rsi=_rsi(window.close),
        atr=talib.ATR(window.high, window.low, window.close, timeperiod=ATR_PERIOD),
        volume_ratio=_volume_ratio(window.volume),
    )


def _rsi(close: Floats) -> Floats:
    """Wilder's RSI; TA-Lib answers 0 for a price that never moved, which is neither weak nor
    strong, so that case reads 50."""
    rsi: Floats = talib.RSI(close, timeperiod=RSI_PERIOD)
    still = np.maximum.accumulate(close) == np.minimum.accumulate(close)
    rsi[still & ~np.isnan(rsi)] = 50.0
    return rsi


def _volume_ratio(volume: Floats) -> Floats:
    """Volume over the mean of the ``VOLUME_BARS`` bars before it, so a spike is not measured
    against itself."""
    sums = np.cumsum(np.concatenate(([0.0], volume)))
    means = (sums[VOLUME_BARS:-1] - sums[: -VOLUME_BARS - 1]) / VOLUME_BARS
    ratio = np.full(len(volume), np.nan)
    np.divide(volume[VOLUME_BARS:], means, out=ratio[VOLUME_BARS:], where=means > 0)
    return ratio


def bar_sizes(window: CandleWindow, count: int) -> Floats | None:
    """True ranges of the newest ``count`` bars, oldest first, in units of the ATR14 of the bar
    before each: a bar is not measured against itself. None where candles are too few; a bar after
    a time without any movement is infinitely large, unless it does not move either."""
    if len(window) < ATR_PERIOD + 1 + count:
        return None
    ranges = talib.TRANGE(window.high, window.low, window.close)[len(window) - count :]
    atr = talib.ATR(window.high, window.low, window.close, timeperiod=ATR_PERIOD)
    before = atr[len(window) - count - 1 : -1]
    sizes = np.where(ranges > 0, np.inf, 0.0)
    np.divide(ranges, before, out=sizes, where=before > 0)
    return sizes


class _Candidate(NamedTuple):
    touches: int
    bar: int
    price: float


def levels(window: CandleWindow, atr: float, bars: int = VISIBLE_BARS) -> tuple[Level, ...]:
    """Supports and resistances of the newest ``bars``: R1..R3 upward, then S1..S3 downward.

    Candidates are swing extremes that at least two swings touched, both edges of the visible
    range, and the high and low of the previous UTC day where the window holds that whole day.
    ``touches`` counts the swings within ``TOUCH_ATR`` of the price. Of candidates in one zone
    the one with most touches stays, and the later of equals.
    """
    visible = window.tail(bars)
    zone = TOUCH_ATR * atr
    swings = _swings(visible)
    prices = np.array([price for _, price in swings])
    candidates = [
        _Candidate(int(np.count_nonzero(np.abs(prices - price) <= zone)), index, price)
        for index, price in swings
    ]
    candidates = [each for each in candidates if each.touches >= MIN_TOUCHES]
    for index, price in (*_edges(visible), *_previous_day(window)):
        touches = int(np.count_nonzero(np.abs(prices - price) <= zone))
        candidates.append(_Candidate(max(1, touches), index, price))
    kept = _strongest_per_zone(candidates, zone)
    last = float(visible.close[-1])
    above = sorted((each for each in kept if each.price > last), key=lambda each: each.price)
    below = sorted((each for each in kept if each.price < last), key=lambda each: -each.price)
    return (*_numbered("R", above), *_numbered("S", below))


def _swings(window: CandleWindow) -> list[tuple[int, float]]:
    """(bar, price) of confirmed swing highs and lows. Of equal neighbours the first counts."""
    found: list[tuple[int, float]] = []
    for series, sign in ((window.high, 1.0), (window.low, -1.0)):
        signed = series * sign
        centre = signed[SWING_BARS:-SWING_BARS]
        extreme = np.ones(len(centre), dtype=bool)
        for shift in range(1, SWING_BARS + 1):
            extreme &= centre > signed[SWING_BARS - shift : -SWING_BARS - shift]
            extreme &= centre >= signed[SWING_BARS + shift : len(signed) - SWING_BARS + shift]
        bars = np.flatnonzero(extreme) + SWING_BARS
        found.extend((int(bar), float(series[bar])) for bar in bars)
    return found


def _edges(visible: CandleWindow) -> tuple[tuple[int, float], ...]:
    top, bottom = int(np.argmax(visible.high)), int(np.argmin(visible.low))
    return ((top, float(visible.high[top])), (bottom, float(visible.low[bottom])))


def _previous_day(window: CandleWindow) -> tuple[tuple[int, float], ...]:
    """High and low of the UTC day before the newest candle's, if every candle of it is here."""
    span_ms = int(window.interval.total_seconds() * 1000)
    if span_ms >= DAY_MS:
        return ()
    days = window.times // DAY_MS
    start, stop = np.searchsorted(days, [days[-1] - 1, days[-1]])
    if (stop - start) * span_ms != DAY_MS:
        return ()
    # Index -1 ranks a day's extreme behind every visible bar of the same strength.
    return (
        (-1, float(window.high[start:stop].max())),
        (-1, float(window.low[start:stop].min())),
    )


def _strongest_per_zone(candidates: list[_Candidate], zone: float) -> list[_Candidate]:
    kept: list[_Candidate] = []
    for candidate in sorted(candidates, reverse=True):
        if all(abs(candidate.price - other.price) > 2 * zone for other in kept):
            kept.append(candidate)
    return kept


def _numbered(letter: str, found: list[_Candidate]) -> list[Level]:
    return [
        Level(level_id=f"{letter}{rank}", price=decimal_of(each.price), touches=each.touches)
        for rank, each in enumerate(found[:LEVELS_PER_SIDE], start=1)
    ]
