"""Figures over closed trades, by hand and at their edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.domain.statistics.lists import EQUITY, HOUR, START, closed, drawn
from trading.domain.statistics import ClosedTrade, Dimension, statistics, statistics_by
from trading.domain.statistics.figures import Streaks

MONEY = st.integers(-(10**15), 10**15).map(lambda units: Decimal(units).scaleb(-8))


def test_figures_of_a_handful_of_trades() -> None:
    found = statistics(
        [
            closed(30, "1.5", hour=0, fees=Decimal(1), funding=Decimal("0.5")),
            closed(-20, -1, hour=2, fees=Decimal(2), slippage=Decimal("0.3")),
            closed(10, "0.5", hour=4, fees=Decimal(3), ai_cost=Decimal("0.25")),
            closed(0, 0, hour=6, fees=Decimal(4)),
        ]
    )
    assert (found.trades, found.wins, found.losses) == (4, 2, 1)
    assert found.win_rate == 0.5
    assert found.net_pnl == 20
    assert found.gross_pnl == Decimal("30.5")
    assert found.fees == 10
    assert found.funding == Decimal("0.5")
    assert (found.slippage, found.slippage_known) == (Decimal("0.3"), 1)
    assert (found.ai_cost, found.net_after_ai_cost) == (Decimal("0.25"), Decimal("19.75"))
    assert (found.profit_factor, found.expectancy, found.expectancy_r) == (2, 5, 0.25)
    assert (found.average_win, found.average_loss) == (20, -20)
    assert found.largest_win == 30
    assert found.largest_loss == -20
    assert found.streaks == Streaks(wins=1, losses=1, current=0)
    assert found.average_hold == found.median_hold == HOUR
    assert found.exposure == pytest.approx(4 / 7)


def test_no_trade() -> None:
    found = statistics([], start_equity=EQUITY)
    assert found.trades == 0
    assert found.net_pnl == 0
    assert found.fees == 0
    unknown = [
        *("win_rate", "win_rate_interval", "profit_factor", "expectancy", "expectancy_r"),
        *("expectancy_interval", "average_win", "largest_loss", "drawdown", "sqn"),
        *("exposure", "average_hold", "median_hold", "slippage", "mfe_r", "mae_r"),
    ]
    assert {name: getattr(found, name) for name in unknown} == dict.fromkeys(unknown)
    assert (found.ratios.sharpe, found.ratios.sortino, found.ratios.calmar) == (None, None, None)


def test_one_trade() -> None:
    found = statistics([closed(12, "0.6")], start_equity=EQUITY)
    assert (found.win_rate, found.expectancy, found.expectancy_r) == (1, 12, 0.6)
    assert found.expectancy_interval is None
    assert found.profit_factor is None
    assert found.sqn is None
    assert found.ratios.sharpe is None
    assert found.exposure == 1


def test_all_wins_have_no_profit_factor_and_no_fall() -> None:
    found = statistics([closed(5, 1, hour=h) for h in (0, 30, 60)], start_equity=EQUITY)
    assert found.profit_factor is None
    assert found.average_loss is None
    assert found.drawdown is not None
    assert found.drawdown.amount == 0
    assert found.drawdown.share == 0
    assert (found.ratios.sortino, found.ratios.calmar) == (None, None)
    assert found.sqn is None


def test_all_losses() -> None:
    found = statistics([closed(-5, -1, hour=h) for h in (0, 30)], start_equity=Decimal(100))
    assert (found.win_rate, found.profit_factor) == (0, 0)
    assert found.largest_win is None
    assert found.drawdown is not None
    assert found.drawdown.amount == 10
    assert found.drawdown.share == pytest.approx(0.1)
    assert found.drawdown.longest == 31 * HOUR
    assert found.streaks.current == -2


def test_without_risk_there_is_no_r() -> None:
    found = statistics([closed(5), closed(-4, hour=3)])
    assert found.expectancy == 0.5
    assert (found.expectancy_r, found.expectancy_r_interval, found.sqn) == (None, None, None)


def test_without_equity_the_fall_is_known_in_money_only() -> None:
    found = statistics([closed(5), closed(-4, hour=3)])
    assert found.drawdown is not None
    assert found.drawdown.amount == 4
    assert found.drawdown.share is None
    assert found.ratios.sharpe is None


def test_ruin_leaves_no_growth() -> None:
    found = statistics([closed(-60), closed(-60, hour=30)], start_equity=Decimal(100))
    assert found.drawdown is not None
    assert found.drawdown.share is None
    assert found.ratios.sharpe is None


def test_unverifiable_trades_are_counted_apart() -> None:
    found = statistics([closed(5, 1), closed(-900, -9, unverifiable=True)])
    assert found.trades == 1
    assert found.left_out == 1
    assert found.net_pnl == 5


def test_modes_are_never_added_up() -> None:
    trades = [closed(5, mode="paper"), closed(6, mode="live")]
    with pytest.raises(ValueError, match="live, paper"):
        statistics(trades)
    with pytest.raises(ValueError):
        statistics_by(trades, Dimension.SYMBOL)
    by_mode = statistics_by(trades, Dimension.MODE)
    assert {mode: found.net_pnl for mode, found in by_mode.items()} == {"paper": 5, "live": 6}


def test_streaks_follow_the_order_of_closing() -> None:
    results = (3, 1, -1, -2, -3, 4)
    trades = [closed(net, hour=2 * hour) for hour, net in enumerate(results)]
    assert statistics(list(reversed(trades))).streaks == Streaks(wins=2, losses=3, current=1)


def test_a_long_trade_hides_no_gap_it_does_not_cover() -> None:
    long = ClosedTrade(Decimal(1), opened=START, closed=START + 10 * HOUR)
    short = closed(1, hour=2)
    late = closed(1, hour=19)
    assert statistics([long, short, late]).exposure == pytest.approx(11 / 20)


@pytest.mark.parametrize(
    ("dimension", "names"),
    [
        (Dimension.HOUR, {"00", "23"}),
        (Dimension.WEEKDAY, {"Monday"}),
        (Dimension.CONFIDENCE, {"0.65 to 0.70", "0.95 to 1.00"}),
        (Dimension.SYMBOL, {"BTCUSDT", "ETHUSDT"}),
        (Dimension.EXIT_REASON, {"stop_loss"}),
    ],
)
def test_dimensions(dimension: Dimension, names: set[str]) -> None:
    trades = [
        closed(1, hour=0, symbol="BTCUSDT", exit_reason="stop_loss", confidence=Decimal("0.65")),
        closed(2, hour=23, symbol="ETHUSDT", exit_reason="stop_loss", confidence=Decimal(1)),
    ]
    assert set(statistics_by(trades, dimension)) == names


@pytest.mark.parametrize("dimension", list(Dimension))
def test_parts_add_up_to_the_whole(dimension: Dimension) -> None:
    trades = drawn(3, 200)
    parts, whole = statistics_by(trades, dimension), statistics(trades)
    assert sum(part.trades for part in parts.values()) == whole.trades
    assert sum((part.net_pnl for part in parts.values()), Decimal(0)) == whole.net_pnl


@given(st.lists(st.tuples(MONEY, MONEY, MONEY), max_size=30))
def test_money_is_exact_to_the_last_place(rows: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    found = statistics([ClosedTrade(net, fees, paid) for net, fees, paid in rows])
    net, fees, paid = (
        (sum(column, Decimal(0)) for column in zip(*rows, strict=True))
        if rows
        else ((Decimal(0),) * 3)
    )
    assert (found.net_pnl, found.fees, found.funding) == (net, fees, paid)
    assert found.gross_pnl == net + fees + paid
    assert found.gross_profit + found.gross_loss == net


@given(st.permutations(range(12)))
def test_the_order_of_the_list_does_not_matter(order: list[int]) -> None:
    trades = drawn(5, 12)
    assert statistics([trades[i] for i in order]) == statistics(trades)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=12))
def test_exposure_counts_each_minute_once(spans: list[tuple[int, int]]) -> None:
    minute = timedelta(minutes=1)
    trades = [
        replace(closed(1), opened=START + at * minute, closed=START + (at + length) * minute)
        for at, length in spans
    ]
    first, last = min(at for at, _ in spans), max(at + length for at, length in spans)
    held = {minute for at, length in spans for minute in range(at, at + length)}
    found = statistics(trades).exposure
    if first == last:
        assert found is None
    else:
        assert found == pytest.approx(len(held) / (last - first))
