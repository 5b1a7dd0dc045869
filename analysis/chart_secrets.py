"""What only code knows about a picture: its id, its markers and its price factor.

All of it follows from SHA-256 over the renderer's version and the candles, so the same inputs
give the same picture.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from analysis.chart_layout import RENDERER_VERSION
from analysis.domain import AnalysisInput
from analysis.input_hash import candle_digest
from exchange.candles import CandleWindow, Floats

# Characters that cannot be taken for one another.
ID_CHARACTERS = "ACDEFGHJKLMNPQRTUVWXYZ234679"
ID_LENGTH = 4
# The drawn last close lies well inside 50..200, where five digits are two decimals.
LOWEST_CLOSE = 55.0
HIGHEST_CLOSE = 190.0
FACTOR_DIGITS = 10
# Markers stay clear of the first and newest bars and of each other.
MARKER_MARGIN = 14
MARKER_GAP = 8


class Secrets(NamedTuple):
    """What the hash decides about a picture; ``marker_slots`` count visible bars from 0."""

    input_hash: str
    chart_id: str
    factor: Decimal
    marker_slots: tuple[int, int]


def secrets_of(given: AnalysisInput, visible: CandleWindow) -> Secrets:
    """Derive id, factor and markers from the renderer's version and the candles."""
    seed = f"{RENDERER_VERSION}|{given.symbol}|{given.timeframe}|".encode()
    digest = hashlib.sha256(seed + candle_digest(given.window))
    source = digest.digest()
    characters = (ID_CHARACTERS[byte % len(ID_CHARACTERS)] for byte in source[:ID_LENGTH])
    share = int.from_bytes(source[4:8]) / 2**32
    close = LOWEST_CLOSE * (HIGHEST_CLOSE / LOWEST_CLOSE) ** share
    factor = Decimal(f"{close / float(visible.close[-1]):.{FACTOR_DIGITS}g}")
    return Secrets(
        input_hash=digest.hexdigest(),
        chart_id="".join(characters),
        factor=factor,
        marker_slots=_marker_slots(visible, source),
    )


def _marker_slots(visible: CandleWindow, source: bytes) -> tuple[int, int]:
    """One bar whose high stands free and one whose low does, neither of them the extremes."""
    first = _pick(_free(visible.high), int.from_bytes(source[8:12]), apart_from=None)
    second = _pick(_free(-visible.low), int.from_bytes(source[12:16]), apart_from=first)
    return first, second


def _free(series: Floats) -> Floats:
    """Per bar, how far it stands out over its two neighbours; the extreme itself never does."""
    out = np.full(len(series), -np.inf)
    out[1:-1] = series[1:-1] - np.maximum(series[:-2], series[2:])
    out[np.argmax(series)] = -np.inf
    return out


def _pick(standing_out: Floats, draw_number: int, *, apart_from: int | None) -> int:
    """A bar by number among those that stand out, or among all when none does."""
    inner = range(MARKER_MARGIN, len(standing_out) - MARKER_MARGIN)
    allowed = [
        bar
        for bar in inner
        if np.isfinite(standing_out[bar])
        and (apart_from is None or abs(bar - apart_from) >= MARKER_GAP)
    ]
    free = [bar for bar in allowed if standing_out[bar] > 0]
    choices = free or allowed
    return choices[draw_number % len(choices)]
