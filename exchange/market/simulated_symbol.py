"""One simulated symbol: candles, prices and steps at any moment of its history.

Times are epoch milliseconds of market time; prices and volumes are whole ticks and steps until
they leave through ``prices`` and ``volumes``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np

from exchange.candles import CandleWindow, Floats, Ints, from_ms, to_ms
from exchange.domain import Instrument, PriceStep
from exchange.errors import CandlesUnavailable
from exchange.market.moments import span_ms
from exchange.market.simulated_day import PROFILES, DayBlock, Grid, draw_day
from exchange.market.simulated_minute import minute_knots, price_inside, stretch
from exchange.market.simulated_path import (
    DAY_MINUTES,
    DAY_MS,
    EPOCH,
    EPOCH_MS,
    HORIZON,
    HORIZON_DAYS,
    MINUTE_MS,
    Factor,
)

FUNDING_MS = 8 * 3_600_000
_BASE_FUNDING = 0.0001
_FUNDING_PER_RETURN = 0.008
_FUNDING_LIMIT = 0.003


class SimulatedSymbol:
    """A pure function of (seed, symbol, time) behind caches that only save work."""

    def __init__(self, seed: int, instrument: Instrument, market: Factor) -> None:
        profile = PROFILES[instrument.symbol]
        self.instrument = instrument
        self.prices = Grid(instrument.tick_size)
        self.volumes = Grid(instrument.qty_step)
        self._seed = seed
        self._key = (seed << 32) ^ zlib.crc32(instrument.symbol.encode())
        self._market = market
        self._own = Factor(seed, instrument.symbol, profile.own_volatility)
        self._block = lru_cache(maxsize=32)(self._draw_block)
        self._candles_of_day = lru_cache(maxsize=512)(self._aggregate_day)
        self._knots = lru_cache(maxsize=8)(self._draw_knots)

    def window(self, interval: timedelta, first_ms: int, last_ms: int) -> CandleWindow:
        """Candles that open from ``first_ms`` up to, not including, ``last_ms`` (both aligned)."""
        length_ms = span_ms(interval)
        days = range((first_ms - EPOCH_MS) // DAY_MS, -(-(last_ms - EPOCH_MS) // DAY_MS))
        parts = [self._candles_of_day(day, length_ms // MINUTE_MS) for day in days]
        skip = (first_ms - EPOCH_MS) % DAY_MS // length_ms
        count = (last_ms - first_ms) // length_ms
        times, *columns = (
            np.concatenate([part[column] for part in parts])[skip : skip + count]
            if parts
            else np.empty(0)
            for column in range(6)
        )
        return CandleWindow(
            self.instrument.symbol, interval, times.astype(np.int64, copy=False), *columns
        )

    def price(self, moment_ms: int) -> int:
        """Last price in ticks."""
        minute, offset_ms = divmod(moment_ms - EPOCH_MS, MINUTE_MS)
        if offset_ms == 0:
            block, place = self._at(minute)
            return int(block.open[place])
        return price_inside(self._knots(minute), offset_ms)

    def spread(self, moment_ms: int) -> int:
        """Ask minus bid in ticks."""
        block, place = self._at((moment_ms - EPOCH_MS) // MINUTE_MS)
        return int(block.spread[place])

    def steps(self, start: datetime, end: datetime) -> Iterator[PriceStep]:
        """Whole minutes as their candles, the first and last one in part."""
        while start < end:
            minute_ms = to_ms(start) // MINUTE_MS * MINUTE_MS
            stop = min(end, from_ms(minute_ms + MINUTE_MS))
            yield self._step(minute_ms, start, stop)
            start = stop

    def turnover_24h(self, moment_ms: int) -> Decimal:
        """Volume times close of the last 1440 closed minutes, in whole USDT."""
        day, minute = divmod((moment_ms - EPOCH_MS) // MINUTE_MS, DAY_MINUTES)
        total = self._turnover(day, 0, minute)
        if day > 0:
            total += self._turnover(day - 1, minute, DAY_MINUTES)
        return Decimal(round(total * self.prices.size * self.volumes.size))

    def funding_rate(self, settlement_ms: int) -> Decimal:
        """Rate settled at ``settlement_ms``, known since the settlement before.

        Crowded longs pay: it rises with the return of the 24 hours before that.
        """
        known_ms = max(settlement_ms - FUNDING_MS, EPOCH_MS)
        before_ms = max(known_ms - DAY_MS, EPOCH_MS)
        trend = math.log(self.price(known_ms) / self.price(before_ms))
        rate = _BASE_FUNDING + _FUNDING_PER_RETURN * trend
        return Decimal(f"{min(max(rate, -_FUNDING_LIMIT), _FUNDING_LIMIT):.6f}")

    def _step(self, minute_ms: int, start: datetime, stop: datetime) -> PriceStep:
        minute = (minute_ms - EPOCH_MS) // MINUTE_MS
        block, place = self._at(minute)
        start_ms, stop_ms = to_ms(start) - minute_ms, to_ms(stop) - minute_ms
        volume = int(block.volume[place])
        if start_ms == 0 and stop_ms == MINUTE_MS:
            path = [int(column[place]) for column in (block.open, block.high, block.low)]
            path.append(int(block.close[place]))
        else:
            path = stretch(self._knots(minute), start_ms, stop_ms)
            # The difference of two rounded totals, so that the parts add up to the whole.
            volume = volume * stop_ms // MINUTE_MS - volume * start_ms // MINUTE_MS
        return PriceStep(
            symbol=self.instrument.symbol,
            start=start,
            end=stop,
            open=self.prices.decimal(path[0]),
            high=self.prices.decimal(max(path)),
            low=self.prices.decimal(min(path)),
            close=self.prices.decimal(path[-1]),
            volume=self.volumes.decimal(volume),
            spread=self.prices.decimal(int(block.spread[place])),
        )

    def _turnover(self, day: int, first: int, last: int) -> float:
        block = self._block(day)
        return float(np.dot(block.close[first:last].astype(float), block.volume[first:last]))

    def _at(self, minute: int) -> tuple[DayBlock, int]:
        day, place = divmod(minute, DAY_MINUTES)
        return self._block(day), place

    def _draw_block(self, day: int) -> DayBlock:
        if not 0 <= day < HORIZON_DAYS:
            raise CandlesUnavailable(
                f"the simulated market exists from {EPOCH:%Y-%m-%d} to {HORIZON:%Y-%m-%d} only"
            )
        return draw_day(
            seed=self._seed,
            instrument=self.instrument,
            market=self._market,
            own=self._own,
            day=day,
        )

    def _draw_knots(self, minute: int) -> tuple[int, ...]:
        block, place = self._at(minute)
        return minute_knots(
            int(block.open[place]),
            int(block.high[place]),
            int(block.low[place]),
            int(block.close[place]),
            key=self._key ^ (minute << 8),
        )

    def _aggregate_day(self, day: int, minutes: int) -> tuple[Ints | Floats, ...]:
        block = self._block(day)

        def rows(column: Ints) -> Ints:
            return column.reshape(-1, minutes)

        opens = np.arange(0, DAY_MINUTES, minutes, dtype=np.int64)
        return (
            EPOCH_MS + day * DAY_MS + opens * MINUTE_MS,
            self.prices.floats(rows(block.open)[:, 0]),
            self.prices.floats(rows(block.high).max(axis=1)),
            self.prices.floats(rows(block.low).min(axis=1)),
            self.prices.floats(rows(block.close)[:, -1]),
            self.volumes.floats(rows(block.volume).sum(axis=1)),
        )
