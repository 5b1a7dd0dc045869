"""What a chart shows and where its columns stand, before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analysis.chart_axis import PriceAxis
from analysis.chart_layout import Layout
from exchange.candles import CandleWindow, Floats

BODY_SHARE = 0.65
# At scale 1.
WICK = 2


class Marker(NamedTuple):
    """A numbered triangle whose tip is at ``price``: above the bar, or below it."""

    number: int
    slot: int
    price: float
    above: bool


class LevelTag(NamedTuple):
    level_id: str
    price: float


class Gutter(NamedTuple):
    """A text beside the price axis."""

    price: float
    text: str


class PlanLine(NamedTuple):
    """A line of a signal with the text of its label; ``colour`` is a palette index."""

    price: float
    text: str
    colour: int


class Shade(NamedTuple):
    """A band behind the candles from one slot to another, both in it, with its name."""

    first: int
    last: int
    name: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything a chart shows, in the units that it shows.

    ``candles`` fill the first of ``slots`` equal columns; the rest stays blank. Averages, RSI
    and volume ratio belong to the first ``seen`` candles, those that the analysis saw.
    """

    candles: CandleWindow
    slots: int
    seen: int
    axis: PriceAxis
    ema_fast: Floats
    ema_slow: Floats
    rsi: Floats
    volume_title: str
    rsi_title: str
    title: str
    legend: str
    ticks: Sequence[Gutter]
    tag: Gutter
    times: Sequence[tuple[int, str]]
    levels: Sequence[LevelTag]
    markers: Sequence[Marker]
    plan: Sequence[PlanLine] = ()
    shades: Sequence[Shade] = ()


class Columns(NamedTuple):
    """Where the candles stand: x of each column's wick, and how wide body and wick are."""

    wicks: list[int]
    body: int
    wick: int

    def middles(self) -> Floats:
        return np.array(self.wicks) + (self.wick - 1) / 2

    def span(self, slot: int) -> tuple[int, int]:
        """First and last pixel of a candle's body."""
        left = self.wicks[slot] - (self.body - self.wick) // 2
        return left, left + self.body - 1


def columns(layout: Layout, slots: int) -> Columns:
    step = layout.price.width / slots
    body = max(3, int(step * BODY_SHARE))
    wick = layout.px(WICK)
    # In narrow bodies a thick outline would leave nothing hollow.
    if body < 3 * wick:
        wick = 1
    # Body and wick are both odd or both even, or the wick would stand off centre.
    body -= (body - wick) % 2
    wicks = [round((slot + 0.5) * step - wick / 2) for slot in range(slots)]
    return Columns(wicks, body, wick)
