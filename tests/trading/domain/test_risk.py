"""Rules of the account, at and beyond each limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis.domain import Direction
from tests.trading.domain.made import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    exposure,
    portfolio,
    settings,
    stop_out,
    verdict_of,
)
from trading.choices import RiskProfile, TradingStateName
from trading.domain.portfolio import Exposure, StopOut
from trading.domain.risk import direction_rules, gate, money_rules
from trading.domain.verdict import Verdict

LONG, SHORT = Direction.LONG, Direction.SHORT
# Risks 4 USDT per unit, without costs.
PLAIN = exposure("BTCUSDT", stop=96, working=True, exit_rate=0)


def asked(rule: str, **held: Any) -> Verdict:
    return verdict_of(gate("BTCUSDT", portfolio(**held), settings()), rule)


def side_asked(rule: str, direction: Direction = LONG, **held: Any) -> Verdict:
    return verdict_of(direction_rules("BTCUSDT", direction, portfolio(**held), settings()), rule)


def money_asked(rule: str, new: Exposure, **held: Any) -> Verdict:
    return verdict_of(money_rules(new, portfolio(**held), settings()), rule)


def units(qty: str, **changes: Any) -> Exposure:
    return exposure("BTCUSDT", qty=qty, stop=96, working=True, exit_rate=0, **changes)


def test_a_flat_account_may_trade() -> None:
    verdicts = (
        *gate("BTCUSDT", portfolio(), settings()),
        *direction_rules("BTCUSDT", LONG, portfolio(), settings()),
        *money_rules(PLAIN, portfolio(), settings()),
    )
    assert all(verdict.passed for verdict in verdicts)
    assert all(verdict.text and verdict.value and verdict.limit for verdict in verdicts)


@pytest.mark.parametrize("state", [TradingStateName.REDUCING, TradingStateName.HALTED])
def test_entries_need_the_active_state(state: TradingStateName) -> None:
    verdict = asked("trading_state", trading_state=state, state_reason="by hand")
    assert verdict.passed is False
    assert "(by hand)" in verdict.text


def test_any_doubt_stops_entries() -> None:
    verdict = asked("health", doubts=("an order is unknown", "not reconciled"))
    assert verdict.passed is False
    assert "an order is unknown; not reconciled" in verdict.text


def test_slots_are_counted_by_symbol() -> None:
    two = (exposure("ETHUSDT"), exposure("ETHUSDT", working=True), exposure("SOLUSDT"))
    assert asked("slots", exposures=two).passed
    assert asked("slots", exposures=two, waiting=(exposure("XRPUSDT"),)).passed is False


@pytest.mark.parametrize(("done", "passed"), [(5, True), (6, False), (7, False)])
def test_entries_of_a_day_are_limited(done: int, passed: bool) -> None:
    assert asked("entries_per_day", entries_today=done).passed is passed


@pytest.mark.parametrize(
    "held",
    [
        {"exposures": (exposure("BTCUSDT"),)},
        {"waiting": (exposure("BTCUSDT"),)},
        {"external_symbols": frozenset({"BTCUSDT"})},
    ],
)
def test_a_symbol_is_held_once(held: dict[str, Any]) -> None:
    assert asked("occupied", **held).passed is False


def test_another_symbol_does_not_occupy_this_one() -> None:
    assert asked("occupied", exposures=(exposure("ETHUSDT"),)).passed


@pytest.mark.parametrize(
    ("timeframe", "ago", "passed"),
    [
        # max(4 bars, 2 h)
        (HOUR, 4 * HOUR, True),
        (HOUR, 4 * HOUR - MINUTE, False),
        (15 * MINUTE, 2 * HOUR, True),
        (15 * MINUTE, 2 * HOUR - MINUTE, False),
    ],
)
def test_a_symbol_rests_after_a_stop_out_of_either_side(
    timeframe: timedelta, ago: timedelta, passed: bool
) -> None:
    held = portfolio(stop_outs=(stop_out(ago, direction=SHORT), stop_out(DAY)))
    verdicts = gate("BTCUSDT", held, settings(timeframe=timeframe))
    assert verdict_of(verdicts, "cooldown").passed is passed


def test_a_stop_out_elsewhere_does_not_rest_this_symbol() -> None:
    outs = (stop_out(MINUTE, symbol="ETHUSDT"),)
    assert asked("cooldown", stop_outs=outs).passed
    assert side_asked("same_side_cooldown", stop_outs=outs).passed


@pytest.mark.parametrize(("ago", "passed"), [(8 * HOUR, True), (8 * HOUR - MINUTE, False)])
def test_the_same_side_rests_for_eight_bars(ago: timedelta, passed: bool) -> None:
    outs = (stop_out(ago),)
    assert side_asked("same_side_cooldown", stop_outs=outs).passed is passed
    assert side_asked("same_side_cooldown", SHORT, stop_outs=outs).passed


def at(day: int, hour: int) -> datetime:
    return datetime(2024, 5, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outs", "now", "locked"),
    [
        # The second came within 24 hours of the first: off for the rest of that day.
        ([at(7, 20), at(8, 6)], at(8, 19), True),
        ([at(7, 20), at(8, 6)], at(8, 23), True),
        ([at(7, 20), at(8, 6)], at(9, 0), False),
        ([at(8, 1), at(8, 2)], at(8, 23), True),
        # Both lie on the day before.
        ([at(7, 3), at(7, 9)], at(8, 2), False),
        # More than 24 hours apart.
        ([at(7, 5), at(8, 6)], at(8, 19), False),
        ([at(8, 6)], at(8, 19), False),
    ],
)
def test_two_stop_outs_of_one_side_close_it_until_the_next_day(
    outs: list[datetime], now: datetime, locked: bool
) -> None:
    known = tuple(StopOut("BTCUSDT", LONG, moment) for moment in outs)
    verdict = side_asked("same_side_cooldown", time=now, stop_outs=known)
    assert verdict.passed is not locked
    assert ("off until 00:00" in verdict.text) is locked


def test_one_direction_has_its_own_slots() -> None:
    two = (exposure("ETHUSDT"), exposure("SOLUSDT"))
    assert side_asked("same_direction", exposures=two[:1]).passed
    assert side_asked("same_direction", exposures=two).passed is False
    assert side_asked("same_direction", SHORT, exposures=two).passed


@pytest.mark.parametrize(("qty", "passed"), [("25", True), ("25.001", False)])
def test_open_risk_is_two_percent(qty: str, passed: bool) -> None:
    # 100 is risked by the short already, 4 x 25 by the new long.
    held = (exposure(direction=SHORT, qty=20, stop=105, exit_rate=0),)
    verdict = money_asked("open_risk", units(qty), exposures=held)
    assert verdict.passed is passed
    assert verdict.value == "2.00 %"


@pytest.mark.parametrize(("qty", "passed"), [("6.25", True), ("6.251", False)])
def test_risk_in_one_direction_is_one_and_a_quarter_percent(qty: str, passed: bool) -> None:
    held = (
        exposure(qty=20, stop=95, exit_rate=0),
        exposure("SOLUSDT", direction=SHORT, qty=20, stop=105, exit_rate=0),
    )
    assert money_asked("same_direction_risk", units(qty), exposures=held).passed is passed


@pytest.mark.parametrize(("qty", "passed"), [("10", True), ("10.001", False)])
def test_gross_exposure_is_one_and_a_half_equity(qty: str, passed: bool) -> None:
    held = (exposure(qty=140, stop=99, exit_rate=0),)
    assert money_asked("gross_exposure", units(qty), exposures=held).passed is passed


@pytest.mark.parametrize(("qty", "passed"), [("75.75", True), ("75.751", False)])
def test_a_position_is_three_quarters_of_equity_and_a_breath(qty: str, passed: bool) -> None:
    assert money_asked("position_notional", units(qty)).passed is passed


def test_no_limit_lifts_the_fixed_caps() -> None:
    bot = settings(max_gross_exposure=Decimal(9), max_position_notional=Decimal(9))
    verdicts = money_rules(units("310"), portfolio(), bot)
    assert verdict_of(verdicts, "gross_exposure").limit == "3.00x"
    assert verdict_of(verdicts, "gross_exposure").passed is False
    assert verdict_of(verdicts, "position_notional").passed is False


@pytest.mark.parametrize("equity", ["0", "-1", "-5000"])
@pytest.mark.parametrize(
    "rule", ["open_risk", "same_direction_risk", "gross_exposure", "position_notional"]
)
def test_without_equity_nothing_may_be_added(rule: str, equity: str) -> None:
    verdict = money_asked(rule, units("0.001"), equity=Decimal(equity))
    assert verdict.passed is False
    assert verdict.value == "–"


@pytest.mark.parametrize(
    ("wallet", "passed"), [("9820", True), ("9819.99", False), ("10500", True), ("-1", False)]
)
def test_the_day_ends_two_percent_down_at_worst(wallet: str, passed: bool) -> None:
    # 20 more would be lost at the stop of the new trade.
    day = {"wallet": wallet, "day_start_equity": Decimal(10000)}
    assert money_asked("daily_loss", units("5"), **day).passed is passed


def test_the_loss_of_the_day_stops_entries_before_there_is_a_signal() -> None:
    day = {"wallet": "9799", "day_start_equity": Decimal(10000)}
    verdict = asked("daily_loss", **day)
    assert verdict.passed is False
    assert (verdict.value, verdict.limit) == ("-2.01 %", "-2.00 %")


def test_money_paid_in_is_no_profit_and_money_taken_out_no_loss() -> None:
    start = {"day_start_equity": Decimal(10000)}
    paid_in = asked("daily_loss", wallet=10300, transfers_today=Decimal(600), **start)
    taken_out = asked("daily_loss", wallet=9500, transfers_today=Decimal(-500), **start)
    assert paid_in.passed is False
    assert taken_out.passed
    assert taken_out.value == "0.00 %"


@pytest.mark.parametrize("start", ["0", "-100"])
def test_a_day_that_began_without_equity_takes_no_risk(start: str) -> None:
    verdict = asked("daily_loss", day_start_equity=Decimal(start))
    assert verdict.passed is False
    assert verdict.value == "–"


def test_classic_limits_are_wider() -> None:
    held = (exposure("ETHUSDT"), exposure("SOLUSDT"), exposure("XRPUSDT"))
    verdicts = gate("BTCUSDT", portfolio(exposures=held), settings(RiskProfile.CLASSIC))
    assert verdict_of(verdicts, "slots").passed
    assert verdict_of(verdicts, "slots").text == "3 of 5 slots are taken."


def test_now_is_in_the_middle_of_a_day() -> None:
    assert at(8, 12) == NOW
