"""Fitted curves against scikit-learn, and what they promise for any trades."""

# scikit-learn has no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from analysis.calibration import (
    ISOTONIC_LABELS,
    MIN_LABELS,
    CalibrationCurve,
    Flags,
    Floats,
    fit,
    isotonic_blocks,
    isotonic_points,
    platt_fit,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LABELS = st.lists(
    st.tuples(st.integers(0, 1000).map(lambda n: n / 1000), st.booleans()), min_size=1, max_size=60
)


def drawn(
    count: int, intercept: float = -3.5, slope: float = 5.0, seed: int = 4
) -> tuple[Floats, Flags]:
    """Confidences from 0.55 to 0.95 and outcomes of a known logistic curve."""
    rng = np.random.default_rng(seed)
    raw = np.round(rng.uniform(0.55, 0.95, count), 3)
    return raw, rng.uniform(size=count) < 1 / (1 + np.exp(-(intercept + slope * raw)))


def columns(labels: list[tuple[float, bool]]) -> tuple[Floats, Flags]:
    return np.array([raw for raw, _ in labels]), np.array([won for _, won in labels])


def test_platt_agrees_with_scikit_learn() -> None:
    raw, won = drawn(400)
    wins = int(won.sum())
    high, low = (wins + 1) / (wins + 2), 1 / (len(won) - wins + 2)
    target = np.where(won, high, low)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=500)
    model.fit(
        np.concatenate((raw, raw)).reshape(-1, 1),
        np.concatenate((np.ones(400), np.zeros(400))),
        sample_weight=np.concatenate((target, 1 - target)),
    )
    fitted = platt_fit(raw, won)
    assert fitted.slope == pytest.approx(float(model.coef_[0, 0]), rel=1e-7)
    assert fitted.intercept == pytest.approx(float(model.intercept_[0]), rel=1e-7)


def test_platt_recovers_a_known_curve() -> None:
    raw, won = drawn(200_000)
    fitted = platt_fit(raw, won)
    assert fitted.slope == pytest.approx(5.0, abs=0.15)
    assert fitted.intercept == pytest.approx(-3.5, abs=0.12)


@settings(max_examples=25)
@given(st.floats(-4, 2), st.floats(-2, 8), st.integers(0, 1000))
def test_platt_lies_within_its_errors_of_any_known_curve(a: float, b: float, seed: int) -> None:
    raw, won = drawn(5000, a, b, seed)
    fitted = platt_fit(raw, won)
    for at in (0.6, 0.75, 0.9):
        chance, error = fitted.chance(at)
        truth = 1 / (1 + math.exp(-(a + b * at)))
        # Five standard errors, and what the drawn-in targets cost.
        assert abs(chance - truth) < 5 * error + 0.001


def test_the_error_of_platt_is_that_of_repeated_draws() -> None:
    fits = [platt_fit(*drawn(400, seed=seed)).chance(0.75) for seed in range(300)]
    spread = float(np.std([chance for chance, _ in fits], ddof=1))
    assert float(np.mean([error for _, error in fits])) == pytest.approx(spread, rel=0.15)


def test_only_wins_give_a_finite_curve() -> None:
    chance, error = platt_fit(np.full(120, 0.7), np.full(120, True)).chance(0.7)
    assert 0.97 < chance < 1
    assert math.isfinite(error)


@given(LABELS)
def test_isotonic_agrees_with_scikit_learn(labels: list[tuple[float, bool]]) -> None:
    raw, won = columns(labels)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(raw, won.astype(float))
    points = isotonic_points(raw, won)
    at = np.linspace(0, 1, 41)
    ours = np.interp(at, [p[0] for p in points], [p[1] for p in points])
    assert ours == pytest.approx(theirs.predict(at), abs=1e-9)


@given(LABELS)
def test_isotonic_never_falls(labels: list[tuple[float, bool]]) -> None:
    blocks = isotonic_blocks(*columns(labels))
    shares = [wins / count for _, _, wins, count in blocks]
    assert shares == sorted(shares)
    assert sum(count for *_, count in blocks) == len(labels)
    assert sum(wins for _, _, wins, _ in blocks) == sum(won for _, won in labels)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 1000).map(lambda n: Decimal(n) / 1000))
def test_more_confidence_never_lowers_an_isotonic_chance(seed: int, raw: Decimal) -> None:
    curve = fit(*drawn(ISOTONIC_LABELS, seed=seed), NOW)
    here, higher = curve.chance(raw), curve.chance(raw + Decimal("0.05"))
    assert here is not None
    assert higher is not None
    assert 0 <= here.chance <= higher.chance <= 1


@pytest.mark.parametrize(
    ("count", "method"),
    [(99, ""), (100, "platt"), (999, "platt"), (1000, "isotonic")],
)
def test_the_sample_decides_on_the_method(count: int, method: str) -> None:
    curve = fit(*drawn(count), NOW)
    assert (curve.method, curve.count) == (method, count)


def test_a_small_sample_is_uncalibrated() -> None:
    curve = fit(*drawn(MIN_LABELS - 1), NOW)
    assert curve.chance(Decimal("0.7")) is None
    assert not curve.reliable


def test_confidence_that_says_something_is_reliable() -> None:
    assert fit(*drawn(800, slope=8, intercept=-6), NOW).reliable


def test_confidence_that_says_nothing_is_not_reliable() -> None:
    assert not fit(*drawn(800, slope=0, intercept=0), NOW).reliable
    assert not fit(*drawn(800, slope=-6, intercept=4), NOW).reliable


def test_between_points_the_chance_is_on_their_line() -> None:
    points = tuple(
        (Decimal(raw), Decimal(chance), Decimal("0.04"))
        for raw, chance in (("0.6", "0.5"), ("0.8", "0.6"))
    )
    curve = CalibrationCurve(points, 120, NOW, "platt", True)
    found = [curve.chance(Decimal(raw)) for raw in ("0.1", "0.6", "0.7", "0.8", "0.99")]
    chances = [item.chance for item in found if item is not None]
    assert chances == [Decimal(text) for text in ("0.5", "0.5", "0.55", "0.6", "0.6")]
