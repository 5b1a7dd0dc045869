"""What is fixed: instrument rules, the price source's shape, answers and refusals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any, Protocol

from tests.simulators.bybit.prices import Kline, SymbolRules, Touch

ZERO = Decimal(0)
MONEY = Decimal("0.00000001")
# A market order is a limit order this far from the last price; nothing fills beyond it.
PRICE_BAND = Decimal("0.05")
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS

MAX_PRICE_TICKS = 19_999_998
TAKER_FEE = Decimal("0.00055")
MAKER_FEE = Decimal("0.0002")
FUNDING_RATE = Decimal("0.0001")


class Prices(Protocol):
    """The market: a function of symbol and time in ms."""

    def last(self, symbol: str, ms: int) -> Decimal: ...
    def mark(self, symbol: str, ms: int) -> Decimal: ...
    def index(self, symbol: str, ms: int) -> Decimal: ...
    def touch(self, symbol: str, ms: int) -> Touch: ...

    def path(self, symbol: str, after_ms: int, until_ms: int) -> Iterator[tuple[int, Decimal]]:
        """Give every price change in (after_ms, until_ms], oldest first."""
        ...

    def liquidity(self, symbol: str, ms: int) -> Decimal:
        """Base coin one order may take at one price change."""
        ...

    def kline(self, symbol: str, interval_s: int, start_ms: int, now_ms: int) -> Kline: ...
    def symbols(self) -> Sequence[SymbolRules]: ...

    def override(self, symbol: str, price: Decimal | None) -> None:
        """Jump to a price and walk on from there; None goes back to the path."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the venue answers, without the envelope's time."""

    ret_code: int
    ret_msg: str
    result: Any


class Refused(Exception):
    """The venue refuses a request: nothing was done."""

    def __init__(self, ret_code: int, ret_msg: str) -> None:
        super().__init__(f"{ret_code} {ret_msg}")
        self.ret_code = ret_code
        self.ret_msg = ret_msg


@dataclass(frozen=True, slots=True)
class Profile:
    """How one environment of one year spells absent values."""

    demo: bool
    unset_price: str
    flat_side: str
    plain_stop_type: str
    plain_tpsl_mode: str
    post_only_end: str
    success: str
    extra_fields: bool


PROFILES = {
    "demo2026": Profile(True, "", "", "", "", "Cancelled", "OK", True),
    "main2026": Profile(False, "0", "", "UNKNOWN", "UNKNOWN", "Rejected", "OK", True),
    "main2023": Profile(False, "0.00", "None", "UNKNOWN", "", "Rejected", "success", False),
}


def text(value: Decimal | None) -> str:
    """Spell a number as the venue does: no exponent, no trailing zeros, absent is empty."""
    if value is None:
        return ""
    if not value:
        return "0"
    spelt = format(value, "f")
    return spelt.rstrip("0").rstrip(".") if "." in spelt else spelt


def money(value: Decimal) -> Decimal:
    """Round to the eight digits the venue books."""
    return value.quantize(MONEY, rounding=ROUND_HALF_UP)


def on_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding=rounding) * step


def market_bound(rules: SymbolRules, side: str, last: Decimal) -> Decimal:
    """Give the worst price a market order accepts: floor to tick for a buy, ceil for a sell."""
    if side == "Buy":
        return on_grid(last * (1 + PRICE_BAND), rules.tick_size, ROUND_FLOOR)
    return on_grid(last * (1 - PRICE_BAND), rules.tick_size, ROUND_CEILING)
