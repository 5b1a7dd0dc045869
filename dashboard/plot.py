"""Charts as plain shapes in a box of fixed size, drawn by one template without scripts or styles.

Every chart has its figures as a table and in one sentence, for those who do not see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 360.0, 170.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 14.0, 8.0, 18.0
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; ``tone`` is a class of the stylesheet, ``title`` what a pointer reads."""

    x: str
    y: str
    width: str
    height: str
    tone: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A path; ``tone`` is a class of the stylesheet."""

    d: str
    tone: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: str
    y: str
    tone: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on an axis: where its line stands, and its label."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart. ``summary`` is read in its place, and stands under it unless a shorter ``caption``
    does; ``head`` and ``rows`` are its figures as a table."""

    title: str
    unit: str
    summary: str
    across: list[Mark] = field(default_factory=list)
    upward: list[Mark] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    head: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    caption: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight map from values to places in the box."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def text(self, value: float) -> str:
        return f"{self.at(value):.1f}"


def across(low: float, high: float) -> Scale:
    """From left to right; a single value gets room around it."""
    low, high = _room(low, high)
    return Scale(low, high, LEFT, WIDTH - RIGHT)


def upward(low: float, high: float) -> Scale:
    """From bottom to top."""
    low, high = _room(low, high)
    return Scale(low, high, HEIGHT - BOTTOM, TOP)


def _room(low: float, high: float) -> tuple[float, float]:
    if high > low:
        return low, high
    reach = abs(low) / 10 or 1.0
    return low - reach, high + reach


def ticks(scale: Scale, wanted: int = 4) -> list[float]:
    """Round values inside the scale, about so many."""
    raw = (scale.high - scale.low) / wanted
    unit = 10 ** math.floor(math.log10(raw))
    step = next(each * unit for each in STEPS if each * unit >= raw * 0.999)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def path(xs: Sequence[float], ys: Sequence[float], x: Scale, y: Scale) -> str:
    """A line through points."""
    points = (f"{x.text(a)} {y.text(b)}" for a, b in zip(xs, ys, strict=True))
    return "M" + " L".join(points)


def area(xs: Sequence[float], ys: Sequence[float], x: Scale, y: Scale, base: float) -> str:
    """The line closed down to ``base``."""
    ground = y.text(base)
    return f"{path(xs, ys, x, y)} L{x.text(xs[-1])} {ground} L{x.text(xs[0])} {ground} Z"


def bar(low: float, high: float, base: float, value: float, x: Scale, y: Scale) -> Box:
    """An upright bar from ``base`` to ``value`` over [low, high)."""
    left, right = x.at(low), x.at(high)
    top, foot = sorted((y.at(base), y.at(value)))
    return Box(
        x=f"{left + 0.5:.1f}",
        y=f"{top:.1f}",
        width=f"{max(0.5, right - left - 1):.1f}",
        height=f"{foot - top:.1f}",
        tone="plot-down" if high <= 0 else "plot-up",
    )
