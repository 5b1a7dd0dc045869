"""Profiles against their table, rules of time, and exit settings as they are stored."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.domain.made import HOUR, exits
from trading.choices import RiskProfile
from trading.domain.exits import ExitSettings, ExitSettingsInvalid, default_exits
from trading.domain.settings import (
    LEVERAGE_CAP,
    NOTIONAL_CAP,
    PROFILE_EQUITY,
    PROFILE_LIMITS,
    Limits,
    SignalRules,
)

CONSERVATIVE, CLASSIC = RiskProfile.CONSERVATIVE, RiskProfile.CLASSIC
MINUTES = timedelta(minutes=1)
GOOD: dict[str, Any] = {
    "breakeven_at_r": "1.0",
    "tightening": [["1.5", "0.75"], ["2.0", "1.2"]],
    "max_holding_bars": 36,
    "timeframe_s": 3600,
}
NAN, INFINITY = float("nan"), float("inf")
BROKEN: dict[str, list[Any]] = {
    "breakeven_at_r": [
        *(0, "-1", 101, True, "", "one", [], {}),
        *("NaN", "sNaN", "Infinity", "1e999999", NAN, INFINITY),
    ],
    "tightening": [
        *(None, 5, "21", {"21": 1}, ["21"], [{"2": 0, "1": 0}], [["1.5"]], [["1", "2", "3"]]),
        *([[2, True]], [["2", "NaN"]], [[NAN, 1]], [["Infinity", "1"]]),
        # The stop at or beyond the R that sets it, or behind the entry.
        *([["1", "1"]], [["1", "2"]], [["1", "-0.1"]]),
        # What is reached, or the stop, does not rise.
        [["2", "1"], ["1.5", "0.75"]],
        [["1.5", "0.75"], ["1.5", "0.9"]],
        [["1.5", "0.75"], ["2", "0.5"]],
    ],
    "max_holding_bars": [0, -1, True, None, "36", 36.5, 36.0, "x", [36], NAN, INFINITY, 10**30],
    "timeframe_s": [0, 59, True, None, "3600", 3600.5, 10**30],
    "trailing": [1],
}


def limits(*numbers: str) -> Limits:
    """In the order of the table of profiles."""
    confidence, reward, risk, slots, side, entries, *rest = numbers
    open_risk, side_risk, day, week, drawdown, position, gross, leverage = map(Decimal, rest)
    return Limits(
        version=0,
        min_confidence=Decimal(confidence),
        min_rr_net=Decimal(reward),
        risk_per_trade=Decimal(risk),
        max_slots=int(slots),
        max_same_direction=int(side),
        max_entries_per_day=int(entries),
        max_open_risk=open_risk,
        max_same_direction_risk=side_risk,
        max_daily_loss=day,
        max_weekly_loss=week,
        max_drawdown=drawdown,
        half_size_losses=4,
        pause_losses=6,
        max_per_group=1,
        weekend_half_size=True,
        max_position_notional=position,
        max_gross_exposure=gross,
        max_leverage=leverage,
    )


@pytest.mark.parametrize(
    ("profile", "expected", "equity"),
    [
        (
            CONSERVATIVE,
            limits(
                *("0.65", "1.5", "0.005", "3", "2", "6"),
                *("0.02", "0.0125", "0.02", "0.04", "0.10", "0.75", "1.5", "3"),
            ),
            1000,
        ),
        (
            CLASSIC,
            limits(
                *("0.55", "1.0", "0.01", "5", "3", "20"),
                *("0.06", "0.04", "0.06", "0.10", "0.15", "2", "3", "5"),
            ),
            10000,
        ),
    ],
)
def test_profiles_are_those_of_the_table(
    profile: RiskProfile, expected: Limits, equity: int
) -> None:
    assert PROFILE_LIMITS[profile] == expected
    assert PROFILE_EQUITY[profile] == equity


def test_fixed_caps() -> None:
    assert NOTIONAL_CAP == 3
    assert LEVERAGE_CAP == 10


@pytest.mark.parametrize(
    ("timeframe", "life", "pause"),
    [
        (15 * MINUTES, 30 * MINUTES, 2 * HOUR),
        (30 * MINUTES, HOUR, 2 * HOUR),
        (HOUR, 2 * HOUR, 4 * HOUR),
        (4 * HOUR, 4 * HOUR, 16 * HOUR),
    ],
)
def test_how_long_an_entry_works_and_a_symbol_rests(
    timeframe: timedelta, life: timedelta, pause: timedelta
) -> None:
    assert SignalRules().entry_life(timeframe) == life
    assert SignalRules().cooldown(timeframe) == pause


@pytest.mark.parametrize(
    ("timeframe", "bars"),
    [(15 * MINUTES, 48), (30 * MINUTES, 48), (HOUR, 36), (4 * HOUR, 18), (24 * HOUR, 18)],
)
def test_max_holding_by_timeframe(timeframe: timedelta, bars: int) -> None:
    settings = default_exits(CONSERVATIVE, timeframe)
    assert settings.max_holding_bars == bars
    assert settings.max_holding == bars * timeframe


@pytest.mark.parametrize("profile", RiskProfile)
def test_default_exits_survive_storage(profile: RiskProfile) -> None:
    settings = default_exits(profile, HOUR)
    assert ExitSettings.from_json(json.loads(json.dumps(settings.as_json()))) == settings


def test_numbers_typed_by_hand_are_read_as_written() -> None:
    typed = json.loads(
        '{"breakeven_at_r": 1.1, "tightening": [[2, 0.3]], '
        '"max_holding_bars": 10, "timeframe_s": 900}'
    )
    assert ExitSettings.from_json(typed) == ExitSettings(
        Decimal("1.1"), ((Decimal(2), Decimal("0.3")),), 10, 900
    )


def test_settings_may_do_without_break_even_and_tightening() -> None:
    settings = ExitSettings.from_json(GOOD | {"breakeven_at_r": None, "tightening": []})
    assert settings.breakeven_at_r is None
    assert settings.tightening == ()


@pytest.mark.parametrize(
    ("field", "value"), [(name, value) for name, values in BROKEN.items() for value in values]
)
def test_broken_exit_settings_are_refused(field: str, value: object) -> None:
    with pytest.raises(ExitSettingsInvalid, match=field):
        ExitSettings.from_json(GOOD | {field: value})


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_exit_setting_is_named(field: str) -> None:
    with pytest.raises(ExitSettingsInvalid, match=field):
        ExitSettings.from_json({name: value for name, value in GOOD.items() if name != field})


@pytest.mark.parametrize("stored", [None, [], [1], "text", 5, True, {1: 2, "x": 3}])
def test_what_is_no_table_of_settings_is_refused(stored: Any) -> None:
    with pytest.raises(ExitSettingsInvalid):
        ExitSettings.from_json(stored)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(GOOD)), json_values))
def test_any_json_is_read_whole_or_refused(changes: dict[str, Any]) -> None:
    try:
        settings = ExitSettings.from_json(GOOD | changes)
    except ExitSettingsInvalid:
        return
    assert ExitSettings.from_json(settings.as_json()) == settings
    assert settings.max_holding > timedelta(0)


def test_made_settings_are_the_defaults_of_an_hour() -> None:
    assert exits() == default_exits(CONSERVATIVE, HOUR)
