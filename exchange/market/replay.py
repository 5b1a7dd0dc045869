"""A market that plays the candle archive again.

What candles don't tell is modelled: a spread of 0.01 %, turnover as volume times close, and
0.01 % of funding at 00, 08 and 16 UTC; there is no mark price. Price is known at the close of
each monitor candle and stands still between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from exchange.candles import CandleWindow, decimal_of, from_ms, to_ms
from exchange.domain import Candle, FundingEvent, Instrument, PriceStep, Quote, Ticker
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.market.archive import Archive
from exchange.market.clock import MarketClock
from exchange.market.moments import closed_boundary_ms, refuse_future, span_ms
from exchange.market.replay_series import ReplaySeries, count_closed
from exchange.ports import MarketFacts

SPREAD = Decimal("0.0001")
FUNDING_RATE = Decimal("0.0001")
FUNDING_MS = 8 * 3_600_000
DAY_MS = 24 * 3_600_000


class ReplayMarket:
    """Stored candles of ``symbols`` between ``start`` and ``end`` in the time of ``clock``.

    Candles before ``start`` are history. Where the archive has a gap, ``candles`` raises
    ``CandlesUnavailable`` and a quote carries the time of the last price known.
    """

    facts = MarketFacts(spread=True, turnover=True, funding=True, listing=True, mark=False)

    def __init__(
        self,
        archive: Archive,
        clock: MarketClock,
        symbols: Sequence[str],
        speed: float,
        start: datetime,
        end: datetime | None = None,
    ) -> None:
        self._clock = clock
        self._speed = speed
        self._series = {symbol: ReplaySeries(archive, symbol, start, end) for symbol in symbols}

    def now(self) -> datetime:
        return self._clock.now()

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def last_moment(self) -> datetime:
        """Close of the newest candle of any symbol: nothing can be replayed after it."""
        return max(series.last_close for series in self._series.values())

    def symbols(self) -> Sequence[str]:
        return tuple(self._series)

    def instrument(self, symbol: str) -> Instrument:
        return self._of(symbol).instrument

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        window = self._of(symbol).window(interval)
        last_ms = closed_boundary_ms(end, interval, self.now())
        stop = count_closed(window, last_ms)
        if stop > 0 and window.times[stop - 1] != last_ms - span_ms(interval):
            raise CandlesUnavailable(f"{symbol}: the candle to {from_ms(last_ms)} is missing")
        return window.slice(max(0, stop - limit), stop)

    def quote(self, symbol: str) -> Quote:
        series, now = self._of(symbol), self.now()
        window, place = series.monitor, self._last_place(series, now)
        last = decimal_of(window.close[place])
        known = from_ms(int(window.times[place])) + window.interval
        return Quote(
            symbol=symbol,
            time=now if now - known < window.interval else known,
            bid=series.instrument.floor_price(last * (1 - SPREAD / 2)),
            ask=series.instrument.ceil_price(last * (1 + SPREAD / 2)),
            last=last,
        )

    def ticker(self, symbol: str) -> Ticker:
        series, now = self._of(symbol), self.now()
        window, place = series.monitor, self._last_place(series, now)
        day = np.s_[series.closed_by(to_ms(now) - DAY_MS) : place + 1]
        return Ticker(
            symbol=symbol,
            time=now,
            last=decimal_of(window.close[place]),
            mark=None,
            turnover_24h=Decimal(round(float(np.dot(window.volume[day], window.close[day])))),
            funding_rate=FUNDING_RATE,
            next_funding=from_ms((to_ms(now) // FUNDING_MS + 1) * FUNDING_MS),
            listed_at=series.first_open,
        )

    def monitor_interval(self, symbol: str) -> timedelta:
        return self._of(symbol).monitor.interval

    def steps(self, symbol: str, start: datetime, end: datetime) -> Iterator[PriceStep]:
        """Candles that closed in ``(start, end]``, each whole and told once.

        A candle that opened before ``start`` is told as a step from ``start``, since only its
        whole is stored: its high and low may lie before that.
        """
        refuse_future(end, self.now())
        series = self._of(symbol)
        first, stop = series.closed_by(to_ms(start)), series.closed_by(to_ms(end))
        return (_step(series, place, start) for place in range(first, stop))

    def funding(self, symbol: str, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        refuse_future(end, self.now())
        series = self._of(symbol)
        first_ms = (to_ms(start) // FUNDING_MS + 1) * FUNDING_MS
        return [
            FundingEvent(
                symbol=symbol,
                time=from_ms(moment_ms),
                rate=FUNDING_RATE,
                mark=decimal_of(series.monitor.close[closed - 1]),
            )
            for moment_ms in range(first_ms, to_ms(end) + 1, FUNDING_MS)
            if (closed := series.closed_by(moment_ms)) > 0
        ]

    def doubts(self) -> tuple[str, ...]:
        """Stored prices are never in doubt."""
        return ()

    def _of(self, symbol: str) -> ReplaySeries:
        try:
            return self._series[symbol]
        except KeyError:
            raise UnknownSymbol(
                f"{symbol} is not in this replay; it has {', '.join(self._series)}"
            ) from None

    def _last_place(self, series: ReplaySeries, now: datetime) -> int:
        closed = series.closed_by(to_ms(now))
        if closed == 0:
            raise CandlesUnavailable(
                f"{series.symbol} has no price before {series.monitor.candle(0).close_time}"
            )
        return closed - 1


def _step(series: ReplaySeries, place: int, start: datetime) -> PriceStep:
    return replayed_step(series.monitor.candle(place), start, series.instrument)


def replayed_step(candle: Candle, start: datetime, instrument: Instrument) -> PriceStep:
    """A stored candle as one step with the modelled spread, from ``start`` where it opened
    before."""
    return PriceStep(
        symbol=candle.symbol,
        start=max(candle.open_time, start),
        end=candle.close_time,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        spread=instrument.ceil_price(candle.close * SPREAD),
    )
