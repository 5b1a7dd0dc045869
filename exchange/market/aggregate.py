"""Longer candles out of shorter ones."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from exchange.candles import CandleWindow
from exchange.market.moments import span_ms


def aggregate(window: CandleWindow, interval: timedelta) -> CandleWindow:
    """Candles of ``interval``, a whole multiple of that of ``window``.

    A candle of which a part is missing is left out: half a candle would look like a whole one.
    """
    length_ms = span_ms(interval)
    parts = interval // window.interval
    opens = window.times // length_ms * length_ms
    first = np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))
    counts = np.diff(np.append(first, len(opens)))
    whole = counts == parts
    return CandleWindow(
        window.symbol,
        interval,
        times=opens[first][whole],
        open=window.open[first][whole],
        high=np.maximum.reduceat(window.high, first)[whole],
        low=np.minimum.reduceat(window.low, first)[whole],
        close=window.close[first + counts - 1][whole],
        volume=np.add.reduceat(window.volume, first)[whole],
    )
