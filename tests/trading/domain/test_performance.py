"""Figures over closed trades, by hand and at their edges."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.domain.made import HOUR, Number, dec
from trading.domain.performance import (
    ClosedTrade,
    Drawdown,
    max_drawdown,
    performance,
    wilson_interval,
)


def closed(
    net: Number, r: Number | None = None, *, fees: Number = 0, held: timedelta = HOUR
) -> ClosedTrade:
    return ClosedTrade(dec(net), dec(fees), Decimal(0), None if r is None else dec(r), held)


def test_figures_of_a_handful_of_trades() -> None:
    result = performance(
        [
            closed(30, "1.5", fees=1, held=HOUR),
            closed(-20, -1, fees=2, held=2 * HOUR),
            closed(10, "0.5", fees=3, held=3 * HOUR),
            closed(0, 0, fees=4, held=6 * HOUR),
        ]
    )
    assert (result.trades, result.wins, result.losses) == (4, 2, 1)
    assert result.win_rate == 0.5
    assert result.net_pnl == 20
    assert result.fees == 10
    assert result.funding == 0
    assert result.profit_factor == 2
    assert result.expectancy == 5
    assert result.expectancy_r == Decimal("0.25")
    assert result.largest_win == 30
    assert result.largest_loss == -20
    assert result.average_hold == 3 * HOUR


def test_without_trades_nothing_is_computed() -> None:
    result = performance([])
    assert result.trades == 0
    assert result.net_pnl == 0
    assert result.win_rate is None
    assert result.win_rate_interval is None
    assert result.profit_factor is None
    assert result.expectancy is None
    assert result.expectancy_r is None
    assert result.largest_win is None
    assert result.largest_loss is None
    assert result.average_hold is None


def test_without_losses_there_is_no_profit_factor() -> None:
    assert performance([closed(5), closed(7)]).profit_factor is None


def test_without_wins_the_profit_factor_is_zero() -> None:
    result = performance([closed(-5)])
    assert result.profit_factor == 0
    assert result.largest_win is None


def test_trades_without_a_multiple_stay_out_of_the_average_multiple() -> None:
    assert performance([closed(5, 1), closed(7)]).expectancy_r == 1


@pytest.mark.parametrize(
    ("wins", "count", "low", "high"),
    [
        # Newcombe 1998, table I: 81 of 263, and 15 of 148.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (20, 20, 0.8389, 1.0),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_interval_by_published_values(
    wins: int, count: int, low: float, high: float
) -> None:
    assert wilson_interval(wins, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_lies_in_0_to_1_around_the_share(counts: tuple[int, int]) -> None:
    wins, count = counts
    interval = wilson_interval(wins, count)
    assert interval is not None
    low, high = interval
    assert 0 <= low <= wins / count <= high <= 1


@pytest.mark.parametrize(
    ("equity", "amount", "share"),
    [
        ([100], 0, "0"),
        ([100, 110, 120], 0, "0"),
        ([100, 120, 90, 130, 110], 30, "0.25"),
        # The deepest share counts, not the largest sum.
        ([100, 60, 1000, 700], 40, "0.4"),
        ([100, 80, 60, 90, 50], 50, "0.5"),
        ([100, -20], 120, "1.2"),
        ([0, -50, 0], 0, "0"),
    ],
)
def test_max_drawdown(equity: list[int], amount: int, share: str) -> None:
    series = [Decimal(value) for value in equity]
    assert max_drawdown(series) == Drawdown(Decimal(amount), Decimal(share))


def test_max_drawdown_of_nothing_is_unknown() -> None:
    assert max_drawdown([]) is None


@given(st.lists(st.decimals("0.01", "100000", places=2), min_size=1, max_size=30))
def test_max_drawdown_is_the_worst_of_all_pairs(series: list[Decimal]) -> None:
    pairs = [(a, b) for i, a in enumerate(series) for b in series[i:]]
    found = max_drawdown(series)
    assert found is not None
    assert found.share == max((a - b) / a for a, b in pairs)
