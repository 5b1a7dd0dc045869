"""Ids, factor and markers: from the hash alone, and nowhere to be read off but in the pixels."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given as given_that
from hypothesis import settings
from hypothesis import strategies as st

from analysis.chart import ChartStyle, RenderedChart, render, style_of
from analysis.chart_layout import PATCH_SCALE, TILE_SCALE
from analysis.chart_secrets import ID_CHARACTERS
from analysis.choices import ImageFamily
from analysis.copies import copies_of, mirrored
from analysis.domain import AnalysisInput
from analysis.indicators import indicators
from tests.analysis.candle_makers import given, random_window, window

# Those that are asked about. A market that leaves no such bar is rarer than one in a thousand, so
# the same examples are tried each time.
BARS = st.sampled_from([70, 80, 95])
CENT = Decimal("0.01")


def chart(seed: int = 1) -> AnalysisInput:
    return given(random_window(seed))


def known(rendered: RenderedChart) -> set[object]:
    facts = rendered.facts
    return {facts.chart_id, facts.question_id, facts.factor, rendered.input_hash, rendered.sha256}


def test_other_candles_share_nothing() -> None:
    assert not known(render(chart(1))) & known(render(chart(2)))


def test_one_changed_volume_is_another_chart() -> None:
    moved = random_window(1)
    moved.volume[3] += 1
    assert not known(render(chart(1))) & known(render(given(moved)))


@pytest.mark.parametrize(
    "style", [ChartStyle(scale=PATCH_SCALE), ChartStyle(bars=81), ChartStyle(dark=True)]
)
def test_another_style_shares_nothing(style: ChartStyle) -> None:
    assert not known(render(chart())) & known(render(chart(), style))


def test_all_copies_of_a_chart_share_nothing() -> None:
    made = chart()
    seen = [
        known(render(mirrored(made) if copy.mirrored else made, copy.style))
        for copy in copies_of(ChartStyle(), 6)
    ]
    assert len(set.union(*seen)) == 6 * 5


def test_ids_use_only_characters_that_cannot_be_confused() -> None:
    facts = [render(chart(seed)).facts for seed in range(20)]
    assert {len(each.chart_id) for each in facts} == {4}
    assert {len(each.question_id) for each in facts} == {6}
    used = {sign for each in facts for sign in each.chart_id + each.question_id}
    assert used <= set(ID_CHARACTERS)
    assert not set(ID_CHARACTERS) & set("0O1I5S8B")


def test_chart_id_does_not_tell_the_question_id() -> None:
    facts = [render(chart(seed)).facts for seed in range(20)]
    assert not any(each.question_id.startswith(each.chart_id) for each in facts)


@given_that(st.integers(0, 10_000), st.sampled_from([0.0000123, 0.9, 97431.5]))
@settings(max_examples=40, deadline=None)
def test_drawn_last_close_lies_between_50_and_200(seed: int, price: float) -> None:
    digits = 8 if price < 1 else 1
    made = given(random_window(seed, price=price, digits=digits, step=0.01), tick="0.00000001")
    facts = render(made).facts
    drawn = float(facts.factor) * float(made.window.close[-1])
    assert 50 < drawn < 200
    assert float(facts.last_close) == pytest.approx(drawn, abs=0.005)


@given_that(st.integers(0, 10_000), BARS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_markers_stand_before_the_table_and_are_no_extremes(seed: int, bars: int) -> None:
    made = chart(seed)
    rendered = render(made, ChartStyle(bars=bars))
    visible, factor = made.window.tail(bars), float(rendered.facts.factor)
    first, second = rendered.marker_bars
    assert -bars < first <= -20
    assert -bars < second <= -20
    assert abs(first - second) >= 8
    high, low = visible.high[first - 1], visible.low[second - 1]
    assert float(rendered.facts.markers[0]) == pytest.approx(high * factor, abs=1e-5)
    assert float(rendered.facts.markers[1]) == pytest.approx(low * factor, abs=1e-5)
    span = visible.high.max() - visible.low.min()
    assert high <= visible.high.max() - 0.05 * span
    assert low >= visible.low.min() + 0.05 * span
    # No single guess is within the tolerated 2.5 % of both.
    assert abs(high - low) > 0.05 * span


@given_that(st.integers(0, 10_000), BARS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_value_of_a_marker_stands_nowhere_else(seed: int, bars: int) -> None:
    made = chart(seed)
    facts = render(made, ChartStyle(bars=bars)).facts
    factor, found = float(facts.factor), indicators(made.window)
    shown = [float(level.price) for level in facts.levels] + [float(facts.last_close)]
    shown += [float(each[-1]) * factor for each in (found.ema_fast, found.ema_slow)]
    for marker in facts.markers:
        # More than a reading may be off.
        assert min(abs(float(marker) - price) for price in shown) > 0.025 * float(
            facts.visible_range
        )
        newest = made.window.tail(20)
        table = np.concatenate((newest.open, newest.high, newest.low, newest.close)) * factor
        # At the two places that are printed.
        assert round(float(marker), 2) not in np.round(table, 2)


def test_market_that_never_moved_still_has_markers() -> None:
    rendered = render(given(window([100.0] * 200, spread=0.0)))
    assert all(bar <= -20 for bar in rendered.marker_bars)
    assert rendered.facts.visible_range == 0


def test_newest_bars_decide_where_no_marker_may_stand() -> None:
    # Only two bars stand out and both are among the newest twenty.
    closes = [100.0 + 0.01 * bar for bar in range(200)]
    made = window(closes, spread=0.0)
    made.high[190] += 0.1
    made.low[185] -= 0.1
    assert all(bar <= -20 for bar in render(given(made)).marker_bars)


def test_facts_are_in_drawn_units() -> None:
    made = chart(4)
    facts = render(made).facts
    visible, factor = made.window.tail(80), float(facts.factor)
    assert float(facts.visible_high) == pytest.approx(visible.high.max() * factor, abs=1e-5)
    assert float(facts.visible_low) == pytest.approx(visible.low.min() * factor, abs=1e-5)
    assert float(facts.atr) == pytest.approx(indicators(made.window).atr[-1] * factor, abs=1e-5)
    assert int(np.argmax(visible.high)) - 79 in facts.high_bars
    assert int(np.argmin(visible.low)) - 79 in facts.low_bars
    assert facts.levels
    assert all(facts.visible_low <= level.price <= facts.visible_high for level in facts.levels)
    assert facts.last_close == facts.last_close.quantize(CENT)


@pytest.mark.parametrize(("last", "hollow"), [(110.0, True), (90.0, False), (100.0, True)])
def test_newest_bar_is_hollow_unless_it_fell(last: float, hollow: bool) -> None:
    assert render(given(window([100.0] * 199 + [last]))).facts.newest_hollow is hollow


def test_extreme_reached_twice_lists_both_bars() -> None:
    made = random_window(3)
    made.high[[130, 170]] = made.high.max() + 1.0
    assert render(given(made)).facts.high_bars == (-69, -29)


def test_extremes_that_look_alike_are_both_right() -> None:
    made = random_window(3)
    made.high[130] = made.high.max() + 1.0
    made.high[170] = made.high[130] - 0.0001
    assert render(given(made)).facts.high_bars == (-69, -29)


def test_profile_family_decides_the_scale() -> None:
    assert style_of(ImageFamily.TILE) == ChartStyle()
    assert style_of(ImageFamily.PATCH) == replace(ChartStyle(), scale=PATCH_SCALE)
    assert style_of("tile").scale == TILE_SCALE
