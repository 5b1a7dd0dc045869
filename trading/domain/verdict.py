"""The answer of one rule, with the numbers it was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passed`` is None where a market never gives the fact the rule asks for. ``value`` and
    ``limit`` are numbers as text; ``text`` says it in one sentence."""

    rule: str
    passed: bool | None
    value: str
    limit: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "passed": self.passed,
            "value": self.value,
            "limit": self.limit,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Factor:
    """Something that scales the size of a trade: 0.5 halves it. ``text`` says why."""

    rule: str
    value: Decimal
    text: str


def product(factors: Iterable[Factor]) -> Decimal:
    """All factors together."""
    result = Decimal(1)
    for factor in factors:
        result *= factor.value
    return result


def first_failure(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The first rule that said no."""
    return next((verdict for verdict in verdicts if verdict.passed is False), None)


def percent(share: Decimal, places: int = 2) -> str:
    """0.0125 as "1.25 %"."""
    return f"{share * 100:z.{places}f} %"


def number(value: Decimal, places: int = 2) -> str:
    """Fixed places, for sentences."""
    return f"{value:z.{places}f}"


def times(ratio: Decimal) -> str:
    """1.5 as "1.50x"."""
    return f"{number(ratio)}x"


def dollars(amount: Decimal) -> str:
    """Cents where they say enough, else up to 4 places: $1.00, $0.0423."""
    text = f"{amount:z.4f}"
    return f"${text[:-2] if text.endswith('00') else text}"


def digits(value: Decimal, count: int = 4) -> str:
    """Fixed places where they say enough, else ``count`` significant digits: 0.00001234."""
    if value == 0 or abs(value) >= 1:
        return number(value, count)
    return f"{value:.{count - value.adjusted() - 1}f}"


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros."""
    text = f"{value:zf}"
    return text.rstrip("0").rstrip(".") if "." in text else text
