"""Log-price paths of the simulated market: pure functions of (seed, name, time).

A path is anchored at midnight of each day. The anchors follow a mean-reverting random walk that
takes drift and volatility from regimes, so a price stays sane over decades; inside a day the
minutes are drawn from a stream of their own and bent (a Brownian bridge) to end on the next
anchor. Any day can therefore be made alone, and neighbouring days join exactly.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from exchange.candles import Floats, Ints, to_ms

EPOCH = datetime(2018, 1, 1, tzinfo=UTC)
EPOCH_MS = to_ms(EPOCH)
HORIZON_DAYS = 365 * 40
HORIZON = EPOCH + timedelta(days=HORIZON_DAYS)
MINUTE_MS = 60_000
DAY_MINUTES = 1440
DAY_MS = DAY_MINUTES * MINUTE_MS

_REVERSION_PER_DAY = 1 / 180
_TAIL_FREEDOM = 4

# Regimes: probability, volatility multiplier, direction of the drift.
_REGIMES = ((0.40, 0.60, 0), (0.22, 0.90, 1), (0.22, 0.90, -1), (0.16, 2.00, 0))
_REGIME_MIN_H, _REGIME_MEAN_EXTRA_H, _REGIME_MAX_H = 4, 22.0, 96
_DRIFT_PER_VOLATILITY = (0.6, 1.6)


def stream(seed: int, *key: int | str) -> np.random.Generator:
    """A random stream of its own for each key; the same numbers on every machine."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key]
    sequence = np.random.SeedSequence([seed & (2**64 - 1), *words])
    return np.random.Generator(np.random.Philox(sequence))


def day_shape() -> Floats:
    """Activity by minute of the UTC day, mean 1: quiet Asian night, peaks at both openings."""
    minutes = np.arange(DAY_MINUTES)
    shape = np.full(DAY_MINUTES, 0.7)
    for peak_hour, height, width_h in ((0.0, 0.5, 0.8), (8.0, 0.6, 1.5), (14.5, 1.3, 2.0)):
        distance_h = (minutes / 60 - peak_hour + 12) % 24 - 12
        shape += height * np.exp(-((distance_h / width_h) ** 2) / 2)
    return shape / float(shape.mean())


_VOLATILITY_SHAPE = np.sqrt(day_shape())


class DayPath(NamedTuple):
    """Log price at the 1441 minute boundaries of a day, and sigma of each of its 1440 minutes."""

    log_price: Floats
    sigma: Floats


class _Regimes(NamedTuple):
    """Segments from ``start_minute`` since EPOCH on, each with its rates per minute."""

    start_minute: Ints
    drift: Floats
    sigma: Floats


class Factor:
    """One source of price moves: the whole market, or what is a symbol's own."""

    def __init__(self, seed: int, name: str, daily_volatility: float) -> None:
        self._seed = seed
        self._name = name
        self._regimes = self._draw_regimes(daily_volatility)
        self._anchors = self._draw_anchors()
        self.day = lru_cache(maxsize=32)(self._draw_day)

    def _draw_regimes(self, daily_volatility: float) -> _Regimes:
        rng = stream(self._seed, self._name, "regimes")
        # Segments last 25 h on average, so one per 20 h is certain to reach the horizon.
        count = HORIZON_DAYS * 24 // 20
        hours = np.minimum(
            _REGIME_MIN_H + np.floor(rng.exponential(_REGIME_MEAN_EXTRA_H, count)), _REGIME_MAX_H
        ).astype(np.int64)
        kinds = np.searchsorted(
            np.cumsum([regime[0] for regime in _REGIMES[:-1]]), rng.random(count), side="right"
        )
        sigma = daily_volatility * np.array([regime[1] for regime in _REGIMES])[kinds]
        direction = np.array([regime[2] for regime in _REGIMES])[kinds]
        drift = daily_volatility * direction * rng.uniform(*_DRIFT_PER_VOLATILITY, count)
        return _Regimes(
            start_minute=np.concatenate(([0], np.cumsum(hours)[:-1])) * 60,
            drift=drift / DAY_MINUTES,
            sigma=sigma / np.sqrt(DAY_MINUTES),
        )

    def _draw_anchors(self) -> Floats:
        """Log price at each midnight from EPOCH on."""
        starts, drift, sigma = self._regimes
        spans = np.diff(starts)
        midnights = np.arange(HORIZON_DAYS + 1) * DAY_MINUTES

        def per_day(rate: Floats) -> Floats:
            total = np.concatenate(([0.0], np.cumsum(rate[:-1] * spans)))
            return np.diff(np.interp(midnights, starts, total))

        normals = stream(self._seed, self._name, "anchors").standard_normal(HORIZON_DAYS)
        moves = per_day(drift) + np.sqrt(per_day(sigma**2)) * normals
        keep = 1 - _REVERSION_PER_DAY
        walk = accumulate(moves.tolist(), lambda level, move: level * keep + move, initial=0.0)
        return np.array(list(walk))

    def _draw_day(self, day: int) -> DayPath:
        rng = stream(self._seed, self._name, "minutes", day)
        segments = (
            np.searchsorted(
                self._regimes.start_minute,
                day * DAY_MINUTES + np.arange(DAY_MINUTES),
                side="right",
            )
            - 1
        )
        # Volatility clusters: each hour has its own level around that of the regime.
        hourly = np.repeat(np.exp(0.35 * rng.standard_normal(24)), 60)
        sigma = self._regimes.sigma[segments] * hourly * _VOLATILITY_SHAPE
        # Student's t has variance n / (n - 2); divided by its root the moves have variance 1.
        fat = rng.standard_t(_TAIL_FREEDOM, DAY_MINUTES) / np.sqrt(2.0)
        moves = self._regimes.drift[segments] + sigma * fat
        start, end = self._anchors[day], self._anchors[day + 1]
        weights = np.cumsum(sigma**2)
        free = np.cumsum(moves)
        bridged = start + free + (end - start - free[-1]) * weights / weights[-1]
        # The last sum is off by rounding; the anchor itself joins the days exactly.
        bridged[-1] = end
        return DayPath(np.concatenate(([start], bridged)), sigma)
