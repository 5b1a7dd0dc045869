"""What only code knows about a picture: its ids, its price factor and its markers.

All of it follows from SHA-256 over the renderer's version, the style and the candles, so the same
inputs give the same picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.chart_layout import RENDERER_VERSION
from analysis.chart_style import ChartStyle
from analysis.domain import AnalysisInput
from analysis.input_hash import candle_digest
from exchange.candles import CandleWindow, Floats

# Characters that cannot be taken for one another.
ID_CHARACTERS = "ACDEFGHJKLMNPQRTUVWXYZ234679"
CHART_ID_BYTES = slice(0, 4)
FACTOR_BYTES = slice(4, 8)
MARKER_BYTES = (slice(8, 12), slice(12, 16))
QUESTION_ID_BYTES = slice(16, 22)
# The drawn last close lies well inside 50..200, where five digits are two decimals.
LOWEST_CLOSE = 55.0
HIGHEST_CLOSE = 190.0
FACTOR_DIGITS = 10
# The newest bars stand in the text as numbers, so a marker there could be read without looking.
TABLE_BARS = 20
# Markers stay clear of the left edge and of each other.
MARKER_MARGIN = 5
MARKER_GAP = 8
# Shares of the visible range: room for triangle and number under its edge, and the distances
# within which a marker's value could be taken from a printed number.
MARKER_ROOM = 0.05
CLEAR_OF_NUMBER = 0.03
CLEAR_OF_TICK = 0.01
# So far apart one guess can't be near enough to both.
MARKERS_APART = 0.06

Flags = npt.NDArray[np.bool_]


class Secrets(NamedTuple):
    """What the hash decides about a picture. ``digest`` is the hash itself, for the markers."""

    input_hash: str
    chart_id: str
    question_id: str
    factor: Decimal
    digest: bytes


class Printed(NamedTuple):
    """Prices that stand on the picture or in the text beside it, in drawn units.

    ``numbers`` are levels, averages and the last close; ``ticks`` those of the axis; ``table``
    the candles of the newest bars. ``unit`` is one in the last printed place.
    """

    numbers: Sequence[float]
    ticks: Sequence[float]
    table: Sequence[float]
    unit: float


def secrets_of(given: AnalysisInput, style: ChartStyle) -> Secrets:
    """Derive ids and factor from the renderer's version, the style and the candles."""
    seed = f"{RENDERER_VERSION}|{style.key}|{given.symbol}|{given.timeframe}|".encode()
    digest = hashlib.sha256(seed + candle_digest(given.window))
    source = digest.digest()
    share = int.from_bytes(source[FACTOR_BYTES]) / 2**32
    close = LOWEST_CLOSE * (HIGHEST_CLOSE / LOWEST_CLOSE) ** share
    factor = Decimal(f"{close / float(given.window.close[-1]):.{FACTOR_DIGITS}g}")
    return Secrets(
        input_hash=digest.hexdigest(),
        chart_id=_characters(source[CHART_ID_BYTES]),
        question_id=_characters(source[QUESTION_ID_BYTES]),
        factor=factor,
        digest=source,
    )


def _characters(source: bytes) -> str:
    return "".join(ID_CHARACTERS[byte % len(ID_CHARACTERS)] for byte in source)


def marker_slots(drawn: CandleWindow, printed: Printed, digest: bytes) -> tuple[int, int]:
    """Columns (from 0) of a bar whose high gets marker 1 and of one whose low gets marker 2."""
    span = float(drawn.high.max() - drawn.low.min())
    first_number, second_number = (int.from_bytes(digest[part]) for part in MARKER_BYTES)
    bars = range(MARKER_MARGIN, len(drawn) - TABLE_BARS)
    first = _pick(_conditions(drawn.high, 1, span, printed), bars, first_number)
    others = [bar for bar in bars if abs(bar - first) >= MARKER_GAP]
    apart = _apart(drawn.low, [float(drawn.high[first])], MARKERS_APART * span)
    extreme, *rest = _conditions(drawn.low, -1, span, printed)
    second = _pick((extreme, apart, *rest), others, second_number)
    return first, second


def _conditions(prices: Floats, sign: int, span: float, printed: Printed) -> tuple[Flags, ...]:
    """What a marked bar should meet, the most important first: not the extreme and room beside
    it, a value that stands nowhere else, free of both neighbours, and between two ticks."""
    signed = sign * prices
    before = np.concatenate((signed[:1], signed[:-1]))
    after = np.concatenate((signed[1:], signed[-1:]))
    return (
        signed < signed.max(),
        signed <= signed.max() - MARKER_ROOM * span,
        _apart(prices, printed.numbers, CLEAR_OF_NUMBER * span),
        _apart(prices, printed.table, printed.unit),
        signed > np.maximum(before, after),
        _apart(prices, printed.ticks, CLEAR_OF_TICK * span),
    )


def _apart(prices: Floats, others: Sequence[float], distance: float) -> Flags:
    """Which prices are further than ``distance`` from every other one."""
    if not others:
        return np.ones(len(prices), dtype=bool)
    gaps = np.abs(prices[:, None] - np.array(others)[None, :])
    apart: Flags = gaps.min(axis=1) > distance
    return apart


def _pick(conditions: Iterable[Flags], bars: Sequence[int], number: int) -> int:
    """A bar by number among those that meet most: a condition nobody is left to meet is waived."""
    choices = list(bars)
    for met in conditions:
        choices = [bar for bar in choices if met[bar]] or choices
    return choices[number % len(choices)]
