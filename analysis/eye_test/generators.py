"""Markets with a known truth, made from a seed.

Each has the warm-up that the indicators need before the visible bars. Prices follow a path of
many steps inside every bar, so that wicks and bodies look like those of a market.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np

from analysis.domain import AnalysisInput
from analysis.indicators import INPUT_BARS, VISIBLE_BARS
from exchange.candles import CandleWindow, Floats, to_ms
from exchange.domain import TIMEFRAMES, Instrument

SYMBOL = "EXAMUSDT"
TIMEFRAME = "1h"
# Monday, far from any market's history: the dates are drawn nowhere.
START = datetime(2024, 1, 1, tzinfo=UTC)
DECIMALS = 3

STEPS = 12
STEP_SIZE = 0.0018
# Volatility keeps this much of its deviation from bar to bar and gains this much noise.
VOLATILITY_MEMORY = 0.95
VOLATILITY_NOISE = 0.12

Source = np.random.Generator


class Market(StrEnum):
    """What a made market is like.

    MARTINGALE: no edge, stochastic volatility. DRIFT: the visible closes rise or fall with
    exactly the asked-for t-ratio (0: they end where they began). RANGE: between planted levels.
    The others are extremes.
    """

    MARTINGALE = "martingale"
    DRIFT = "drift"
    RANGE = "range"
    GAPS = "gaps"
    WICK = "wick"
    STILL = "still"
    TINY_STEPS = "tiny_steps"
    NO_VOLUME = "no_volume"


EXTREMES = (Market.GAPS, Market.WICK, Market.STILL, Market.TINY_STEPS, Market.NO_VOLUME)


class Ending(StrEnum):
    """What the last three bars do, on the same history."""

    AS_IT_CAME = ""
    BULLISH_ENGULFING = "bullish_engulfing"
    BEARISH_ENGULFING = "bearish_engulfing"
    LONG_LOWER_WICK = "long_lower_wick"
    LONG_UPPER_WICK = "long_upper_wick"
    INSIDE_BAR = "inside_bar"


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """Names one chart: the same spec is the same candles. ``drift_t`` is the t-ratio of a DRIFT
    market's visible returns."""

    market: Market
    seed: int
    number: int
    drift_t: float = 0.0
    ending: Ending = Ending.AS_IT_CAME


@dataclass(frozen=True, slots=True)
class Made:
    """Candles with what was planted in them, in real prices."""

    given: AnalysisInput
    support: Decimal | None = None
    resistance: Decimal | None = None


def make(spec: ChartSpec) -> Made:
    """The market that ``spec`` names."""
    source = _source(spec)
    price = 100.0 * float(np.exp(source.uniform(-1.5, 1.5)))
    if spec.market is Market.RANGE:
        return _range(source, price)
    if spec.market is Market.STILL:
        return Made(_given(_still(source, price), source))
    steps = _noise(source)
    if spec.market is Market.TINY_STEPS:
        steps *= 0.02
    if spec.market is Market.GAPS:
        steps = _with_gaps(source, steps)
    if spec.market is Market.DRIFT:
        steps = _pinned(steps, spec.drift_t)
    candles = _candles(price * np.exp(np.cumsum(steps, axis=None).reshape(steps.shape)), price)
    if spec.market is Market.WICK:
        candles = _with_wick(source, candles)
    if spec.ending is not Ending.AS_IT_CAME:
        candles = _ended(candles, spec.ending)
    volume = np.zeros(INPUT_BARS) if spec.market is Market.NO_VOLUME else None
    return Made(_given(candles, source, volume))


def _source(spec: ChartSpec) -> Source:
    """Randomness of this chart alone. The ending stays out: its history has to be the same."""
    name = f"{spec.market}|{spec.seed}|{spec.number}|{spec.drift_t}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name).digest()[:8]))


