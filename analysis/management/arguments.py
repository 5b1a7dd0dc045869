"""Values of command lines, refused in a sentence."""

from __future__ import annotations

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation

LARGEST_SEED = 2**31


def dollars(text: str) -> Decimal:
    """An amount of money, for argparse."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ArgumentTypeError(f"{text!r} is no amount in dollars, such as 2.50")
    return amount


def seed(text: str) -> int:
    """What charts are made from, for argparse."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= LARGEST_SEED:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {LARGEST_SEED}")
    return number
