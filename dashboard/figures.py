"""Statistics as text: floats, intervals and spans as the console writes them."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

from analysis.intervals import Interval
from dashboard import format as fmt


def as_decimal(value: float | None) -> Decimal | None:
    """A float for the formatters; None for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return Decimal(repr(float(value)))


def number(value: float | None, places: int = 2, *, signed: bool = False) -> str:
    return fmt.number(as_decimal(value), places, signed=signed)


def percent(share: float | None, places: int = 1) -> str:
    return fmt.percent(as_decimal(share), places)


def r(value: float | None) -> str:
    return fmt.r_multiple(as_decimal(value))


def interval(given: Interval | None, places: int = 2) -> str:
    """ "0.10 to 0.32"."""
    if given is None:
        return ""
    return f"{number(given[0], places, signed=True)} to {number(given[1], places, signed=True)}"


def share_interval(given: Interval | None) -> str:
    """ "48 to 64 %"."""
    if given is None:
        return ""
    return f"{given[0] * 100:.0f} to {given[1] * 100:.0f} %"


def span(given: timedelta | None) -> str:
    return fmt.age(None if given is None else given.total_seconds())


def short(value: float) -> str:
    """A figure for a narrow place: "950", "12k", "1.2M"; below 10 with one place if it has one."""
    size = abs(value)
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= 10 * unit or (unit == 1e6 and size >= unit):
            return f"{value / unit:.3g}{letter}".replace("-", fmt.MINUS)
    return f"{value:,.4g}".replace("-", fmt.MINUS) if size < 10 else number(value, 0)
