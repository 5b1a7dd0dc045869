"""The price axis, its ticks, and how lines and labels are laid out."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import chart_type
from analysis.chart_axis import decimals_of, number, price_axis, tick_step
from analysis.chart_labels import spread
from analysis.chart_layout import PATCH_SCALE, TILE_SCALE
from analysis.chart_panel import dashes
from analysis.chart_type import fitted, font


@given(st.floats(1e-7, 1e6))
def test_step_is_round_and_gives_five_to_eleven_intervals(span: float) -> None:
    step = tick_step(span)
    assert step.scaleb(-step.adjusted()) in {Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5)}
    assert 5.3 <= span / float(step) <= 10.7


@given(st.floats(1e-6, 1e5), st.floats(1.0, 3.0))
def test_ticks_and_prices_fall_inside_the_panel(low: float, ratio: float) -> None:
    axis = price_axis(low, low * ratio, 456)
    rows = axis.rows(np.array([float(tick) for tick in axis.ticks()]))
    assert len(rows) >= 4
    assert ((rows >= -0.01) & (rows <= 455.01)).all()
    assert 20 < axis.row(low * ratio) <= axis.row(low) < 436


def test_wide_range_uses_equal_steps_of_percent() -> None:
    axis = price_axis(100.0, 400.0, 456)
    assert axis.logarithmic
    assert axis.row(200.0) == pytest.approx((axis.row(100.0) + axis.row(400.0)) / 2)


def test_narrow_range_uses_equal_steps_of_price() -> None:
    axis = price_axis(100.0, 120.0, 456)
    assert not axis.logarithmic
    assert axis.row(110.0) == pytest.approx((axis.row(100.0) + axis.row(120.0)) / 2)


@pytest.mark.parametrize(
    ("step", "places"), [("2.5", 1), ("500", 0), ("0.0000025", 7), ("1E+3", 0)]
)
def test_places_that_a_step_needs(step: str, places: int) -> None:
    assert decimals_of(Decimal(step)) == places


@given(st.floats(1e-3, 1e3), st.floats(10.1, 1e9))
def test_decades_have_round_ticks_with_room_between(low: float, ratio: float) -> None:
    axis = price_axis(low, low * ratio, 456)
    ticks = axis.ticks()
    rows = axis.rows(np.array([float(tick) for tick in ticks]))
    assert 4 <= len(ticks) <= 12
    assert (np.abs(np.diff(rows)) >= 18).all()
    assert all(tick.scaleb(-tick.adjusted()) in {1, Decimal("1.5"), 2, 3, 5, 7} for tick in ticks)


@given(st.floats(1.0, 1e3), st.floats(1.0001, 1e4))
def test_ticks_are_written_with_all_their_digits(low: float, ratio: float) -> None:
    axis = price_axis(low, low * ratio, 456)
    assert all(Decimal(number(tick, axis.decimals())) == tick for tick in axis.ticks())


@pytest.mark.parametrize("text", ["97431.5", "0.0000123", "113969.12", "0.00001234"])
def test_long_prices_fit_beside_the_axis(text: str) -> None:
    # From the axis to the picture's edge.
    assert fitted(text, 20, TILE_SCALE, 91, bold=True).getlength(text) <= 1149 - 1048


def test_short_prices_keep_their_size() -> None:
    assert fitted("72.54", 20, TILE_SCALE, 91, bold=True).size == 20


@pytest.mark.parametrize(("scale", "smallest"), [(TILE_SCALE, 15), (PATCH_SCALE, 20)])
def test_text_too_long_for_its_place_stops_at_the_smallest_size(
    scale: float, smallest: int
) -> None:
    assert fitted("a very long text", 20, scale, 10).size == smallest


@pytest.mark.parametrize(("size", "scale"), [(14, 1.0), (18, 0.8)])
def test_type_that_a_model_can_lose_is_refused(size: int, scale: float) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        font(size, scale)


def test_no_other_module_makes_a_face() -> None:
    # So the refusal above holds for every text on every chart.
    modules = Path(chart_type.__file__).parent.glob("chart*.py")
    makers = {path.name for path in modules if "truetype" in path.read_text(encoding="utf-8")}
    assert makers == {"chart_type.py"}


@given(st.lists(st.integers(-100, 600), min_size=3, max_size=3))
def test_labels_stay_apart_inside_and_in_order(rows: list[int]) -> None:
    placed = spread(rows, 24, 11, 444)
    assert all(11 <= row <= 444 for row in placed)
    assert all(other - one >= 24 for one, other in pairwise(sorted(placed)))
    assert sorted(range(3), key=lambda index: (rows[index], placed[index])) == sorted(
        range(3), key=lambda index: placed[index]
    )


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([300, 100, 200], 24, 11, 444) == [300, 100, 200]


def test_dashes_cover_their_share_of_a_bent_path() -> None:
    path = np.array([(0.0, 0.0), (60.0, 80.0), (160.0, 80.0)])
    parts = dashes(path, 10, 6)
    drawn = sum(
        float(np.hypot(*(np.array(other) - np.array(one))))
        for part in parts
        for one, other in pairwise(part)
    )
    assert len(parts) == 13
    assert drawn == pytest.approx(200 - 6 * 12 - 2, abs=6)
