"""What only code knows about a picture: its id, its markers and its price factor.

All of it follows from SHA-256 over the renderer's version and the candles, so the same inputs
give the same picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

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
# This share of the visible range under its edge leaves room for triangle and number.
MARKER_ROOM = 0.05


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
    margin = MARKER_ROOM * float(visible.high.max() - visible.low.min())
    inner = range(MARKER_MARGIN, len(visible) - MARKER_MARGIN)
    first = _pick(visible.high, inner, margin, int.from_bytes(source[8:12]))
    others = [bar for bar in inner if abs(bar - first) >= MARKER_GAP]
    second = _pick(-visible.low, others, margin, int.from_bytes(source[12:16]))
    return first, second


def _pick(series: Floats, bars: Sequence[int], margin: float, number: int) -> int:
    """A bar by number among those at least ``margin`` under the extreme that stand out over
    both neighbours; where none does the conditions are dropped, the last one first."""
    limit = float(series.max()) - margin
    inside = [bar for bar in bars if series[bar] <= limit]
    free = [bar for bar in inside if series[bar] > max(series[bar - 1], series[bar + 1])]
    choices = free or inside or list(bars)
    return choices[number % len(choices)]
