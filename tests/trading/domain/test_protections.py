"""freqtrade's four protections: when they begin, whom they stop, when they end."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.domain import Direction
from tests.trading.domain.made import HOUR, MINUTE, NOW, portfolio, settings, verdict_of
from trading.domain.portfolio import PastTrade
from trading.domain.protection_json import ProtectionsInvalid, protections_of
from trading.domain.protections import Protection, memory_of, pause_of
from trading.domain.risk import direction_rules, gate
from trading.domain.settings import BotSettings
from trading.domain.verdict import Verdict

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT


def bot(*rows: dict[str, Any]) -> BotSettings:
    made = settings()
    return BotSettings(
        timeframe=made.timeframe,
        autonomy=made.autonomy,
        capital_share=made.capital_share,
        limits=made.limits,
        exits=made.exits,
        protections=protections_of(list(rows), made.timeframe),
    )


def closed(
    minutes_ago: int,
    share: str = "-0.01",
    *,
    symbol: str = "BTCUSDT",
    direction: Direction = LONG,
    stopped: bool = True,
) -> PastTrade:
    return PastTrade(
        symbol, direction, 0, NOW - minutes_ago * MINUTE, D(share) * 10_000, D(share), stopped
    )


def asked(rule: str, row: dict[str, Any], *trades: PastTrade, symbol: str = "BTCUSDT") -> Verdict:
    held = portfolio(past_trades=tuple(sorted(trades, key=lambda one: one.closed_at)))
    return verdict_of(gate(symbol, held, bot(row)), rule)


def side_asked(
    rule: str, row: dict[str, Any], *trades: PastTrade, direction: Direction = LONG
) -> Verdict:
    held = portfolio(past_trades=trades)
    return verdict_of(direction_rules("BTCUSDT", direction, held, bot(row)), rule)


COOLDOWN = {"method": "CooldownPeriod", "stop_duration": 30}
GUARD = {
    "method": "StoplossGuard",
    "lookback_period": 120,
    "stop_duration": 60,
    "trade_limit": 2,
}
DRAWDOWN = {
    "method": "MaxDrawdown",
    "lookback_period": 240,
    "stop_duration": 60,
    "trade_limit": 2,
    "max_allowed_drawdown": 0.02,
}
LOW = {
    "method": "LowProfitPairs",
    "lookback_period": 240,
    "stop_duration": 60,
    "trade_limit": 2,
    "required_profit": "0.01",
}


def test_a_cooldown_rests_the_symbol_after_any_close() -> None:
    won = closed(29, "0.02", stopped=False)
    verdict = asked("cooldown_period", COOLDOWN, won)
    assert (verdict.passed, verdict.limit) == (False, "30 min")
    assert f"until {NOW + MINUTE:%m-%d %H:%M} UTC" in verdict.text
    assert asked("cooldown_period", COOLDOWN, closed(30)).passed
    assert asked("cooldown_period", COOLDOWN, won, symbol="ETHUSDT").passed


def test_stop_outs_of_all_symbols_stop_all() -> None:
    two = (closed(60, symbol="ETHUSDT"), closed(10, symbol="SOLUSDT"))
    verdict = asked("stoploss_guard", GUARD, *two)
    assert (verdict.passed, verdict.value, verdict.limit) == (False, "2", "fewer than 2")
    assert asked("stoploss_guard", GUARD, two[0]).passed
    # Too far apart, long enough ago, no stop, or a stop that locked profit in.
    assert asked("stoploss_guard", GUARD, closed(131), closed(10)).passed
    assert asked("stoploss_guard", GUARD, closed(70), closed(60)).passed
    assert asked("stoploss_guard", GUARD, closed(60, stopped=False), closed(10)).passed
    assert asked("stoploss_guard", GUARD, closed(60, "0.01"), closed(10)).passed


def test_a_pause_outlasts_its_look_back() -> None:
    row = GUARD | {"lookback_period": 20, "stop_duration": 100}
    assert asked("stoploss_guard", row, closed(60), closed(50)).passed is False
    assert asked("stoploss_guard", row, closed(110), closed(100)).passed


def test_a_trade_that_breaks_nothing_does_not_end_a_pause() -> None:
    row = GUARD | {"stop_duration": 100}
    won = closed(5, "0.03", stopped=False)
    assert asked("stoploss_guard", row, closed(60), closed(50), won).passed is False


def test_stop_outs_of_one_symbol() -> None:
    row = GUARD | {"only_per_pair": True}
    mixed = (closed(60, symbol="ETHUSDT"), closed(10))
    assert asked("stoploss_guard", row, *mixed).passed
    assert asked("stoploss_guard", row, closed(60), closed(10)).passed is False
    assert asked("stoploss_guard", row, closed(60), closed(10), symbol="ETHUSDT").passed


def test_stop_outs_of_one_side() -> None:
    row = GUARD | {"only_per_side": True}
    two = (closed(60, symbol="ETHUSDT"), closed(10))
    assert side_asked("stoploss_guard_side", row, *two).passed is False
    assert side_asked("stoploss_guard_side", row, *two, direction=SHORT).passed
    both = row | {"only_per_pair": True}
    assert side_asked("stoploss_guard_side", both, *two).passed
    assert side_asked("stoploss_guard_side", both, closed(60), closed(10)).passed is False


def test_a_drawdown_over_a_look_back() -> None:
    deep = (closed(60, "0.01", symbol="ETHUSDT"), closed(30, "-0.015"), closed(10, "-0.006"))
    verdict = asked("drawdown_pause", DRAWDOWN, *deep)
    assert (verdict.passed, verdict.value, verdict.limit) == (False, "2.10 %", "2.00 %")
    assert asked("drawdown_pause", DRAWDOWN, *deep[:2]).passed
    assert asked("drawdown_pause", DRAWDOWN, closed(10, "-0.05")).passed
    assert asked("drawdown_pause", DRAWDOWN, closed(30, "-0.01"), closed(10, "-0.01")).passed


def test_a_symbol_that_earns_too_little() -> None:
    little = (closed(60, "0.004"), closed(10, "0.005"))
    verdict = asked("low_profit", LOW, *little)
    assert (verdict.passed, verdict.value, verdict.limit) == (False, "0.90 %", "at least 1.00 %")
    assert asked("low_profit", LOW, closed(60, "0.005"), closed(10, "0.005")).passed
    assert asked("low_profit", LOW, little[0]).passed
    assert asked("low_profit", LOW, *little, symbol="ETHUSDT").passed
    side = LOW | {"only_per_side": True}
    assert side_asked("low_profit_side", side, *little).passed is False
    assert side_asked("low_profit_side", side, *little, direction=SHORT).passed


def test_of_two_of_a_kind_the_longer_pause_is_told() -> None:
    rows = (COOLDOWN, COOLDOWN | {"stop_duration": 90})
    held = portfolio(past_trades=(closed(10),))
    verdict = verdict_of(gate("BTCUSDT", held, bot(*rows)), "cooldown_period")
    assert verdict.limit == "1 h 30 min"


def test_spans_may_be_candles_of_the_bot() -> None:
    row = {
        "method": "StoplossGuard",
        "lookback_period_candles": 24,
        "stop_duration_candles": 4,
        "trade_limit": 4,
        "only_per_pair": False,
    }
    (rule,) = protections_of([row], HOUR)
    assert (rule.lookback, rule.stop_for) == (24 * HOUR, 4 * HOUR)
    (quicker,) = protections_of([row], 15 * MINUTE)
    assert quicker.lookback == 6 * HOUR
    assert memory_of([rule, quicker]) == 28 * HOUR


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({}, "write a list"),
        ([3], "entry 1: write an object"),
        ([{"method": "Luck"}], "entry 1, method: must be one of"),
        ([COOLDOWN, GUARD | {"stop_duration": 0}], r"entry 2 \(StoplossGuard\), stop_duration"),
        ([GUARD | {"stop_duration": 43_201}], "from 1 to 43200"),
        ([GUARD | {"trade_limit": True}], "trade_limit: must be a whole number"),
        ([GUARD | {"trade_limit": "2"}], "trade_limit: must be a whole number"),
        ([GUARD | {"lookback_period_candles": 3}], "in minutes or in candles, not both"),
        ([GUARD | {"only_per_pair": "yes"}], "only_per_pair: must be true or false"),
        ([LOW | {"required_profit": "NaN"}], "required_profit: must be a number"),
        ([LOW | {"required_profit": "much"}], "required_profit: must be a number"),
        ([LOW | {"only_per_pair": True}], "only_per_pair: not a field of it"),
        ([DRAWDOWN | {"max_allowed_drawdown": 2}], "max_allowed_drawdown: must be a number"),
        ([COOLDOWN] * 21, "at most 20"),
    ],
)
def test_what_can_not_be_read_is_named(rows: object, words: str) -> None:
    with pytest.raises(ProtectionsInvalid, match=words):
        protections_of(rows, HOUR)


@given(
    minutes=st.lists(st.integers(1, 600), max_size=12, unique=True),
    shares=st.lists(st.integers(-30, 30), min_size=12, max_size=12),
    ask=st.integers(0, 300),
    row=st.sampled_from([COOLDOWN, GUARD, DRAWDOWN, LOW]),
)
def test_a_pause_ends_when_it_says_and_trades_of_others_end_none(
    minutes: list[int], shares: list[int], ask: int, row: dict[str, Any]
) -> None:
    """At the end of a pause it is over; a minute before it is not."""
    trades = [
        closed(ago, str(D(share) / 1000))
        for ago, share in zip(sorted(minutes, reverse=True), shares, strict=False)
    ]
    (rule,) = protections_of([row], HOUR)
    now = NOW + ask * MINUTE
    pause = pause_of(rule, "BTCUSDT", None, trades, now)
    if pause is None:
        return
    assert now < pause.until <= now + rule.stop_for
    assert pause_of(rule, "BTCUSDT", None, trades, pause.until) is None
    assert pause_of(rule, "BTCUSDT", None, trades, pause.until - timedelta(seconds=1)) == pause
    assert isinstance(pause.protection, Protection)
