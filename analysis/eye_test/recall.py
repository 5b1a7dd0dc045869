"""Charts of real markets, drawn as anonymously as any, to see whether a model knows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from analysis.domain import AnalysisInput
from analysis.indicators import INPUT_BARS
from exchange.candles import CandleWindow, decimal_of
from exchange.domain import TIMEFRAMES
from exchange.market.archive import Archive
from exchange.market.instruments import KNOWN_INSTRUMENTS, instrument_from_prices

# Naming one of fewer says nothing.
FEWEST_ASSETS = 3


@dataclass(frozen=True, slots=True)
class Remembered:
    """A chart with what it shows: the asset's symbol and the month of its newest bar."""

    given: AnalysisInput
    asset: str
    month: str


class RecallSource:
    """Takes charts from the imported candles of real markets."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._intervals = {
            symbol: interval
            for symbol in archive.symbols()
            if (interval := _longest(archive, symbol)) is not None
        }

    @property
    def assets(self) -> tuple[str, ...]:
        return tuple(self._intervals)

    @property
    def is_enough(self) -> bool:
        return len(self._intervals) >= FEWEST_ASSETS

    def chart(self, seed: int, number: int) -> Remembered:
        """One chart of a random asset and time."""
        source = np.random.default_rng((seed, number))
        symbol = self.assets[int(source.integers(len(self.assets)))]
        interval = self._intervals[symbol]
        candles = self._archive.load(symbol, interval)
        end = int(source.integers(INPUT_BARS, len(candles) + 1))
        window = candles.slice(end - INPUT_BARS, end)
        return Remembered(_given(symbol, window), symbol, f"{window.last_close_time:%Y-%m}")


def _longest(archive: Archive, symbol: str) -> timedelta | None:
    """The longest stored interval with enough candles, for charts that span some history."""
    known = set(TIMEFRAMES.values())
    for interval in reversed(archive.intervals(symbol)):
        if interval in known and len(archive.load(symbol, interval)) >= INPUT_BARS:
            return interval
    return None


def _given(symbol: str, window: CandleWindow) -> AnalysisInput:
    timeframe = next(name for name, span in TIMEFRAMES.items() if span == window.interval)
    prices = [decimal_of(price) for price in window.close]
    instrument = KNOWN_INSTRUMENTS.get(symbol) or instrument_from_prices(symbol, prices)
    return AnalysisInput(symbol=symbol, timeframe=timeframe, instrument=instrument, window=window)
