"""Limits of one bot that are stricter than its account's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from trading.domain.caps import CAPS, cap_refusal
from trading.domain.invalid import SettingsInvalid
from trading.domain.settings import Limits, OwnLimits

# Counted of the bot alone; everything else stays a sum over the account.
OWN = ("max_slots", "max_same_direction", "max_entries_per_day")
COUNTS = frozenset({*OWN, "half_size_losses", "pause_losses", "max_per_group"})
# Here 0 means that there is no limit, which is the loosest of all.
ZERO_IS_OFF = frozenset({"half_size_losses", "pause_losses", "max_per_group"})
SWITCHES = frozenset({"weekend_half_size"})
NAMES = (*CAPS, *sorted(SWITCHES))

Given = Mapping[str, Decimal | int | bool]


class TighterInvalid(SettingsInvalid):
    """A bot's own limits make no sense; says which and why."""


def tighter_of(stored: object) -> dict[str, Decimal | int | bool]:
    """What was stored, as values. Raises ``TighterInvalid``."""
    if not isinstance(stored, dict):
        raise TighterInvalid('tighter limits: write an object such as {"max_slots": 1}')
    unknown = sorted(str(name) for name in stored if name not in NAMES)
    if unknown:
        raise TighterInvalid(f"{unknown[0]} is no limit; there are {', '.join(NAMES)}")
    return {name: _value(name, value) for name, value in stored.items()}


def _value(name: str, value: Any) -> Decimal | int | bool:
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise TighterInvalid(f"{name} must be true or false")
        return value
    if name in COUNTS:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TighterInvalid(f"{name} must be a whole number")
        number: Decimal | int = value
    else:
        number = _decimal(name, value)
    refusal = cap_refusal(name, number)
    if refusal:
        raise TighterInvalid(f"{name}: {refusal}")
    return number


def _decimal(name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TighterInvalid(f"{name} must be a number")
    try:
        return Decimal(str(value))
    except InvalidOperation as exc:
        raise TighterInvalid(f"{name} must be a number") from exc


def is_looser(name: str, value: Decimal | int | bool, limit: Decimal | int | bool) -> bool:
    """Whether ``value`` allows more than ``limit``."""
    if name in SWITCHES:
        return bool(limit) and not value
    if name in ZERO_IS_OFF and (not value or not limit):
        return not value and bool(limit)
    return value < limit if name.startswith("min_") else value > limit


def refuse_looser(given: Given, limits: Limits) -> None:
    """A bot may only tighten. Raises ``TighterInvalid`` for the first that does not."""
    for name, value in given.items():
        limit = getattr(limits, name)
        if is_looser(name, value, limit):
            raise TighterInvalid(
                f"{name} of {value} is looser than the account's {limit}; a bot may only tighten"
            )


def tightened(limits: Limits, given: Given) -> tuple[Limits, OwnLimits]:
    """The stricter of each: the account's may have been lowered since. Slots, sides and entries of
    the day are the bot's own count beside the account's."""
    changes = {
        name: value
        for name, value in given.items()
        if name not in OWN and not is_looser(name, value, getattr(limits, name))
    }
    own = {name: int(given[name]) for name in OWN if name in given}
    # Each name is a field of its type, which the parser has seen to.
    return replace(limits, **changes), OwnLimits(**own)  # type: ignore[arg-type]
