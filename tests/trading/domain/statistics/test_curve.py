"""Growth without transfers, falls, and the ratios of daily returns."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.domain.statistics.lists import HOUR, START
from trading.domain.statistics.curve import (
    EquityValue,
    calmar,
    curve_of_equity,
    daily_returns,
    drawdown,
    falls,
    sharpe,
    sortino,
)


def value(hour: int, equity: int, transfers: int = 0, unit: str | None = None) -> EquityValue:
    return EquityValue(
        START + hour * HOUR,
        Decimal(equity),
        Decimal(transfers),
        None if unit is None else Decimal(unit),
    )


def test_a_withdrawal_is_no_fall() -> None:
    curve = curve_of_equity([value(0, 1000), value(24, 800, -200), value(48, 880)])
    found = drawdown(curve)
    assert found is not None
    assert found.amount == 0
    assert found.share == 0
    assert list(daily_returns(curve)) == pytest.approx([0, 0, 0.1])


def test_a_deposit_is_no_return() -> None:
    curve = curve_of_equity([value(0, 1000), value(24, 3000, 2000), value(48, 2700)])
    assert list(daily_returns(curve)) == pytest.approx([0, 0, -0.1])


def test_the_kept_value_of_a_unit_is_taken() -> None:
    points = [value(0, 1000, unit="1"), value(24, 3100, unit="1.1"), value(48, 2790, unit="0.99")]
    assert list(daily_returns(curve_of_equity(points))) == pytest.approx([0, 0.1, -0.1])


def test_without_kept_values_transfers_are_taken_out() -> None:
    points = [value(0, 1000, unit="1"), value(24, 1100), value(48, 1310, 100, unit="1.21")]
    assert curve_of_equity(points).index == pytest.approx([1, 1.1, 1.21])


def test_a_day_without_a_value_has_no_return() -> None:
    curve = curve_of_equity([value(0, 100), value(1, 110), value(72, 121)])
    assert list(daily_returns(curve)) == pytest.approx([0.1, 0, 0, 0.1])


def test_the_deepest_and_the_longest_fall_may_be_two() -> None:
    curve = curve_of_equity(
        [value(0, 100), value(1, 80), value(2, 101), value(3, 100), value(20, 99), value(24, 101)]
    )
    found = drawdown(curve)
    assert found is not None
    assert found.amount == 20
    assert found.share == pytest.approx(0.2)
    assert found.longest == 22 * HOUR


def test_a_fall_that_lasts_ends_with_the_curve() -> None:
    found = drawdown(curve_of_equity([value(0, 100), value(1, 90), value(9, 95)]))
    assert found is not None
    assert found.longest == timedelta(hours=9)


def test_one_value_is_no_curve() -> None:
    assert drawdown(curve_of_equity([value(0, 100)])) is None
    assert len(daily_returns(curve_of_equity([value(0, 100)]))) == 0


def test_returns_that_do_not_vary_have_no_sharpe() -> None:
    assert sharpe(np.full(30, 0.001)) is None
    assert sharpe(np.array([0.01])) is None


def test_days_without_loss_have_no_sortino_and_no_calmar() -> None:
    assert sortino(np.array([0.01, 0.02, 0.0])) is None
    assert calmar(np.array([0.01, 0.02, 0.0])) is None


def test_growth_beyond_any_number_is_unknown() -> None:
    assert calmar(np.array([50.0, -0.01])) is None


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=40))
def test_a_fall_is_between_nothing_and_everything(values: list[int]) -> None:
    curve = curve_of_equity([value(hour, equity) for hour, equity in enumerate(values)])
    found = drawdown(curve)
    assert found is not None
    assert found.share is not None
    assert 0 <= found.share < 1
    assert found.amount >= 0
    assert np.all(falls(curve) <= 0)


@given(
    st.lists(st.tuples(st.floats(0.9, 1.1), st.integers(-400, 400)), min_size=1, max_size=30),
)
def test_transfers_move_no_return(steps: list[tuple[float, int]]) -> None:
    """Growth of each step first, then money in or out: the growth is found again."""
    equity, points = Decimal(1_000_000), [EquityValue(START, Decimal(1_000_000))]
    for hour, (growth, paid_in) in enumerate(steps, 1):
        equity = (equity * Decimal(str(growth))).quantize(Decimal("1e-8")) + paid_in
        points.append(EquityValue(START + hour * HOUR, equity, Decimal(paid_in)))
    grown = np.cumprod([growth for growth, _ in steps])
    assert curve_of_equity(points).index[1:] == pytest.approx(grown, rel=1e-6)
