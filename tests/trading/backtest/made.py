"""Series of candles on whole ticks of 0.1, made from a seed or written out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from exchange.candles import CandleWindow, Floats, to_ms

START = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TICKS_PER_UNIT = 10


def walk(seed: int, count: int, *, wild: float = 8.0, interval: timedelta = HOUR) -> CandleWindow:
    """A random walk around 100 with gaps between candles, and candles without volume."""
    random = np.random.default_rng(seed)
    close = 1000 + np.cumsum(np.round(random.normal(0, wild, count)))
    close = np.maximum(close, 200)
    open_ = np.maximum(np.roll(close, 1) + np.round(random.normal(0, wild / 4, count)), 100)
    open_[0] = close[0]
    high = np.maximum(open_, close) + np.abs(np.round(random.normal(0, wild / 2, count)))
    low = np.minimum(open_, close) - np.abs(np.round(random.normal(0, wild / 2, count)))
    volume = np.where(random.random(count) < 0.05, 0.0, np.round(random.gamma(2, 500, count)))
    return series(open_, high, np.maximum(low, 50), close, volume, interval=interval)


def series(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    *,
    interval: timedelta = HOUR,
) -> CandleWindow:
    """Prices in ticks."""
    span_ms = interval // timedelta(milliseconds=1)
    return CandleWindow(
        "BTCUSDT",
        interval,
        to_ms(START) + span_ms * np.arange(len(open_), dtype=np.int64),
        open=_prices(open_),
        high=_prices(high),
        low=_prices(low),
        close=_prices(close),
        volume=volume,
    )


def _prices(ticks: Floats) -> Floats:
    return np.round(ticks / TICKS_PER_UNIT, 1).astype(np.float64)


def path(*closes: float, reach: float = 0.2, interval: timedelta = MINUTE) -> CandleWindow:
    """Candles that close at ``closes``, open where the one before closed, and reach a little
    beyond both."""
    close = np.round(np.array(closes) * TICKS_PER_UNIT)
    open_ = np.roll(close, 1)
    open_[0] = close[0]
    wick = reach * TICKS_PER_UNIT
    high, low = np.maximum(open_, close) + wick, np.minimum(open_, close) - wick
    return series(open_, high, low, close, np.full(len(close), 1000.0), interval=interval)
