"""How figures read: one place for signs, decimals, separators, ages and times.

Everything returns plain text that may be patched into a page as it stands. What is not known
is a dash, never zero. Units are written once, in headings, so they are not part of a figure
unless the function says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "\N{EN DASH}"
SIGNIFICANT = 7


def number(value: Decimal | int | None, places: int = 2, *, signed: bool = False) -> str:
    """A figure with separators and a real minus; ``signed`` puts a plus before what is above 0."""
    if value is None:
        return UNKNOWN
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    text = f"{abs(rounded):,.{places}f}"
    if rounded < 0:
        return MINUS + text
    return "+" + text if signed and rounded > 0 else text


def plain(value: Decimal | int | None, *, signed: bool = False) -> str:
    """A figure with exactly the decimals it has, without trailing zeros: quantities, fees."""
    if value is None:
        return UNKNOWN
    return number(value, decimals(Decimal(value)), signed=signed)


def decimals(value: Decimal) -> int:
    """How many decimals a value has once trailing zeros are gone."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def price_places(prices: Iterable[Decimal | None]) -> int:
    """Decimals that show each of ``prices``, at most seven significant digits of the largest.

    Prices of orders stand on ticks, so a few of them together show the tick's decimals.
    """
    known = [price for price in prices if price is not None and price > 0]
    if not known:
        return 2
    whole_digits = max(0, max(known).adjusted() + 1)
    return min(max(decimals(price) for price in known), max(0, SIGNIFICANT - whole_digits))


def percent(fraction: Decimal | None, places: int = 1, *, signed: bool = False) -> str:
    """``0.0271`` as "2.7 %"."""
    if fraction is None:
        return UNKNOWN
    return f"{number(fraction * 100, places, signed=signed)} %"


def r_multiple(value: Decimal | None) -> str:
    """``0.273`` as "+0.27 R"."""
    return UNKNOWN if value is None else f"{number(value, 2, signed=True)} R"


def multiple(value: Decimal | None) -> str:
    """``0.862`` as "0.86" with a multiplication sign."""
    return UNKNOWN if value is None else f"{number(value, 2)}\N{MULTIPLICATION SIGN}"


def age(seconds: float | None) -> str:
    """An age in its two largest units: "8 s", "12m 04s", "3h 12m", "2d 4h"."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def countdown(seconds: float) -> str:
    """Time left as a clock: "00:09", "04:12", "1:04:12"; never below zero."""
    whole = max(0, int(seconds + 0.999))
    hours, rest = divmod(whole, 3600)
    clock = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{clock}" if hours else clock


def duration_ms(milliseconds: int | float | None) -> str:
    """A short duration: "180 ms", "2.4 s", "3m 20s"."""
    if milliseconds is None:
        return UNKNOWN
    if milliseconds < 1000:
        return f"{int(milliseconds)} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return age(milliseconds / 1000)


def clock_time(moment: datetime | None) -> str:
    """UTC time of day: "10:45:03"."""
    return UNKNOWN if moment is None else f"{moment.astimezone(UTC):%H:%M:%S}"


def day_and_time(moment: datetime | None) -> str:
    """UTC day and minute: "2024-03-01 10:45"."""
    return UNKNOWN if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def one_stop(text: str) -> str:
    """A sentence that quotes a sentence ends once: "too late.." reads "too late."."""
    return f"{text.rstrip('.')}." if text.endswith("..") else text


def sign_of(text: str) -> str:
    """Which way a formatted figure points: "up", "down" or nothing."""
    return {"+": "up", MINUS: "down"}.get(text[:1], "")
