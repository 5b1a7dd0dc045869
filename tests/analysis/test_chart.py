"""The model's picture: deterministic, exact in colour, and nothing leaves its place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given as given_that
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from analysis.chart import ChartStyle, RenderedChart, render, volume_title
from analysis.chart_axis import price_axis
from analysis.chart_layout import ALTERNATE, LIGHT, PATCH_SCALE, TILE_SCALE, Theme
from analysis.chart_study import study_of
from analysis.domain import AnalysisInput
from analysis.errors import NotEnoughCandles
from analysis.indicators import VISIBLE_BARS
from tests.analysis.candle_makers import given, random_window, window

Pixels = npt.NDArray[np.uint8]

TOP, BOTTOM, LEFT, RIGHT = 56, 512, 12, 1048
WHITE, INK = (255, 255, 255), (0x11, 0x11, 0x11)
UP, DOWN = (0x00, 0x69, 0x5C), (0xB7, 0x1C, 0x1C)
STYLES = [ChartStyle(), ChartStyle(bars=70), ChartStyle(bars=95), ChartStyle(dark=True)]


def pixels(png: bytes) -> Pixels:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


def chart(seed: int = 1) -> AnalysisInput:
    return given(random_window(seed))


def row_of(price: float, candles: AnalysisInput) -> int:
    """Where a real price stands at scale 1: 6 % of the range is free above and below."""
    visible = candles.window.tail(VISIBLE_BARS)
    low, high = float(visible.low.min()), float(visible.high.max())
    pad = 0.06 * (high - low)
    return TOP + round((high + pad - price) / (high - low + 2 * pad) * (BOTTOM - TOP - 1))


def drawn_row(price: Decimal, rendered: RenderedChart) -> int:
    """Where a drawn price stands at scale 1."""
    low, high = float(rendered.facts.visible_low), float(rendered.facts.visible_high)
    return TOP + round(price_axis(low, high, BOTTOM - TOP).row(float(price)))


def column_of(slot: int, bars: int = VISIBLE_BARS) -> int:
    return LEFT + round((slot + 0.5) * (RIGHT - LEFT) / bars)


def colours_of(png: bytes) -> set[tuple[int, ...]]:
    found = Image.open(BytesIO(png)).convert("RGB").getcolors(maxcolors=256) or []
    return {colour for _, colour in found if isinstance(colour, tuple)}


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance as the contrast rules for web pages define it."""
    red, green, blue = (
        part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def test_same_input_gives_the_same_bytes() -> None:
    assert render(chart()) == render(chart())


def test_threads_drawing_at_once_do_not_disturb_each_other() -> None:
    seeds = [1, 2, 3, 4] * 4
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: render(chart(seed)).png, seeds))
    assert together == [render(chart(seed)).png for seed in seeds]


@pytest.mark.parametrize(
    ("scale", "size"), [(TILE_SCALE, (1152, 768)), (PATCH_SCALE, (1536, 1024))]
)
def test_both_sizes_come_from_one_layout(scale: float, size: tuple[int, int]) -> None:
    rendered = render(chart(), ChartStyle(scale=scale))
    assert Image.open(BytesIO(rendered.png)).size == size == (rendered.width, rendered.height)


def test_up_candle_is_hollow_and_down_candle_solid() -> None:
    closes = [100.0] * 198 + [110.0, 101.0]
    made = given(window(closes))
    picture = pixels(render(made).png)
    middle = row_of(107.0, made)
    up, down = column_of(78), column_of(79)
    assert tuple(picture[middle, up]) == WHITE
    assert tuple(picture[middle, up - 3]) == UP
    assert tuple(picture[middle, down]) == DOWN
    assert tuple(picture[middle, down - 3]) == DOWN


def test_only_the_named_colours_and_greys_are_used() -> None:
    colours = colours_of(render(chart()).png)
    hues = {each for each in colours if len(set(each)) > 1}
    assert hues == set(LIGHT.hues)
    assert min(each[0] for each in colours - hues) == 0x11


def test_alternate_theme_has_dark_paper_and_none_of_the_usual_hues() -> None:
    png = render(chart(), ChartStyle(dark=True)).png
    colours = colours_of(png)
    assert tuple(pixels(png)[0, 0]) == ALTERNATE.paper
    assert set(ALTERNATE.hues) <= colours
    assert not set(LIGHT.hues) & colours


