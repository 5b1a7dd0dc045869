"""Intervals at their edges and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.intervals import (
    MAX_RESAMPLED,
    bootstrap_mean,
    wilson_interval,
)


def test_no_trades_have_no_interval() -> None:
    assert wilson_interval(0, 0) is None
    assert bootstrap_mean(np.array([])) is None


def test_one_value_has_no_bootstrap() -> None:
    assert bootstrap_mean(np.array([1.5])) is None


def test_no_wins_begin_at_zero_and_all_wins_end_at_one() -> None:
    assert list(wilson_interval(0, 10) or ()) == [0.0, pytest.approx(0.27753279)]
    assert list(wilson_interval(10, 10) or ()) == [pytest.approx(0.72246721), 1.0]


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_a_share(given_counts: tuple[int, int]) -> None:
    wins, count = given_counts
    found = wilson_interval(wins, count)
    assert found is not None
    assert 0 <= found[0] <= wins / count <= found[1] <= 1


def test_the_bootstrap_is_the_same_every_time() -> None:
    values = np.random.default_rng(1).normal(0.2, 1, 60)
    assert bootstrap_mean(values) == bootstrap_mean(values.copy())


def test_equal_values_leave_no_doubt() -> None:
    assert bootstrap_mean(np.full(20, -1.0)) == (-1.0, -1.0)


def test_the_bootstrap_meets_its_limit_where_the_limit_takes_over() -> None:
    values = np.random.default_rng(2).standard_t(4, MAX_RESAMPLED + 1)
    resampled, limit = bootstrap_mean(values[:-1]), bootstrap_mean(values)
    assert resampled is not None
    assert limit is not None
    assert resampled == pytest.approx(limit, abs=0.02)
