from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis.answer.grounding import GROUNDING_COMPLAINT, ground
from analysis.domain import Grounding
from tests.analysis.answer.makers import FACTS, long_answer, none_answer, parsed

# The visible range of FACTS is 8.76: 2.5 % are 0.219, 2 % are 0.1752.


def grounding(**changes: Any) -> Grounding:
    return ground(parsed(long_answer(**changes)), FACTS)


def test_a_read_back_within_the_limits_is_grounded() -> None:
    found = grounding()
    assert found.grounded
    assert found.reason == ""
    assert found.errors == {
        "last_close": Decimal("0.0000"),
        "marker_1": Decimal("0.0034"),
        "marker_2": Decimal("0.0011"),
        "visible_high": Decimal("0.0034"),
        "visible_low": Decimal("0.0034"),
    }
    assert found.worst == Decimal("0.0034")


@pytest.mark.parametrize(
    ("changes", "grounded"),
    [
        ({"last_close": 100.20}, True),
        ({"last_close": 100.21}, False),
        ({"last_close": 100.2001}, False),
        ({"marker_1": 101.689}, True),
        ({"marker_1": 101.690}, False),
        ({"marker_1": 101.251}, True),
        ({"marker_1": 101.250}, False),
        ({"marker_1": None}, False),
        ({"marker_2": 97.509}, True),
        ({"marker_2": 97.510}, False),
        ({"marker_2": None}, False),
        ({"marker_1": 97.29, "marker_2": 101.47}, False),
        ({"visible_high": 104.305}, True),
        ({"visible_high": 104.306}, False),
        ({"visible_high": 103.954}, False),
        ({"visible_low": 95.545}, True),
        ({"visible_low": 95.546}, False),
        ({"high_bar": -38}, True),
        ({"high_bar": -44}, True),
        ({"high_bar": -37}, False),
        ({"high_bar": -45}, False),
        ({"low_bar": -65}, True),
        ({"low_bar": -73}, True),
        ({"low_bar": -64}, False),
        ({"low_bar": -74}, False),
        ({"last_bar": "solid"}, False),
    ],
)
def test_each_item_has_its_own_limit(changes: dict[str, Any], grounded: bool) -> None:
    found = grounding(**changes)
    assert found.grounded is grounded
    assert bool(found.reason) is not grounded
    if not grounded:
        assert found.reason.startswith(("last_close", "marker_", "visible_", *changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"marker_1": 102.346}, "marker_1 is 10.00 % of the visible range off, 2.50 % allowed."),
        ({"visible_low": 96.246}, "visible_low is 10.00 % of the visible range off"),
        ({"last_close": 100.638}, "last_close is not the printed price: 5.00 % of"),
        ({"marker_2": None}, "marker_2 was not read."),
        ({"high_bar": -51}, "high_bar is 10 bars off, 3 allowed."),
        ({"last_bar": "solid"}, "last_bar is not the newest candle's state."),
    ],
)
def test_the_reason_names_the_item_and_the_error(changes: dict[str, Any], reason: str) -> None:
    assert grounding(**changes).reason.startswith(reason)


def test_an_unread_marker_has_no_error_and_a_failing_one_counts_as_worst() -> None:
    found = grounding(marker_1=None, marker_2=98.166)
    assert found.errors["marker_1"] is None
    assert found.worst == Decimal("0.1000")


def test_an_answer_of_none_is_grounded_alike() -> None:
    assert ground(parsed(none_answer()), FACTS).grounded
    assert not ground(parsed(none_answer(marker_1=99)), FACTS).grounded


def test_a_reader_that_only_copies_text_fails_on_the_markers() -> None:
    found = grounding(marker_1=100.2, marker_2=100.2)
    assert found.reason.startswith("marker_1")


def test_a_chart_without_range_is_grounded_by_exact_prices_only() -> None:
    price = Decimal("100.20")
    still = replace(FACTS, visible_high=price, visible_low=price, markers=(price, price))
    found = ground(parsed(long_answer()), still)
    assert not found.grounded
    assert found.errors["marker_1"] == 1


def test_the_complaint_to_the_model_is_the_same_for_every_error() -> None:
    assert not any(character.isdigit() for character in GROUNDING_COMPLAINT)