def _noise(source: Source) -> Floats:
    """Log-price steps (bars by steps inside the bar) of a martingale with changing volatility."""
    shocks = source.normal(0, VOLATILITY_NOISE, INPUT_BARS)
    level = 0.0
    volatility = np.empty(INPUT_BARS)
    for bar, shock in enumerate(shocks):
        level = VOLATILITY_MEMORY * level + shock
        volatility[bar] = STEP_SIZE * np.exp(level)
    steps: Floats = source.normal(0, 1, (INPUT_BARS, STEPS)) * volatility[:, None]
    return steps


def _pinned(steps: Floats, drift_t: float) -> Floats:
    """Shift the visible steps so that the t-ratio of the visible bars' returns is ``drift_t``."""
    visible = steps[-VISIBLE_BARS + 1 :]
    returns = visible.sum(axis=1)
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    shift = (drift_t * error - returns.mean()) / STEPS
    pinned = steps.copy()
    pinned[-VISIBLE_BARS + 1 :] = visible + shift
    return pinned


def _with_gaps(source: Source, steps: Floats) -> Floats:
    """Four jumps between two bars, each several bars wide."""
    gapped = steps.copy()
    bars = source.choice(np.arange(INPUT_BARS - VISIBLE_BARS + 5, INPUT_BARS - 3), 4, replace=False)
    gapped[bars, 0] += source.choice([-1, 1], 4) * 0.03
    return gapped


def _with_wick(source: Source, candles: Floats) -> Floats:
    """One bar with a wick many times its neighbours' range."""
    bar = int(source.integers(INPUT_BARS - VISIBLE_BARS + 10, INPUT_BARS - 10))
    spiked = candles.copy()
    spiked[2, bar] *= 0.9
    return spiked


def _still(source: Source, price: float) -> Floats:
    """Candles of a market that hardly trades: a tick up or down now and then."""
    close = price + np.cumsum(source.choice([-1, 0, 0, 0, 1], INPUT_BARS)) * 10.0**-DECIMALS
    open_ = np.concatenate((close[:1], close[:-1]))
    return np.stack((open_, np.maximum(open_, close), np.minimum(open_, close), close))


def _candles(path: Floats, first: float) -> Floats:
    """Rows open, high, low, close of a path (bars by steps inside the bar).

    A jump in the first step of a bar stays a gap: the bar opens there when it is wide.
    """
    close = path[:, -1]
    before = np.concatenate(([first], close[:-1]))
    jumped = np.abs(path[:, 0] / before - 1) > 0.02
    open_ = np.where(jumped, path[:, 0], before)
    high = np.maximum(open_, path.max(axis=1))
    low = np.minimum(open_, path.min(axis=1))
    return np.stack((open_, high, low, close))


def _ended(candles: Floats, ending: Ending) -> Floats:
    """Give the last three bars the shape; sizes are in mean ranges of the bars before."""
    ended = candles.copy()
    base = float(candles[3, -4])
    size = float((candles[1, -23:-3] - candles[2, -23:-3]).mean())
    shapes = {
        # Opens, highs, lows and closes of three bars, from the close before them.
        Ending.BULLISH_ENGULFING: (
            (0, 0.2, -0.6, -0.5),
            (-0.5, -0.4, -1.2, -1.1),
            (-1.15, 0.5, -1.25, 0.4),
        ),
        Ending.LONG_LOWER_WICK: (
            (0, 0.2, -0.6, -0.5),
            (-0.5, -0.4, -1.1, -1.0),
            (-1.0, -0.7, -3.0, -0.75),
        ),
        Ending.INSIDE_BAR: ((0, 0.3, -0.4, -0.2), (-0.2, 0.9, -0.9, 0.3), (0.3, 0.45, -0.1, 0.1)),
    }
    upside_down = {
        Ending.BEARISH_ENGULFING: Ending.BULLISH_ENGULFING,
        Ending.LONG_UPPER_WICK: Ending.LONG_LOWER_WICK,
    }
    shape = np.array(shapes[upside_down.get(ending, ending)])
    if ending in upside_down:
        shape = -shape[:, [0, 2, 1, 3]]
    ended[:, -3:] = (base + shape * size).T
    return ended


