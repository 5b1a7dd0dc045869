"""One day of one simulated symbol in whole ticks and quantity steps."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from exchange.candles import Floats, Ints
from exchange.domain import Instrument
from exchange.market.simulated_path import DAY_MINUTES, DayPath, Factor, day_shape, stream


@dataclass(frozen=True, slots=True)
class Profile:
    """How a simulated symbol behaves: level, tie to the market, own life, activity."""

    base_price: float
    beta: float
    own_volatility: float
    daily_turnover: float
    spread_bps: float


MARKET_VOLATILITY = 0.024

PROFILES: dict[str, Profile] = {
    "BTCUSDT": Profile(60_000, 0.90, 0.010, 9e9, 0.05),
    "ETHUSDT": Profile(3_000, 1.05, 0.016, 5e9, 0.10),
    "SOLUSDT": Profile(150, 1.25, 0.026, 2e9, 0.8),
    "BNBUSDT": Profile(600, 0.80, 0.016, 4e8, 1.5),
    "XRPUSDT": Profile(2.0, 0.95, 0.026, 1e9, 0.8),
    "DOGEUSDT": Profile(0.20, 1.20, 0.030, 7e8, 1.0),
    "ADAUSDT": Profile(0.60, 1.10, 0.026, 3e8, 2.0),
    "AVAXUSDT": Profile(28, 1.25, 0.028, 2e8, 1.5),
    "LINKUSDT": Profile(15, 1.10, 0.026, 2e8, 1.5),
    "LTCUSDT": Profile(90, 0.90, 0.022, 2e8, 2.0),
}

_VOLUME_SHAPE = day_shape()


@dataclass(frozen=True, slots=True)
class DayBlock:
    """1440 minute candles: prices and spread in ticks, volume in quantity steps."""

    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    spread: Ints


class Grid:
    """Turns whole multiples of a decimal step into floats and decimals without drift.

    A step is written as numerator / denominator, both whole, so that a float price is the one
    nearest to the decimal and prints as it.
    """

    def __init__(self, step: Decimal) -> None:
        self.step = step
        self.size = float(step)
        self._numerator, self._denominator = step.as_integer_ratio()

    def floats(self, multiples: Ints) -> Floats:
        return multiples * self._numerator / self._denominator

    def decimal(self, multiple: int) -> Decimal:
        return self.step * multiple


def draw_day(
    *, seed: int, instrument: Instrument, market: Factor, own: Factor, day: int
) -> DayBlock:
    """The candles of ``day`` (days since EPOCH) of one symbol."""
    profile = PROFILES[instrument.symbol]
    common, single = market.day(day), own.day(day)
    path = DayPath(
        np.log(profile.base_price) + profile.beta * common.log_price + single.log_price,
        np.sqrt((profile.beta * common.sigma) ** 2 + single.sigma**2),
    )
    rng = stream(seed, instrument.symbol, "candles", day)
    tick = float(instrument.tick_size)
    high, low = _extremes(path, rng)
    boundaries = _ticks(path.log_price, tick)
    first, last = boundaries[:-1], boundaries[1:]
    heat = path.sigma / np.hypot(profile.beta * MARKET_VOLATILITY, profile.own_volatility)
    heat *= np.sqrt(DAY_MINUTES)
    prices = np.exp(path.log_price[1:])
    return DayBlock(
        open=first,
        high=np.maximum(_ticks(high, tick), np.maximum(first, last)),
        low=np.minimum(_ticks(low, tick), np.minimum(first, last)),
        close=last,
        volume=_volumes(path, heat, prices, rng, instrument),
        spread=np.maximum(np.rint(prices * profile.spread_bps * 1e-4 * heat / tick), 1).astype(
            np.int64
        ),
    )


def _ticks(log_price: Floats, tick: float) -> Ints:
    return np.maximum(np.rint(np.exp(log_price) / tick), 1).astype(np.int64)


def _extremes(path: DayPath, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Log high and low of each minute: the law of the maximum of a Brownian bridge.

    For a bridge from a to b with variance v, P(max > m) = exp(-2 (m - a) (m - b) / v).
    """
    first, last = path.log_price[:-1], path.log_price[1:]
    # 1 - U lies in (0, 1], so the logarithm is finite.
    reach = -2 * path.sigma**2 * np.log1p(-rng.random((2, DAY_MINUTES)))
    half = np.sqrt((last - first) ** 2 + reach) / 2
    middle = (first + last) / 2
    return middle + half[0], middle - half[1]


def _volumes(
    path: DayPath, heat: Floats, prices: Floats, rng: np.random.Generator, instrument: Instrument
) -> Ints:
    """Turnover follows the hour, the volatility and the size of the move itself."""
    profile = PROFILES[instrument.symbol]
    surprise = np.abs(np.diff(path.log_price)) / path.sigma
    noise = np.exp(0.45 * rng.standard_normal(DAY_MINUTES))
    turnover = profile.daily_turnover / DAY_MINUTES * _VOLUME_SHAPE * heat * noise
    quantity = turnover * (0.5 + 0.6 * surprise) / prices
    return np.maximum(np.rint(quantity / float(instrument.qty_step)), 1).astype(np.int64)