@pytest.mark.parametrize("theme", [LIGHT, ALTERNATE])
def test_every_hue_stands_out_from_the_paper(theme: Theme) -> None:
    paper = luminance(theme.paper)
    for hue in (*theme.hues, theme.ink):
        lighter, darker = sorted((luminance(hue), paper), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


@pytest.mark.parametrize(("bars", "labels"), [(70, 7), (80, 8), (95, 10)])
def test_every_tenth_bar_has_its_offset_below(bars: int, labels: int) -> None:
    picture = pixels(render(chart(), ChartStyle(bars=bars)).png)
    inked = (picture[738:755, : RIGHT + 20] < 128).any(axis=(0, 2))
    # Texts are parted by more blank columns than their characters are.
    assert int((np.diff(np.flatnonzero(inked)) > 20).sum()) + 1 == labels


@pytest.mark.parametrize("bars", [60, 100])
def test_number_of_visible_bars_is_that_of_the_style(bars: int) -> None:
    strip = pixels(render(chart(), ChartStyle(bars=bars)).png)[602, LEFT:RIGHT]
    grey = (strip == (0x75, 0x75, 0x75)).all(axis=1).astype(int)
    assert int((np.diff(grey) == 1).sum()) + int(grey[0]) == bars


@pytest.mark.parametrize("wrong", [{"bars": 59}, {"bars": 101}, {"scale": 0.9}, {"scale": 3.0}])
def test_style_that_nobody_could_read_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a chart"):
        ChartStyle(**wrong)


def test_missing_volume_is_said() -> None:
    silent = given(window([100.0 + bar % 7 for bar in range(200)], volume=0.0))
    assert volume_title(study_of(silent)) == "Volume: no data"


def test_tag_shows_the_scaled_last_price() -> None:
    made = chart()
    moved = random_window(1)
    moved.close[-1] = moved.close[-2]
    before, after = pixels(render(made).png), pixels(render(given(moved)).png)
    tag = row_of(float(made.window.close[-1]), made)
    assert tuple(before[tag - 12, RIGHT + 6]) == INK
    assert (before[tag - 8 : tag + 8, RIGHT + 10 :] == 255).any()
    assert not np.array_equal(before[:, RIGHT:], after[:, RIGHT:])


@given_that(st.integers(0, 10_000), st.sampled_from(STYLES))
@settings(max_examples=40, deadline=None)
def test_markers_are_drawn_at_their_prices(seed: int, style: ChartStyle) -> None:
    rendered = render(chart(seed), style)
    picture = pixels(rendered.png)
    first, second = (style.bars - 1 + bar for bar in rendered.marker_bars)
    above, below = (drawn_row(price, rendered) for price in rendered.facts.markers)
    ink = ALTERNATE.ink if style.dark else LIGHT.ink
    assert tuple(picture[above - 9, column_of(first, style.bars)]) == ink
    assert tuple(picture[below + 9, column_of(second, style.bars)]) == ink
    # Triangle and number take 34 pixels.
    assert above - 34 >= TOP
    assert below + 34 <= BOTTOM


@pytest.mark.parametrize("scale", [TILE_SCALE, PATCH_SCALE])
@pytest.mark.parametrize(
    "made",
    [
        given(random_window(1, price=0.0000123, digits=8, step=0.02)),
        given(random_window(2, price=97431.5, digits=1, step=0.05)),
        given(random_window(3, step=0.00002, digits=4)),
        given(window([100.0] * 200, spread=0.0, volume=0.0)),
        given(window([100.0] * 199 + [1.0])),
    ],
    ids=["tiny", "wide", "narrow", "still", "crash"],
)
def test_extreme_charts_stay_inside_the_picture(made: AnalysisInput, scale: float) -> None:
    picture = pixels(render(made, ChartStyle(scale=scale)).png)
    frame = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    assert all((edge == 255).all() for edge in frame)


@pytest.mark.parametrize(("bars", "needed"), [(70, 130), (80, 130), (95, 145)])
def test_short_history_is_refused(bars: int, needed: int) -> None:
    style = ChartStyle(bars=bars)
    assert render(given(random_window(1, count=needed)), style).facts.bars == bars
    with pytest.raises(NotEnoughCandles):
        render(given(random_window(1, count=needed - 1)), style)
