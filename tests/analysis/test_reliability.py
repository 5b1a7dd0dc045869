"""Curve, slope and Brier score of forecasts, by hand and against scikit-learn and SciPy."""

# scikit-learn and SciPy have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss

from analysis.reliability import brier_score, reliability_bins, reliability_slope

FORECASTS = st.lists(
    st.tuples(st.integers(0, 1000).map(lambda n: n / 1000), st.booleans()), min_size=3, max_size=80
)


def test_bins_hold_their_lower_edge() -> None:
    forecast, won = np.array([0.65, 0.6999, 0.7, 1.0]), np.array([True, False, True, True])
    found = reliability_bins(forecast, won)
    assert [(item.low, item.count, item.won) for item in found] == [
        (0.65, 2, 0.5),
        (0.7, 1, 1.0),
        (0.95, 1, 1.0),
    ]
    assert found[0].forecast == pytest.approx(0.67495)


def test_right_forecasts_have_a_slope_of_one() -> None:
    forecast = np.repeat([0.2, 0.8], 10)
    won = np.array([True] * 2 + [False] * 8 + [True] * 8 + [False] * 2)
    found = reliability_slope(forecast, won)
    assert found is not None
    assert found.value == pytest.approx(1)
    assert found.low < 1 < found.high


def test_one_forecast_for_all_has_no_slope() -> None:
    assert reliability_slope(np.full(50, 0.7), np.arange(50) % 2 == 0) is None


@given(FORECASTS)
def test_the_slope_agrees_with_scipy(rows: list[tuple[float, bool]]) -> None:
    forecast, won = np.array([f for f, _ in rows]), np.array([w for _, w in rows])
    found = reliability_slope(forecast, won)
    if found is not None:
        assert found.value == pytest.approx(stats.linregress(forecast, won).slope, abs=1e-9)


def test_the_interval_of_the_slope_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(8), 0
    for _ in range(400):
        forecast = rng.uniform(0.3, 0.9, 200)
        found = reliability_slope(forecast, rng.uniform(size=200) < forecast)
        held += found is not None and found.low <= 1 <= found.high
    assert 0.92 <= held / 400 <= 0.98


@given(FORECASTS)
def test_brier_score_agrees_with_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    forecast, won = np.array([f for f, _ in rows]), np.array([w for _, w in rows])
    found = brier_score(forecast, won)
    assert found is not None
    assert found.score == pytest.approx(brier_score_loss(won, forecast, labels=[0, 1]), abs=1e-9)
    parts = found.reliability - found.resolution + found.uncertainty + found.within_bins
    assert parts == pytest.approx(found.score, abs=1e-12)


def test_forecasts_that_are_equal_within_bins_leave_nothing_over() -> None:
    forecast = np.repeat([0.325, 0.725], (40, 60))
    won = np.arange(100) % 3 == 0
    found = brier_score(forecast, won)
    assert found is not None
    assert found.within_bins == pytest.approx(0, abs=1e-12)
    assert found.uncertainty == pytest.approx(0.34 * 0.66)


def test_without_forecasts_there_is_no_score() -> None:
    assert brier_score(np.array([]), np.array([], dtype=np.bool_)) is None
