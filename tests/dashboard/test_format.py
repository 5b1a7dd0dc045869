"""Figures read the same everywhere: signs, decimals, separators, ages."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import format as fmt


@pytest.mark.parametrize(
    ("value", "places", "signed", "text"),
    [
        (Decimal("1184.2"), 2, False, "1,184.20"),
        (Decimal("-21.3"), 2, False, "−21.30"),
        (Decimal("21.3"), 2, True, "+21.30"),
        (Decimal("-0.001"), 2, True, "0.00"),
        (Decimal(0), 2, True, "0.00"),
        (Decimal("1000000"), 0, False, "1,000,000"),
        (None, 2, True, "–"),
    ],
)
def test_number(value: Decimal | None, places: int, signed: bool, text: str) -> None:
    assert fmt.number(value, places, signed=signed) == text


@given(st.decimals(-(10**9), 10**9, places=8), st.integers(0, 8))
def test_number_reads_back_as_the_rounded_value(value: Decimal, places: int) -> None:
    text = fmt.number(value, places).replace(",", "").replace(fmt.MINUS, "-")
    assert abs(Decimal(text) - value) <= Decimal(1).scaleb(-places) / 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("0.0500"), "0.05"), (Decimal("7352.9"), "7,352.9"), (Decimal("1E+3"), "1,000")],
)
def test_plain_keeps_exactly_the_decimals_there_are(value: Decimal, text: str) -> None:
    assert fmt.plain(value) == text


@pytest.mark.parametrize(
    ("prices", "places"),
    [
        ((Decimal("97000.5"), Decimal("95450")), 1),
        ((Decimal("0.13845"), Decimal("0.13585")), 5),
        ((Decimal("97048.123456"),), 2),
        ((None,), 2),
    ],
)
def test_prices_show_the_decimals_of_their_tick(prices: tuple[Decimal | None], places: int) -> None:
    assert fmt.price_places(prices) == places


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (724, "12m 04s"),
        (11520, "3h 12m"),
        (187200, "2d 4h"),
        (-3, "0 s"),
    ],
)
def test_age_names_its_two_largest_units(seconds: float, text: str) -> None:
    assert fmt.age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00"), (0.2, "00:01"), (252, "04:12"), (3852, "1:04:12"), (-5, "00:00")],
)
def test_countdown_never_shows_less_than_is_left(seconds: float, text: str) -> None:
    assert fmt.countdown(seconds) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(180, "180 ms"), (2400, "2.4 s"), (200_000, "3m 20s"), (None, "–")]
)
def test_duration(ms: int | None, text: str) -> None:
    assert fmt.duration_ms(ms) == text


def test_shares_multiples_and_r_carry_their_unit() -> None:
    assert fmt.percent(Decimal("0.0271")) == "2.7 %"
    assert fmt.percent(Decimal("-0.021"), 2, signed=True) == "−2.10 %"
    assert fmt.multiple(Decimal("0.862")) == "0.86×"
    assert fmt.r_multiple(Decimal("0.273")) == "+0.27 R"
    assert fmt.r_multiple(None) == "–"


def test_times_are_utc() -> None:
    moment = datetime(2024, 3, 1, 10, 45, 3, tzinfo=UTC)
    assert fmt.clock_time(moment) == "10:45:03"
    assert fmt.day_and_time(moment) == "2024-03-01 10:45"
    assert fmt.clock_time(None) == "–"


@pytest.mark.parametrize(("text", "sign"), [("+1.00", "up"), ("−1.00", "down"), ("0.00", "")])
def test_sign_of_a_figure(text: str, sign: str) -> None:
    assert fmt.sign_of(text) == sign


def test_sentence_in_a_sentence_ends_once() -> None:
    assert fmt.one_stop("halted (a drill)..") == "halted (a drill)."
    assert fmt.one_stop("no stop") == "no stop"
