"""The same exits on entries at random: what a strategy must beat before it means anything.

Each seed draws as many entries per symbol, with as many longs and shorts, as the strategy had; the
moment is any candle up to the strategy's last entry, stop (in ATR14) and target (in R) are those of
one of the strategy's own trades on that symbol, drawn with replacement. Fills, fees, slippage and
funding are the same; what an account holds at once is not limited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from analysis.indicators import NEEDED_BARS, indicators
from exchange.candles import CandleWindow, Floats, Ints, from_ms, to_ms
from exchange.domain import Instrument
from exchange.market.moments import span_ms
from exchange.ports import MarketData
from trading.backtest.kernel import Bulk, BulkExits, exits_in_bulk
from trading.domain.exits import ExitSettings


@dataclass(frozen=True, slots=True)
class OwnTrade:
    """A trade of the strategy, sent at ``placed_ms``. ``stop_atr`` is the distance of its stop in
    ATR14, ``target_r`` that of its target in R, ``risk`` the USDT it could lose."""

    symbol: str
    sign: int
    placed_ms: int
    stop_atr: float
    target_r: float
    risk: float


@dataclass(frozen=True, slots=True)
class Series:
    """The candles of one symbol, the places where an entry may lie, and what funding costs."""

    window: CandleWindow
    instrument: Instrument
    atr_before: Floats
    funding_paid: Floats
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class RandomRuns:
    """Per seed the mean result and the sum, in R. ``own`` are the strategy's entries with market
    orders at the same opens, so that only the choice of the moment differs."""

    mean_r: Floats
    sum_r: Floats
    own_r: Floats
    trades: int

    def share_below(self, mean_r: float) -> float:
        """The share of random runs that did worse than ``mean_r``: its percentile, 0..1."""
        worse = (self.mean_r < mean_r).mean() + (self.mean_r == mean_r).mean() / 2
        return float(worse)


def random_runs(
    own: Sequence[OwnTrade],
    series: dict[str, Series],
    settings: ExitSettings,
    seeds: int,
) -> RandomRuns:
    """Play ``seeds`` random runs. Raises ``KernelUnfit`` for exits that the kernel can't compute,
    ``ValueError`` without trades."""
    if not own:
        raise ValueError("there are no trades to compare random entries with")
    total, count = np.zeros(seeds), np.zeros(seeds)
    own_results = []
    for symbol in sorted({trade.symbol for trade in own}):
        mine = [trade for trade in own if trade.symbol == symbol]
        found = series[symbol]
        drawn = _drawn(mine, found, seeds, symbol)
        results = _results(drawn, found, settings).reshape(seeds, len(mine))
        known = ~np.isnan(results)
        total += np.where(known, results, 0.0).sum(axis=1)
        count += known.sum(axis=1)
        own_results.append(_results(_own(mine, found), found, settings))
    own_r = np.concatenate(own_results)
    return RandomRuns(
        mean_r=total / np.maximum(count, 1),
        sum_r=total,
        own_r=own_r[~np.isnan(own_r)],
        trades=len(own),
    )


def _results(drawn: Bulk, found: Series, settings: ExitSettings) -> Floats:
    exits: BulkExits = exits_in_bulk(
        drawn, found.window, settings, found.instrument, found.funding_paid
    )
    return exits.r_multiple


def _drawn(mine: Sequence[OwnTrade], found: Series, seeds: int, symbol: str) -> Bulk:
    """The entries of all seeds, those of one seed beside each other."""
    random = np.random.default_rng([seeds, *symbol.encode()])
    shape = (seeds, len(mine))
    place = random.integers(found.first, found.stop, shape).ravel()
    sign = np.tile(np.array([trade.sign for trade in mine]), seeds)
    geometry = random.integers(0, len(mine), shape).ravel()
    return _levels(mine, geometry, place, sign, found)


def _own(mine: Sequence[OwnTrade], found: Series) -> Bulk:
    times = np.array([trade.placed_ms for trade in mine])
    place = np.minimum(found.window.times.searchsorted(times), len(found.window) - 1)
    sign = np.array([trade.sign for trade in mine])
    return _levels(mine, np.arange(len(mine)), place, sign, found)


def _levels(
    mine: Sequence[OwnTrade], geometry: Ints, place: Ints, sign: Ints, found: Series
) -> Bulk:
    """Stop and target around the open, on ticks: the stop away from it, the target toward it."""
    tick, open_ = float(found.instrument.tick_size), found.window.open[place]
    stop_atr = np.array([trade.stop_atr for trade in mine])[geometry]
    target_r = np.array([trade.target_r for trade in mine])[geometry]
    risk = np.array([trade.risk for trade in mine])[geometry]
    away = np.maximum(np.ceil(stop_atr * found.atr_before[place] / tick), 2)
    gain = np.maximum(np.floor(away * target_r), 1)
    base = np.round(open_ / tick)
    return Bulk(
        place=place.astype(np.int64),
        sign=sign.astype(np.int64),
        stop=np.maximum(base - sign * away, 1) * tick,
        target=np.maximum(base + sign * gain, 1) * tick,
        qty=risk / (away * tick),
    )


def series_of(
    market: MarketData,
    symbol: str,
    start: datetime,
    end: datetime,
    timeframe: timedelta,
    longest: timedelta,
    last_entry: datetime,
) -> Series:
    """The monitor candles of ``symbol`` with the ATR14 of ``timeframe`` known at each; entries lie
    from ``start`` to ``last_entry``, and early enough to be over before the candles are.

    Raises ``MarketDataError`` and ``NotEnoughCandles``.
    """
    interval = market.monitor_interval(symbol)
    window = market.candles(symbol, interval, end=end, limit=int((end - start) / interval))
    bars = int((end - start) / timeframe) + NEEDED_BARS
    slow = market.candles(symbol, timeframe, end=end, limit=bars)
    ranges = indicators(slow).atr
    newest = slow.times.searchsorted(window.times - span_ms(timeframe), side="right") - 1
    before = np.where(newest >= 0, ranges[np.maximum(newest, 0)], np.nan)
    last = int(window.times.searchsorted(to_ms(last_entry), side="right"))
    known = np.flatnonzero(~np.isnan(before))
    return Series(
        window,
        market.instrument(symbol),
        before,
        _funding(market, window),
        first=int(known[0]) if len(known) else 0,
        stop=min(len(window) - longest // interval - 2, last),
    )


def _funding(market: MarketData, window: CandleWindow) -> Floats:
    """What a long of one unit has paid by the close of each candle."""
    start, end = from_ms(int(window.times[0])), window.last_close_time
    paid = np.zeros(len(window))
    for event in market.funding(window.symbol, start, end):
        place = (to_ms(event.time) - int(window.times[0])) // span_ms(window.interval) - 1
        paid[max(place, 0)] += float(event.rate * event.mark)
    return np.cumsum(paid)
