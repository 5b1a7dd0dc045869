"""Thresholds of the market filters, and how they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from trading.domain.invalid import SettingsInvalid
from trading.domain.verdict import plain

ONE = Decimal(1)
# The highest amounts that make sense; what is not named here is a share from 0 to 1.
_HIGHEST: dict[str, Decimal] = {
    "min_turnover_24h": Decimal(10) ** 12,
    "shock_atr": Decimal(100),
    "min_listed_days": Decimal(3650),
    "funding_minutes": Decimal(480),
    "shock_bars": Decimal(100),
    "shock_half_bars": Decimal(100),
    "btc_move_minutes": Decimal(60),
    "btc_pause_minutes": Decimal(1440),
}
# A window of no length would measure nothing.
_LOWEST: dict[str, Decimal] = {"btc_move_minutes": ONE}


class FiltersInvalid(SettingsInvalid):
    """Market filters that can't be read."""


@dataclass(frozen=True, slots=True)
class MarketFilters:
    """Thresholds of the filters. Shares are 0..1, amounts USDT, rates those of one settlement.

    ``shock_atr``: a bar whose true range is more than so many ATR14 stops entries for
    ``shock_bars`` bars and halves the size for ``shock_half_bars``, both counted from that bar on.
    """

    max_spread: Decimal = Decimal("0.0005")
    max_spread_of_stop: Decimal = Decimal("0.05")
    min_turnover_24h: Decimal = Decimal(50_000_000)
    min_listed_days: int = 90
    max_turnover_share: Decimal = Decimal("0.005")
    funding_minutes: int = 10
    funding_to_pay: Decimal = Decimal("0.0005")
    funding_off: Decimal = Decimal("0.0015")
    shock_atr: Decimal = Decimal("2.5")
    shock_bars: int = 2
    shock_half_bars: int = 4
    btc_move: Decimal = Decimal("0.015")
    btc_move_minutes: int = 5
    btc_pause_minutes: int = 15

    @classmethod
    def from_json(cls, stored: object) -> MarketFilters:
        """The defaults with what ``stored`` says otherwise: {"max_spread": "0.001"}. Raises
        ``FiltersInvalid``."""
        if not isinstance(stored, Mapping):
            raise FiltersInvalid("market filters must be names with values")
        known = {one.name: one.default for one in fields(cls)}
        unknown = sorted(str(name) for name in stored if name not in known)
        if unknown:
            raise FiltersInvalid(f"unknown market filters: {', '.join(unknown)}")
        changes: dict[str, Any] = {
            name: _read(name, value, known[name]) for name, value in stored.items()
        }
        return replace(cls(), **changes)

    def as_json(self) -> dict[str, str | int]:
        """What differs from the defaults; ``from_json`` reads it back."""
        changed = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: plain(value) if isinstance(value, Decimal) else value
            for name, value in changed.items()
            if value != getattr(_DEFAULTS, name)
        }

    @property
    def funding_quiet(self) -> timedelta:
        """How long before a funding that we would pay nothing is entered."""
        return timedelta(minutes=self.funding_minutes)

    @property
    def shock_memory(self) -> int:
        """How many bars a shock counts."""
        return max(self.shock_bars, self.shock_half_bars)


def _read(name: str, value: object, default: Any) -> Decimal | int:
    lowest, highest = _LOWEST.get(name, Decimal(0)), _HIGHEST.get(name, ONE)
    kind = "whole number" if isinstance(default, int) else "number"
    wanted = f"{name} must be a {kind} from {plain(lowest)} to {plain(highest)}, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise FiltersInvalid(wanted)
    try:
        amount = Decimal(str(value))
    except InvalidOperation as exc:
        raise FiltersInvalid(wanted) from exc
    if not amount.is_finite() or not lowest <= amount <= highest:
        raise FiltersInvalid(wanted)
    if not isinstance(default, int):
        return amount
    if amount != amount.to_integral_value():
        raise FiltersInvalid(wanted)
    return int(amount)


_DEFAULTS = MarketFilters()
