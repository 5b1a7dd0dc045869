"""Candles for tests, made by rule or by seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from analysis.domain import AnalysisInput
from exchange.candles import CandleWindow, to_ms
from exchange.domain import TIMEFRAMES, Instrument

START = datetime(2026, 3, 2, tzinfo=UTC)


def instrument(symbol: str = "TESTUSDT", tick: str = "0.01") -> Instrument:
    return Instrument(
        symbol=symbol,
        tick_size=Decimal(tick),
        qty_step=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(100_000),
        min_notional=Decimal(5),
        max_leverage=Decimal(50),
    )


def window(
    closes: Sequence[float],
    *,
    spread: float = 0.5,
    interval: timedelta = timedelta(hours=1),
    start: datetime = START,
    volume: float = 1000.0,
    symbol: str = "TESTUSDT",
) -> CandleWindow:
    """Candles that open at the close before and reach ``spread`` beyond both."""
    close = np.array(closes, dtype=np.float64)
    open_ = np.concatenate((close[:1], close[:-1]))
    times = to_ms(start) + np.arange(len(close), dtype=np.int64) * int(
        interval.total_seconds() * 1000
    )
    return CandleWindow(
        symbol,
        interval,
        times,
        open_,
        np.maximum(open_, close) + spread,
        np.minimum(open_, close) - spread,
        close,
        np.full(len(close), volume),
    )


def random_window(
    seed: int,
    *,
    count: int = 200,
    price: float = 100.0,
    step: float = 0.006,
    drift: float = 0.0,
    digits: int = 2,
    timeframe: str = "1h",
    symbol: str = "TESTUSDT",
) -> CandleWindow:
    """A seeded random walk in log price with wicks and uneven volume."""
    source = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(source.normal(drift, step, count)))
    close = np.round(close, digits)
    open_ = np.concatenate((close[:1], close[:-1]))
    wick = np.abs(source.normal(0, step * price * 0.5, (2, count)))
    span_ms = int(TIMEFRAMES[timeframe].total_seconds() * 1000)
    return CandleWindow(
        symbol,
        TIMEFRAMES[timeframe],
        to_ms(START) + np.arange(count, dtype=np.int64) * span_ms,
        open_,
        np.round(np.maximum(open_, close) + wick[0], digits),
        np.round(np.maximum(np.minimum(open_, close) - wick[1], 10.0**-digits), digits),
        close,
        np.round(source.lognormal(6, 0.5, count), 3),
    )


def given(candles: CandleWindow, *, timeframe: str = "1h", tick: str = "0.01") -> AnalysisInput:
    return AnalysisInput(
        symbol=candles.symbol,
        timeframe=timeframe,
        instrument=instrument(candles.symbol, tick),
        window=candles,
    )