# A range: its height in mean bar ranges, how many bars a swing takes, and where it ends.
RANGE_HEIGHT = 0.05
SWING_BARS = (6, 9)
APPROACH_BARS = 10
APPROACH_HEIGHT = 0.45
LAST_BARS = 6


def _range(source: Source, price: float) -> Made:
    """Swings between a planted support and resistance, entered from outside the range, so that
    one planted level is not the extreme of the picture."""
    half = price * RANGE_HEIGHT / 2
    support, resistance = price - half, price + half
    side = float(source.choice([-1, 1]))
    outside = price + side * (half + APPROACH_HEIGHT * 2 * half)
    pivots = [(0, price), (INPUT_BARS - VISIBLE_BARS + 1, outside)]
    bar, turn = INPUT_BARS - VISIBLE_BARS + APPROACH_BARS, -side
    while bar < INPUT_BARS - LAST_BARS:
        pivots.append((bar, price + turn * half))
        bar += int(source.integers(SWING_BARS[0], SWING_BARS[1] + 1))
        turn = -turn
    pivots.append((INPUT_BARS - 1, price + float(source.uniform(-0.2, 0.2)) * half))
    bars, prices = np.array(pivots).T
    candles = _between(source, np.interp(np.arange(INPUT_BARS), bars, prices), half)
    _touch(candles, pivots[2:-1], price)
    start = INPUT_BARS - VISIBLE_BARS + APPROACH_BARS
    candles[1:3, start:] = candles[1:3, start:].clip(support, resistance)
    candles[0::3, start:] = candles[0::3, start:].clip(support, resistance)
    return Made(
        _given(candles, source),
        support=Decimal(f"{support:.{DECIMALS}f}"),
        resistance=Decimal(f"{resistance:.{DECIMALS}f}"),
    )


def _between(source: Source, middle: Floats, half: float) -> Floats:
    """Candles around a path, with noise small beside the range's height."""
    close = middle + source.normal(0, 0.05 * half, len(middle))
    open_ = np.concatenate((close[:1], close[:-1]))
    wicks = np.abs(source.normal(0, 0.05 * half, (2, len(middle))))
    high, low = np.maximum(open_, close) + wicks[0], np.minimum(open_, close) - wicks[1]
    return np.stack((open_, high, low, close))


def _touch(candles: Floats, pivots: list[tuple[int, float]], price: float) -> None:
    """Let the bar of each turn reach its level."""
    for bar, level in pivots:
        row = 1 if level > price else 2
        candles[row, bar] = level
        candles[0::3, bar] = np.where(
            np.abs(candles[0::3, bar] - price) > abs(level - price), level, candles[0::3, bar]
        )


def _given(candles: Floats, source: Source, volume: Floats | None = None) -> AnalysisInput:
    if volume is None:
        wide = (candles[1] - candles[2]) / max(float((candles[1] - candles[2]).mean()), 1e-9)
        volume = np.round(source.lognormal(6, 0.4, candles.shape[1]) * (0.5 + wide), 3)
    interval = TIMEFRAMES[TIMEFRAME]
    span_ms = int(interval.total_seconds() * 1000)
    times = to_ms(START) + np.arange(candles.shape[1], dtype=np.int64) * span_ms
    open_, high, low, close = (row.copy() for row in np.round(candles, DECIMALS))
    return AnalysisInput(
        symbol=SYMBOL,
        timeframe=TIMEFRAME,
        instrument=_instrument(),
        window=CandleWindow(SYMBOL, interval, times, open_, high, low, close, volume),
    )


def _instrument() -> Instrument:
    return Instrument(
        symbol=SYMBOL,
        tick_size=Decimal(1).scaleb(-DECIMALS),
        qty_step=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(100_000),
        min_notional=Decimal(5),
        max_leverage=Decimal(50),
    )
