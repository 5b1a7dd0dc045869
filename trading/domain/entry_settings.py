"""How a bot's entries are sized and placed, beyond its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from trading.domain.invalid import SettingsInvalid
from trading.domain.verdict import plain

Choice = TypeVar("Choice", bound=StrEnum)


class EntrySettingsInvalid(SettingsInvalid):
    """Stored or typed entry settings can't be read; the text is a sentence that names the field."""


class SizingMethod(StrEnum):
    """RISK: a share of capital is lost at the stop. NOTIONAL: the position is a share of capital,
    if the stop loses no more than RISK would. KELLY: RISK, reduced by what past trades allow."""

    RISK = "risk"
    NOTIONAL = "notional"
    KELLY = "kelly"


class MinOrderPolicy(StrEnum):
    """What happens to a quantity below the venue's minimum."""

    REJECT = "reject"
    ROUND_UP = "round_up"


@dataclass(frozen=True, slots=True)
class EntrySettings:
    """Settings of a bot's entries; shares are 0..1. ``min_improvement`` is the confidence by which
    a new signal must beat a working entry to take its place; ``calibrated`` lets calibrated
    confidence gate and size."""

    breakout_entries: bool = False
    replacement: bool = False
    min_improvement: Decimal = Decimal("0.10")
    method: SizingMethod = SizingMethod.RISK
    notional_share: Decimal = Decimal("0.10")
    min_order_policy: MinOrderPolicy = MinOrderPolicy.REJECT
    calibrated: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON column; decimals as text."""
        return {
            "breakout_entries": self.breakout_entries,
            "replacement": self.replacement,
            "min_improvement": str(self.min_improvement),
            "method": self.method.value,
            "notional_share": str(self.notional_share),
            "min_order_policy": self.min_order_policy.value,
            "calibrated": self.calibrated,
        }

    @classmethod
    def from_json(cls, stored: object) -> EntrySettings:
        """Read what ``as_json`` wrote, or an operator typed; a name that is left out keeps its
        default. Raises ``EntrySettingsInvalid``."""
        if not isinstance(stored, Mapping):
            raise EntrySettingsInvalid("Entry settings must be names with values.")
        unknown = sorted(str(name) for name in set(stored) - {item.name for item in fields(cls)})
        if unknown:
            raise EntrySettingsInvalid(f"There is no entry setting {', '.join(unknown)}.")
        values = cls().as_json() | dict(stored)
        settings = cls(
            breakout_entries=_switch("breakout_entries", values),
            replacement=_switch("replacement", values),
            min_improvement=_share("min_improvement", values),
            method=_choice("method", values, SizingMethod),
            notional_share=_share("notional_share", values),
            min_order_policy=_choice("min_order_policy", values, MinOrderPolicy),
            calibrated=_switch("calibrated", values),
        )
        if settings.notional_share == 0:
            raise EntrySettingsInvalid("notional_share must be above 0.")
        return settings

    @property
    def words(self) -> str:
        """What differs from the plain case, in a few words; empty where nothing does."""
        method = {
            SizingMethod.RISK: "",
            SizingMethod.NOTIONAL: f"positions of {plain(self.notional_share * 100)} % of capital",
            SizingMethod.KELLY: "Kelly may reduce size",
        }
        better = (
            f"replaces entries that are {plain(self.min_improvement * 100)} points less confident"
        )
        parts = (
            method[self.method],
            "rounds up to the smallest order" if self.rounds_up else "",
            "breakout entries" if self.breakout_entries else "",
            better if self.replacement else "",
            "calibrated confidence" if self.calibrated else "",
        )
        return ", ".join(part for part in parts if part)

    @property
    def rounds_up(self) -> bool:
        return self.min_order_policy is MinOrderPolicy.ROUND_UP


def _switch(name: str, values: Mapping[str, Any]) -> bool:
    value = values[name]
    if not isinstance(value, bool):
        raise EntrySettingsInvalid(f"{name} must be true or false, not {value!r}.")
    return value


def _share(name: str, values: Mapping[str, Any]) -> Decimal:
    """A number from 0 to 1, typed or stored as text. A bool is an int to Python, but not to us."""
    value = values[name]
    number = None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = None
    if number is None or not number.is_finite() or not 0 <= number <= 1:
        raise EntrySettingsInvalid(f"{name} must be a number from 0 to 1, not {value!r}.")
    return number


def _choice(name: str, values: Mapping[str, Any], kind: type[Choice]) -> Choice:
    value = values[name]
    try:
        return kind(value)
    except ValueError as exc:
        known = ", ".join(kind)
        raise EntrySettingsInvalid(f"{name} must be one of {known}, not {value!r}.") from exc
