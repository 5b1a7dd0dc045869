"""Blackout windows: which counts, what it does, and the weeks they come back in."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.domain.made import DAY, HOUR, NOW, portfolio, reading, settings
from trading.choices import BlackoutAction
from trading.domain.blackouts import (
    BlackoutWindow,
    blackout_factors,
    blackout_rule,
    strictest,
    weekly_windows,
)
from trading.domain.pipeline import decide

HALVE, NO_ENTRIES, FLATTEN = (
    BlackoutAction.HALVE,
    BlackoutAction.NO_ENTRIES,
    BlackoutAction.FLATTEN,
)
INSTANT = timedelta(microseconds=1)


def window(
    action: BlackoutAction = NO_ENTRIES,
    *symbols: str,
    start: datetime = NOW - HOUR,
    end: datetime = NOW + HOUR,
    name: str = "rates",
) -> BlackoutWindow:
    return BlackoutWindow(name, start, end, action, frozenset(symbols))


def action_of(
    symbol: str, windows: list[BlackoutWindow], moment: datetime
) -> BlackoutAction | None:
    found = strictest(symbol, windows, moment)
    return found.action if found else None


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        (NOW - HOUR - INSTANT, None),
        (NOW - HOUR, NO_ENTRIES),
        (NOW + HOUR - INSTANT, NO_ENTRIES),
        (NOW + HOUR, None),
    ],
)
def test_a_window_covers_its_start_and_not_its_end(
    moment: datetime, found: BlackoutAction | None
) -> None:
    assert action_of("BTCUSDT", [window()], moment) is found


def test_a_window_without_symbols_covers_all() -> None:
    assert action_of("SOLUSDT", [window(NO_ENTRIES, "BTCUSDT")], NOW) is None
    assert action_of("SOLUSDT", [window()], NOW) is NO_ENTRIES


@given(st.lists(st.sampled_from(BlackoutAction), min_size=1, max_size=6))
def test_the_strictest_action_wins_in_any_order(actions: list[BlackoutAction]) -> None:
    order = [HALVE, NO_ENTRIES, FLATTEN]
    windows = [window(action) for action in actions]
    assert action_of("BTCUSDT", windows, NOW) is max(actions, key=order.index)


@pytest.mark.parametrize(
    ("action", "passed", "factors"),
    [(HALVE, True, ["0.5"]), (NO_ENTRIES, False, []), (FLATTEN, False, [])],
)
def test_a_window_halves_or_stops_entries(
    action: BlackoutAction, passed: bool, factors: list[str]
) -> None:
    windows = [window(action)]
    verdict = blackout_rule("BTCUSDT", windows, NOW)
    assert verdict.passed is passed
    assert verdict.text.startswith("rates: ")
    assert [str(one.value) for one in blackout_factors("BTCUSDT", windows, NOW)] == factors


def test_two_halves_are_still_a_half() -> None:
    windows = [window(HALVE), window(HALVE, name="holiday")]
    assert len(blackout_factors("BTCUSDT", windows, NOW)) == 1


def test_a_signal_in_a_blackout_is_rejected_by_it() -> None:
    held = portfolio(blackouts=(window(),))
    (decision,) = decide([reading()], held, settings(), NOW)
    assert decision.rule == "blackout"


def test_a_signal_in_a_half_blackout_is_half_as_large() -> None:
    (whole,) = decide([reading()], portfolio(), settings(), NOW)
    (half,) = decide([reading()], portfolio(blackouts=(window(HALVE),)), settings(), NOW)
    assert whole.sizing is not None
    assert half.sizing is not None
    assert half.sizing.risk_amount <= whole.sizing.risk_amount / 2
    assert "rates" in half.sizing.words[0]


def test_weekly_windows_begin_on_their_day() -> None:
    # NOW is a Wednesday noon.
    found = weekly_windows(4, time(22), 2 * DAY, NOW, NOW + 7 * DAY)
    assert found == [(NOW + 2 * DAY + 10 * HOUR, NOW + 4 * DAY + 10 * HOUR)]


def test_a_weekly_window_that_began_before_is_found() -> None:
    begun = weekly_windows(1, time(12), 2 * DAY, NOW, NOW + INSTANT)
    assert begun == [(NOW - DAY, NOW + DAY)]
    assert weekly_windows(1, time(12), DAY, NOW, NOW + INSTANT) == []


@given(
    weekday=st.integers(0, 6),
    clock=st.times(),
    minutes=st.integers(1, 7 * 24 * 60),
    ahead=st.timedeltas(timedelta(0), 400 * DAY),
)
def test_a_moment_lies_in_a_weekly_window_or_before_the_next_one(
    weekday: int, clock: time, minutes: int, ahead: timedelta
) -> None:
    moment, length = NOW + ahead, timedelta(minutes=minutes)
    found = weekly_windows(weekday, clock, length, moment, moment + 7 * DAY)
    assert len(found) in (1, 2)
    for start, end in found:
        assert start.weekday() == weekday
        assert (start.hour, start.minute) == (clock.hour, clock.minute)
        assert end - start == length
        assert end > moment
        assert start < moment + 7 * DAY
