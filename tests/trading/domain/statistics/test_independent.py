"""The figures against QuantStats, SciPy and scikit-learn on three lists of trades, to 1e-9."""

# QuantStats annotates some of its functions only.
# mypy: allow-untyped-calls

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as qs
from scipy import stats

from analysis.intervals import SEED
from tests.trading.domain.statistics.lists import EQUITY, drawn
from trading.domain.statistics import ClosedTrade, Statistics, statistics
from trading.domain.statistics.curve import curve_of_trades, daily_returns
from trading.domain.statistics.trades import columns_of

LISTS = {
    "a winning month": drawn(11, 90, mean=0.3),
    "a losing half year": drawn(12, 400, mean=-0.12),
    "a flat two years": drawn(13, 1000, mean=0.0),
}


@pytest.fixture(params=LISTS, scope="module")
def trades(request: pytest.FixtureRequest) -> list[ClosedTrade]:
    return LISTS[request.param]


@pytest.fixture(scope="module")
def found(trades: list[ClosedTrade]) -> Statistics:
    return statistics(trades, start_equity=EQUITY)


@pytest.fixture(scope="module")
def money(trades: list[ClosedTrade]) -> pd.Series[float]:
    when = pd.DatetimeIndex([trade.closed for trade in trades])
    return pd.Series([float(trade.net_pnl) for trade in trades], index=when)


@pytest.fixture(scope="module")
def multiples(trades: list[ClosedTrade]) -> np.ndarray:
    return np.array([float(trade.r_multiple or 0) for trade in trades])


@pytest.fixture(scope="module")
def days(money: pd.Series[float], trades: list[ClosedTrade]) -> pd.Series[float]:
    """Daily returns made by pandas: results per calendar day on the equity of the day before."""
    assert trades[0].opened is not None
    per_day = money.groupby(money.index.floor("D")).sum()
    calendar = pd.date_range(trades[0].opened.date(), money.index[-1].date(), tz="UTC")
    equity = float(EQUITY) + per_day.reindex(calendar, fill_value=0.0).cumsum()
    before = equity.shift(1, fill_value=float(EQUITY))
    return (equity / before - 1).tz_localize(None)


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def test_daily_returns(trades: list[ClosedTrade], days: pd.Series[float]) -> None:
    ours = daily_returns(curve_of_trades(columns_of(trades), EQUITY))
    assert list(ours) == near(list(days))


def test_sums_and_averages(found: Statistics, money: pd.Series[float]) -> None:
    assert float(found.net_pnl) == near(math.fsum(money))
    assert found.expectancy == near(float(money.mean()))
    assert found.average_win == near(qs.avg_win(money, prepare_returns=False))
    assert found.average_loss == near(qs.avg_loss(money, prepare_returns=False))
    assert float(found.largest_win or 0) == near(qs.best(money, prepare_returns=False))
    assert float(found.largest_loss or 0) == near(qs.worst(money, prepare_returns=False))


def test_win_rate_and_profit_factor(found: Statistics, money: pd.Series[float]) -> None:
    assert found.win_rate == near(qs.win_rate(money, prepare_returns=False))
    assert found.profit_factor == near(qs.profit_factor(money, prepare_returns=False))


def test_streaks(found: Statistics, money: pd.Series[float]) -> None:
    assert found.streaks.wins == qs.consecutive_wins(money, prepare_returns=False)
    assert found.streaks.losses == qs.consecutive_losses(money, prepare_returns=False)


def test_wilson_interval(found: Statistics) -> None:
    exact = stats.binomtest(found.wins, found.trades).proportion_ci(0.95, method="wilson")
    assert found.win_rate_interval == near((exact.low, exact.high))


def test_bootstrap_intervals(
    found: Statistics, money: pd.Series[float], multiples: np.ndarray
) -> None:
    for interval, values in (
        (found.expectancy_interval, money.to_numpy()),
        (found.expectancy_r_interval, multiples),
    ):
        independent = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=2000,
            method="percentile",
            rng=np.random.default_rng(SEED),
        ).confidence_interval
        assert interval == near((independent.low, independent.high))


def test_expectancy_in_r_and_system_quality(found: Statistics, multiples: np.ndarray) -> None:
    assert found.expectancy_r == near(stats.describe(multiples).mean)
    # SQN is the t-statistic of the mean against 0.
    assert found.sqn == near(stats.ttest_1samp(multiples, 0).statistic)


def test_sharpe_sortino_calmar(found: Statistics, days: pd.Series[float]) -> None:
    assert found.ratios.sharpe == near(qs.sharpe(days, periods=365))
    assert found.ratios.sortino == near(qs.sortino(days, periods=365))
    assert found.ratios.calmar == near(qs.calmar(days, periods=365))


def test_drawdown(found: Statistics, money: pd.Series[float]) -> None:
    equity = float(EQUITY) + money.cumsum()
    equity.index = equity.index.tz_localize(None)
    steps = equity / equity.shift(1, fill_value=float(EQUITY)) - 1
    assert found.drawdown is not None
    assert found.drawdown.share == near(-qs.max_drawdown(steps))
    worst = max(stats.describe(equity.cummax().clip(lower=float(EQUITY)) - equity).minmax)
    assert float(found.drawdown.amount) == near(worst)
