"""Finds the candles of a chart by their colours."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.simulators.openai.paper import EDGE, LEFT, TOP, Paper

BODY_SHARE = 0.65
WICK = 2


class Candles(NamedTuple):
    """Rows of each bar's high, low and close, oldest first; NaN where nothing can be seen."""

    highs: Any
    lows: Any
    closes: Any
    rising: list[bool]


def candles_of(paper: Paper, bars: int) -> Candles | None:
    """Every bar's rows; None where the newest candle can't be made out."""
    left, right = paper.px(LEFT), paper.px(EDGE)
    up, down = (paper.coloured(colour) for colour in (paper.theme.up, paper.theme.down))
    body, wick, columns = _columns(right - left, bars, paper)
    highs, lows, closes = (np.full(bars, np.nan) for _ in range(3))
    rising = []
    for slot, column in enumerate(columns):
        start = max(0, column - (body - wick) // 2)
        span = slice(start, start + body)
        rises = int(up[:, span].sum()) > int(down[:, span].sum())
        rising.append(rises)
        own = up if rises else down
        rows = np.flatnonzero(own[:, column : column + wick].any(axis=1))
        if len(rows) == 0:
            continue
        highs[slot], lows[slot] = rows[0], rows[-1]
        wide = np.flatnonzero(own[:, start] | own[:, min(start + body - 1, own.shape[1] - 1)])
        if len(wide):
            closes[slot] = wide[0] if rises else wide[-1]
    if np.isnan(highs[-1]):
        return None
    offset = paper.px(TOP)
    return Candles(highs + offset, lows + offset, closes + offset, rising)


def _columns(width: int, bars: int, paper: Paper) -> tuple[int, int, list[int]]:
    """Widths of body and wick, and where each wick starts."""
    step = width / bars
    body, wick = max(3, int(step * BODY_SHARE)), paper.px(WICK)
    if body < 3 * wick:
        wick = 1
    body -= (body - wick) % 2
    return body, wick, [round((slot + 0.5) * step - wick / 2) for slot in range(bars)]
