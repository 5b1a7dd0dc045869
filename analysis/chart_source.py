"""Candles of a market as the input of an analysis."""

from __future__ import annotations

from datetime import datetime

from analysis.domain import AnalysisInput
from analysis.errors import NotEnoughCandles
from analysis.indicators import INPUT_BARS, NEEDED_BARS
from exchange.domain import TIMEFRAMES
from exchange.errors import CandlesUnavailable
from exchange.ports import MarketData


class MarketChartSource:
    """Takes the visible candles and the warm-up before them from one market."""

    def __init__(self, market: MarketData) -> None:
        self._market = market

    def chart_input(self, symbol: str, timeframe: str, *, candle_time: datetime) -> AnalysisInput:
        """The input as of the candle that closed at ``candle_time``.

        Raises ``NotEnoughCandles`` at the start of history, ``CandlesUnavailable`` when the
        newest candle is not the one asked for, and what the market raises.
        """
        candles = self._market.candles(
            symbol, TIMEFRAMES[timeframe], end=candle_time, limit=INPUT_BARS
        )
        if len(candles) < NEEDED_BARS:
            raise NotEnoughCandles(
                f"{symbol}: {len(candles)} candles by {candle_time:%Y-%m-%d %H:%M}, "
                f"an analysis needs {NEEDED_BARS}"
            )
        if candles.last_close_time != candle_time:
            # An analysis of older candles would pass for one of this moment.
            raise CandlesUnavailable(
                f"{symbol}: the newest candle closed at {candles.last_close_time:%Y-%m-%d %H:%M}, "
                f"not at {candle_time:%Y-%m-%d %H:%M}"
            )
        return AnalysisInput(
            symbol=symbol,
            timeframe=timeframe,
            instrument=self._market.instrument(symbol),
            window=candles,
        )
