"""Reading what a client sent: strings mostly, but clients send numbers and booleans too."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from tests.simulators.bybit.rules import Refused

Params = dict[str, Any]


def word(params: Params, name: str) -> str:
    """Give a field as text, empty when absent."""
    value = params.get(name)
    return "" if value is None else str(value)


def required(params: Params, name: str) -> str:
    value = word(params, name)
    if not value:
        raise Refused(10001, f"params error: {name} invalid")
    return value


def choice(params: Params, name: str, allowed: tuple[str, ...], default: str = "") -> str:
    """Give a field that must be one of a few words."""
    value = word(params, name) or default
    if value not in allowed:
        raise Refused(10001, f"params error: {name} invalid")
    return value


def number(params: Params, name: str) -> Decimal | None:
    """Give a field as a number, None when absent."""
    value = word(params, name)
    if not value:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise Refused(10001, f"params error: {name} invalid") from None
    if not found.is_finite() or found < 0:
        raise Refused(10001, f"params error: {name} invalid")
    return found


def whole(params: Params, name: str, default: int) -> int:
    """Give a field as a whole number."""
    value = number(params, name)
    if value is None:
        return default
    if value != int(value):
        raise Refused(10001, f"params error: {name} invalid")
    return int(value)


def flag(params: Params, name: str) -> bool:
    return word(params, name).lower() in ("true", "1")


def check_linear(params: Params) -> None:
    if word(params, "category") != "linear":
        raise Refused(10001, "params error: category invalid")
