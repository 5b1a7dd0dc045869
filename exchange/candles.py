"""Candles in bulk: columns of numbers for indicators, charts and replays.

Floats live here and in indicators only; ``CandleWindow.candle`` is the one door back to Decimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from exchange.domain import Candle

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CandleWindow:
    """Closed candles, oldest first. ``times`` are open times in epoch milliseconds (UTC)."""

    symbol: str
    interval: timedelta
    times: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.times)

    @property
    def last_close_time(self) -> datetime:
        """Close time of the newest candle."""
        return from_ms(int(self.times[-1])) + self.interval

    def tail(self, count: int) -> CandleWindow:
        """The newest ``count`` candles (all, when there are fewer)."""
        return self.slice(max(0, len(self) - count), len(self))

    def slice(self, start: int, stop: int) -> CandleWindow:
        """Candles ``start`` to ``stop`` (exclusive), as views on the same memory."""
        part = np.s_[start:stop]
        return CandleWindow(
            self.symbol,
            self.interval,
            self.times[part],
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            self.volume[part],
        )

    def candle(self, index: int) -> Candle:
        """One candle with exact decimals: the shortest text that reads back as the same float."""
        return Candle(
            symbol=self.symbol,
            open_time=from_ms(int(self.times[index])),
            interval=self.interval,
            open=decimal_of(self.open[index]),
            high=decimal_of(self.high[index]),
            low=decimal_of(self.low[index]),
            close=decimal_of(self.close[index]),
            volume=decimal_of(self.volume[index]),
        )


def decimal_of(value: float | np.float64) -> Decimal:
    """The decimal a float was written from (shortest round-trip form)."""
    return Decimal(repr(float(value)))


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds of an aware datetime."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def from_ms(milliseconds: int) -> datetime:
    """Aware UTC datetime of epoch milliseconds."""
    return datetime.fromtimestamp(milliseconds // 1000, tz=UTC) + timedelta(
        milliseconds=milliseconds % 1000
    )


def floor_time(moment: datetime, interval: timedelta) -> datetime:
    """The candle boundary at or before ``moment``."""
    span_ms = int(interval.total_seconds() * 1000)
    return from_ms(to_ms(moment) // span_ms * span_ms)
