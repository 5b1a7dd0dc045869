"""Whether the archive holds what a replay needs, asked before anything is made for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from analysis.indicators import NEEDED_BARS
from exchange.candles import CandleWindow, from_ms
from exchange.domain import TIMEFRAMES
from exchange.market.archive import default_archive
from exchange.market.replay_series import ReplaySeries
from trading.errors import ActionRefused

_TIMEFRAME_OF = {interval: name for name, interval in TIMEFRAMES.items()}


def history_notes(
    symbols: Sequence[str], timeframe: str, start: datetime, end: datetime
) -> list[str]:
    """From when on symbols can be analysed, for those that can't from ``start`` on.

    Raises ``ActionRefused`` for a symbol without candles as short as ``timeframe`` or whose
    candles don't reach from ``start`` to ``end``, and ``MarketDataError`` for one without any.
    """
    archive, notes = default_archive(), []
    for symbol in symbols:
        series = ReplaySeries(archive, symbol, start, end)
        _refuse_too_little(series.monitor, timeframe, start, end)
        first = _first_analysis(series.window(TIMEFRAMES[timeframe]))
        if first is None or first >= end:
            notes.append(f"{symbol}: no analysis in this replay; one needs {NEEDED_BARS} candles")
        elif first > start:
            notes.append(
                f"{symbol}: analyses from {first:%Y-%m-%d %H:%M} on; "
                f"one needs {NEEDED_BARS} candles of {timeframe}"
            )
    return notes


def _refuse_too_little(
    monitor: CandleWindow, timeframe: str, start: datetime, end: datetime
) -> None:
    symbol, stored = monitor.symbol, _TIMEFRAME_OF[monitor.interval]
    if monitor.interval > TIMEFRAMES[timeframe]:
        raise ActionRefused(
            f"{symbol} is stored in candles of {stored}, longer than --timeframe {timeframe}; "
            f"use --timeframe {stored} or import shorter ones"
        )
    first, last = from_ms(int(monitor.times[0])), monitor.last_close_time
    if start < first or end > last:
        option = "--from" if start < first else "--to"
        raise ActionRefused(
            f"{option} is outside the stored {stored} candles of {symbol}, "
            f"which go from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
        )


def _first_analysis(window: CandleWindow) -> datetime | None:
    """Close of the candle that completes the first history an analysis can do with."""
    if len(window) < NEEDED_BARS:
        return None
    return from_ms(int(window.times[NEEDED_BARS - 1])) + window.interval
