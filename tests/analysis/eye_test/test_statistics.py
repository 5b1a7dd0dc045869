from __future__ import annotations

import math

import pytest

from analysis.eye_test.statistics import (
    macro_f1,
    mean_interval,
    modal_share,
    quantile,
    two_proportion_z,
    wilson,
)


@pytest.mark.parametrize(
    ("hits", "count", "low"), [(294, 300, 0.957), (285, 300, 0.919), (96, 120, 0.72)]
)
def test_lower_bounds_are_those_of_the_mark_table(hits: int, count: int, low: float) -> None:
    assert wilson(hits, count).low == pytest.approx(low, abs=0.001)


def test_nothing_is_known_without_a_count() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.9, 9), (0.99, 10), (0.05, 1)])
def test_quantile_is_one_of_the_values(share: float, value: float) -> None:
    assert quantile([10, 1, 9, 2, 8, 3, 7, 4, 6, 5], share) == value


def test_a_single_value_bounds_no_mean() -> None:
    assert mean_interval([1.0]) == (-math.inf, math.inf)
    assert mean_interval([1.0, 1.0]) == (1.0, 1.0)


def test_a_shift_of_a_share_is_measured_in_standard_errors() -> None:
    assert two_proportion_z(12, 20, 20, 20) == pytest.approx(-3.162, abs=0.001)
    assert two_proportion_z(20, 20, 20, 20) == 0
    assert two_proportion_z(0, 0, 20, 20) == 0


def test_macro_f1_counts_each_class_alike() -> None:
    always_up = [("up", "up")] * 8 + [("flat", "up")] * 2
    assert macro_f1(always_up) == pytest.approx(0.444, abs=0.001)
    assert macro_f1([("up", "up"), ("down", "down")]) == 1


def test_modal_share() -> None:
    assert modal_share(["a", "b", "a", "a"]) == 0.75
