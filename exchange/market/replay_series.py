"""The stored candles of one replayed symbol, searched by time."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from exchange.candles import CandleWindow, decimal_of, from_ms
from exchange.domain import TIMEFRAMES, Instrument
from exchange.errors import CandlesUnavailable
from exchange.market.aggregate import aggregate
from exchange.market.archive import Archive
from exchange.market.instruments import KNOWN_INSTRUMENTS, instrument_from_prices
from exchange.market.moments import span_ms

_SAMPLE = 1000
_NEARLY_ALL = 0.99


class ReplaySeries:
    """Candles of each interval the archive stores or can make of shorter ones.

    Prices come from the *monitor* series: the finest that covers (nearly) as much of the replay
    as any does. ``UnknownSymbol`` if the archive has none, ``CandlesUnavailable``
    if none lies within the replay.
    """

    def __init__(
        self, archive: Archive, symbol: str, start: datetime, end: datetime | None
    ) -> None:
        stored = [archive.load(symbol, interval) for interval in archive.intervals(symbol)]
        self._windows = {window.interval: window for window in stored}
        self._stored = tuple(self._windows)
        self.symbol = symbol
        self.first_open = min(from_ms(int(window.times[0])) for window in stored)
        self.last_close = max(window.last_close_time for window in stored)
        overlaps = [_overlap(window, start, end) for window in stored]
        if max(overlaps) <= timedelta(0):
            raise CandlesUnavailable(
                f"{symbol} has candles from {self.first_open:%Y-%m-%d %H:%M} to "
                f"{self.last_close:%Y-%m-%d %H:%M}, none in the replay from {start:%Y-%m-%d %H:%M}"
            )
        # Stored windows come finest first.
        self.monitor = next(
            window
            for window, overlap in zip(stored, overlaps, strict=True)
            if overlap >= max(overlaps) * _NEARLY_ALL
        )
        self.instrument = _instrument(self.monitor)

    def window(self, interval: timedelta) -> CandleWindow:
        """Every candle of ``interval``; ``CandlesUnavailable`` if it can't be had."""
        if interval not in self._windows:
            self._windows[interval] = self._make(interval)
        return self._windows[interval]

    def closed_by(self, moment_ms: int) -> int:
        """How many monitor candles had closed by ``moment_ms``."""
        return count_closed(self.monitor, moment_ms)

    def _make(self, interval: timedelta) -> CandleWindow:
        shorter = [span for span in self._stored if interval % span == timedelta(0)]
        if interval not in TIMEFRAMES.values() or not shorter:
            stored = ", ".join(str(span) for span in self._stored)
            raise CandlesUnavailable(
                f"{self.symbol} has no candles of {interval}; the archive stores {stored}"
            )
        # Of several, the coarsest: the same candles with the least work.
        return aggregate(self._windows[max(shorter)], interval)


def count_closed(window: CandleWindow, moment_ms: int) -> int:
    """How many candles of ``window`` had closed by ``moment_ms``."""
    newest_open_ms = moment_ms - span_ms(window.interval)
    return int(window.times.searchsorted(newest_open_ms, side="right"))


def _overlap(window: CandleWindow, start: datetime, end: datetime | None) -> timedelta:
    """Time of the replay that ``window`` covers."""
    last = window.last_close_time if end is None else min(end, window.last_close_time)
    return last - max(start, from_ms(int(window.times[0])))


def _instrument(window: CandleWindow) -> Instrument:
    known = KNOWN_INSTRUMENTS.get(window.symbol)
    if known is not None:
        return known
    sample = window.tail(_SAMPLE)
    prices = np.concatenate([sample.open, sample.high, sample.low, sample.close])
    return instrument_from_prices(window.symbol, [decimal_of(price) for price in prices])
