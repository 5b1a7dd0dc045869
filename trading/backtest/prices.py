"""Where a followed trade gets its prices: the market it would have traded on, or bare candles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from exchange.candles import CandleWindow, from_ms, to_ms
from exchange.domain import FundingEvent, Instrument, PriceStep
from exchange.market.replay import replayed_step
from exchange.ports import MarketData


class Prices(Protocol):
    """Closed monitor candles of one symbol, and what the paper engine fills from."""

    window: CandleWindow

    def steps(self, start: datetime, end: datetime) -> Iterable[PriceStep]:
        """Price in ``(start, end]``, oldest first."""

    def funding(self, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        """Settlements in ``(start, end]``, oldest first."""


class MarketPrices:
    """A market's own prices of one symbol from ``start`` to ``end`` (both market time).

    Raises ``MarketDataError`` where the market has no such candles.
    """

    def __init__(self, market: MarketData, symbol: str, start: datetime, end: datetime) -> None:
        interval = market.monitor_interval(symbol)
        count = int((end - start) / interval) + 2
        window = market.candles(symbol, interval, end=end, limit=count)
        first = int(window.times.searchsorted(to_ms(start - interval), side="right"))
        self.window = window.slice(first, len(window))
        self._market, self._symbol = market, symbol

    def steps(self, start: datetime, end: datetime) -> Iterable[PriceStep]:
        return self._market.steps(self._symbol, start, end)

    def funding(self, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        return self._market.funding(self._symbol, start, end)


class CandlePrices:
    """Bare candles with a modelled spread of 0.01 %, as a replay has it; ``settlements`` are the
    funding to charge, oldest first."""

    def __init__(
        self,
        window: CandleWindow,
        instrument: Instrument,
        settlements: Sequence[FundingEvent] = (),
    ) -> None:
        self.window = window
        self._instrument = instrument
        self._settlements = settlements

    def steps(self, start: datetime, end: datetime) -> Iterable[PriceStep]:
        span_ms = self.window.interval // timedelta(milliseconds=1)
        first = int(self.window.times.searchsorted(to_ms(start) - span_ms, side="right"))
        stop = int(self.window.times.searchsorted(to_ms(end) - span_ms, side="right"))
        return (
            replayed_step(self.window.candle(place), start, self._instrument)
            for place in range(first, stop)
        )

    def funding(self, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        return [event for event in self._settlements if start < event.time <= end]


def close_time(window: CandleWindow, place: int) -> datetime:
    """When the candle at ``place`` closed."""
    return from_ms(int(window.times[place])) + window.interval
