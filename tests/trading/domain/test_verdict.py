"""Numbers as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.domain.verdict import (
    Verdict,
    digits,
    dollars,
    first_failure,
    number,
    percent,
    plain,
    times,
)

YES = Verdict("a", True, "1", "1", "Fine.")
UNKNOWN = Verdict("b", None, "–", "1", "Not applicable.")
NO = Verdict("c", False, "2", "1", "Too much.")


def test_the_first_no_counts_and_what_is_not_applicable_does_not() -> None:
    assert first_failure([YES, UNKNOWN, NO, Verdict("d", False, "", "", "")]) is NO
    assert first_failure([YES, UNKNOWN]) is None
    assert first_failure([]) is None


def test_a_verdict_is_stored_whole() -> None:
    assert NO.as_json() == {
        "rule": "c",
        "passed": False,
        "value": "2",
        "limit": "1",
        "text": "Too much.",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.500", "1.5"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1.00", "1"),
        ("0.00001234", "0.00001234"),
        ("1E-8", "0.00000001"),
        ("-0.00", "0"),
    ],
)
def test_plain_has_neither_exponent_nor_idle_zeros(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12.025", "12.0250"),
        ("0", "0.0000"),
        ("0.158", "0.1580"),
        ("0.00001234", "0.00001234"),
        ("0.000000019494", "0.00000001949"),
        ("-0.002", "-0.002000"),
        ("1234567.89", "1234567.8900"),
    ],
)
def test_digits_say_something_of_any_number(value: str, text: str) -> None:
    assert digits(Decimal(value)) == text


def test_there_is_no_minus_zero() -> None:
    assert number(Decimal("-0.001")) == "0.00"
    assert percent(Decimal("-0.00001")) == "0.00 %"


def test_shares_and_multiples() -> None:
    assert percent(Decimal("0.0125")) == "1.25 %"
    assert times(Decimal("1.5")) == "1.50x"


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1", "$1.00"), ("0.0423", "$0.0423"), ("0.04", "$0.04"), ("0", "$0.00"), ("12.5", "$12.50")],
)
def test_dollars_show_cents_or_what_is_below_them(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text
