"""What a chart shows, in real prices, before anything is scaled or drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.domain import AnalysisInput, Level
from analysis.errors import NotEnoughCandles
from analysis.indicators import EMA_SLOW, VISIBLE_BARS, Indicators, indicators, levels
from exchange.candles import CandleWindow


@dataclass(frozen=True, slots=True)
class Study:
    """The visible candles with their indicators and levels."""

    visible: CandleWindow
    found: Indicators
    levels: tuple[Level, ...]


def study_of(given: AnalysisInput, bars: int = VISIBLE_BARS) -> Study:
    """Compute what a chart of ``bars`` candles shows.

    Raises ``NotEnoughCandles`` unless every visible bar has its slow average.
    """
    window = given.window
    if len(window) < bars + EMA_SLOW:
        raise NotEnoughCandles(
            f"{given.symbol}: {len(window)} candles, a chart of {bars} bars needs {bars + EMA_SLOW}"
        )
    found = indicators(window)
    newest = np.s_[-bars:]
    return Study(
        visible=window.tail(bars),
        found=Indicators(
            ema_fast=found.ema_fast[newest],
            ema_slow=found.ema_slow[newest],
            ema_context=found.ema_context[newest],
            rsi=found.rsi[newest],
            atr=found.atr[newest],
            volume_ratio=found.volume_ratio[newest],
        ),
        levels=levels(window, float(found.atr[-1]), bars),
    )
