"""The answer of one rule, with the numbers it was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchange.domain import ZERO


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


def first_failure(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The first rule that said no."""
    return next((verdict for verdict in verdicts if verdict.passed is False), None)


def percent(share: Decimal, places: int = 2) -> str:
    """0.0125 as "1.25 %"."""
    return f"{share * 100:.{places}f} %"


def number(value: Decimal, places: int = 2) -> str:
    """Fixed places, for sentences."""
    return f"{value:.{places}f}"


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share_of(part: Decimal, whole: Decimal) -> Decimal:
    """``part / whole``, 0 for an empty whole."""
    return part / whole if whole else ZERO
