"""Indicators against values worked out by hand or by a plain loop, and the price levels."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import NotEnoughCandles
from analysis.indicators import INPUT_BARS, NEEDED_BARS, TOUCH_ATR, indicators, levels
from tests.analysis.candle_makers import random_window, window

ALTERNATING = [100.0, 101.0] * 100


def test_fast_average_is_seeded_with_the_plain_mean_of_its_period() -> None:
    candles = window([float(number) for number in range(200)])
    ema = indicators(candles).ema_fast
    assert np.isnan(ema[18])
    assert ema[19] == pytest.approx(9.5)
    assert ema[20] == pytest.approx(9.5 + (20 - 9.5) * 2 / 21)


def test_averages_of_a_straight_line_trail_by_half_their_period() -> None:
    found = indicators(window([float(number) for number in range(200)]))
    assert found.ema_slow[-1] == pytest.approx(199 - 24.5)
    assert found.ema_context[-1] == pytest.approx(199 - 39.5)


def test_rsi_knows_only_gains_only_losses_and_no_movement() -> None:
    rising = indicators(window([float(number) for number in range(1, 201)]))
    falling = indicators(window([float(number) for number in range(300, 100, -1)]))
    still = indicators(window([100.0] * 200))
    assert rising.rsi[-1] == pytest.approx(100)
    assert falling.rsi[-1] == pytest.approx(0)
    assert still.rsi[-1] == 50


def test_rsi_of_equal_gains_and_losses_is_about_fifty() -> None:
    assert indicators(window(ALTERNATING)).rsi[-1] == pytest.approx(50, abs=4)


def test_true_range_of_even_candles_is_their_height() -> None:
    assert indicators(window(ALTERNATING, spread=0.5)).atr[-1] == pytest.approx(2.0)


def test_volume_ratio_compares_with_the_twenty_bars_before() -> None:
    candles = window([100.0] * 200, volume=10.0)
    candles.volume[-1] = 35.0
    ratio = indicators(candles).volume_ratio
    assert ratio[-1] == pytest.approx(3.5)
    assert ratio[-2] == pytest.approx(1.0)
    assert np.isnan(ratio[19])


def test_volume_ratio_is_unknown_when_nothing_traded_before() -> None:
    assert np.isnan(indicators(window([100.0] * 200, volume=0.0)).volume_ratio[-1])


def test_short_history_is_refused_with_both_counts() -> None:
    with pytest.raises(NotEnoughCandles, match=f"129 candles, .*{NEEDED_BARS}"):
        indicators(window([100.0] * (NEEDED_BARS - 1)))


@given(st.integers(0, 10_000), st.integers(NEEDED_BARS, INPUT_BARS - 1))
@settings(max_examples=25, deadline=None)
def test_later_candles_never_change_earlier_values(seed: int, cut: int) -> None:
    candles = random_window(seed)
    whole, part = indicators(candles), indicators(candles.slice(0, cut))
    for name in ("ema_fast", "ema_slow", "ema_context", "rsi", "atr", "volume_ratio"):
        np.testing.assert_allclose(getattr(whole, name)[:cut], getattr(part, name), rtol=1e-9)


def test_twice_touched_swing_becomes_a_level_with_its_touches() -> None:
    closes = [100.0] * 200
    for bar in (140, 160, 180):
        closes[bar] = 104.0
    closes[150] = 97.0
    touches = {level.price: level.touches for level in levels(window(closes, spread=0.1), 1.0)}
    assert touches[Decimal("104.1")] == 3
    assert touches[Decimal("96.9")] == 1


def test_previous_day_gives_its_high_and_low_only_when_complete() -> None:
    closes = [100.0] * 192
    closes[40] = 109.0
    closes[170] = 103.0
    start = datetime(2026, 3, 2, tzinfo=UTC)
    quarter_hours = window(closes, spread=0.1, interval=timedelta(minutes=15), start=start)
    with_day = levels(quarter_hours, 1.0)
    without_first_candle = levels(quarter_hours.slice(1, 192), 1.0)
    assert Decimal("109.1") in [level.price for level in with_day]
    assert Decimal("109.1") not in [level.price for level in without_first_candle]


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_levels_are_ordered_apart_and_on_their_side(seed: int) -> None:
    candles = random_window(seed)
    atr = float(indicators(candles).atr[-1])
    found = levels(candles, atr)
    last = float(candles.close[-1])
    above = [float(level.price) for level in found if level.level_id.startswith("R")]
    below = [float(level.price) for level in found if level.level_id.startswith("S")]
    assert above == sorted(above)
    assert below == sorted(below, reverse=True)
    assert all(price > last for price in above)
    assert all(price < last for price in below)
    assert len(above) <= 3
    assert len(below) <= 3
    both = itertools.pairwise(sorted(above + below))
    assert all(b - a > 2 * TOUCH_ATR * atr for a, b in both)
