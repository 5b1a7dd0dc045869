"""The model's picture: deterministic, exact in colour, and nothing leaves its place."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given as given_that
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from analysis.chart import RenderedChart, render
from analysis.chart_layout import LIGHT, PATCH_SCALE, TILE_SCALE
from analysis.chart_secrets import ID_CHARACTERS
from analysis.domain import AnalysisInput
from analysis.errors import NotEnoughCandles
from analysis.indicators import VISIBLE_BARS
from tests.analysis.candle_makers import given, random_window, window

Pixels = npt.NDArray[np.uint8]

PINNED = "adee2c097e89e7f0bf1db419d77737b2ea6abf54b7b67b8f120c837cefb25387"
TOP, BOTTOM, LEFT, RIGHT = 56, 512, 12, 1048
WHITE, INK = (255, 255, 255), (0x11, 0x11, 0x11)
UP, DOWN = (0x00, 0x69, 0x5C), (0xB7, 0x1C, 0x1C)


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


def column_of(slot: int) -> int:
    return LEFT + round((slot + 0.5) * (RIGHT - LEFT) / VISIBLE_BARS)


def test_same_input_gives_the_same_bytes() -> None:
    assert render(chart()) == render(chart())


def test_threads_drawing_at_once_do_not_disturb_each_other() -> None:
    seeds = [1, 2, 3, 4] * 4
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: render(chart(seed)).png, seeds))
    assert together == [render(chart(seed)).png for seed in seeds]


def test_picture_is_the_one_that_was_approved() -> None:
    # Pixels are pinned, not bytes: packing may differ between builds of the same Pillow.
    # A new value here needs a new RENDERER_VERSION.
    assert hashlib.sha256(pixels(render(chart()).png).tobytes()).hexdigest() == PINNED


def test_fresh_process_gives_the_same_bytes() -> None:
    script = (
        "import hashlib, django; django.setup()\n"
        "from analysis.chart import render\n"
        "from tests.analysis.test_chart import chart\n"
        "print(hashlib.sha256(render(chart()).png).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert other.stdout.strip() == hashlib.sha256(render(chart()).png).hexdigest()


@pytest.mark.parametrize(
    ("scale", "size"), [(TILE_SCALE, (1152, 768)), (PATCH_SCALE, (1536, 1024))]
)
def test_both_sizes_come_from_one_layout(scale: float, size: tuple[int, int]) -> None:
    rendered = render(chart(), scale)
    assert Image.open(BytesIO(rendered.png)).size == size == (rendered.width, rendered.height)


def test_scale_changes_neither_id_nor_markers_nor_factor() -> None:
    small, large = render(chart(), TILE_SCALE), render(chart(), PATCH_SCALE)
    assert replace(small, png=b"", width=0, height=0) == replace(large, png=b"", width=0, height=0)


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
    colours = {
        tuple(map(int, each))
        for each in np.unique(pixels(render(chart()).png).reshape(-1, 3), axis=0)
    }
    hues = {each for each in colours if len(set(each)) > 1}
    assert hues == set(LIGHT.hues)
    assert min(each[0] for each in colours - hues) == 0x11


def test_tag_shows_the_scaled_last_price() -> None:
    made = chart()
    moved = random_window(1)
    moved.close[-1] = moved.close[-2]
    before, after = pixels(render(made).png), pixels(render(given(moved)).png)
    tag = row_of(float(made.window.close[-1]), made)
    assert tuple(before[tag - 12, RIGHT + 6]) == INK
    assert (before[tag - 8 : tag + 8, RIGHT + 10 :] == 255).any()
    assert not np.array_equal(before[:, RIGHT:], after[:, RIGHT:])


@given_that(st.integers(0, 10_000), st.sampled_from([0.0000123, 0.9, 97431.5]))
@settings(max_examples=40, deadline=None)
def test_drawn_last_close_lies_between_50_and_200(seed: int, price: float) -> None:
    digits = 8 if price < 1 else 1
    made = given(random_window(seed, price=price, digits=digits, step=0.01), tick="0.00000001")
    rendered = render(made)
    assert 50 < float(rendered.factor) * float(made.window.close[-1]) < 200


@given_that(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_markers_point_at_their_bars_inside_the_panel(seed: int) -> None:
    made = chart(seed)
    rendered = render(made)
    visible = made.window.tail(VISIBLE_BARS)
    first, second = (VISIBLE_BARS - 1 + offset for offset in rendered.marker_bars)
    assert float(rendered.marker_prices[0]) == visible.high[first] < visible.high.max()
    assert float(rendered.marker_prices[1]) == visible.low[second] > visible.low.min()
    assert abs(first - second) >= 8
    picture = pixels(rendered.png)
    above = row_of(float(visible.high[first]), made) - 9
    below = row_of(float(visible.low[second]), made) + 9
    assert tuple(picture[above, column_of(first)]) == INK
    assert tuple(picture[below, column_of(second)]) == INK
    # Triangle and number take 34 pixels.
    assert above - 25 >= TOP
    assert below + 25 <= BOTTOM


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
    picture = pixels(render(made, scale).png)
    frame = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    assert all((edge == 255).all() for edge in frame)


def test_other_candles_give_another_id_hash_and_factor() -> None:
    def known(rendered: RenderedChart) -> set[object]:
        return {rendered.chart_id, rendered.input_hash, rendered.factor}

    assert not known(render(chart(1))) & known(render(chart(2)))


def test_id_uses_only_characters_that_cannot_be_confused() -> None:
    ids = "".join(render(chart(seed)).chart_id for seed in range(20))
    assert len(ids) == 80
    assert set(ids) <= set(ID_CHARACTERS)
    assert not set(ID_CHARACTERS) & set("0O1I5S8B")


def test_levels_keep_real_prices() -> None:
    made = chart(4)
    last = float(made.window.close[-1])
    found = render(made).levels
    assert found
    assert all(abs(float(level.price) - last) < 0.5 * last for level in found)


def test_short_history_is_refused() -> None:
    with pytest.raises(NotEnoughCandles):
        render(given(random_window(1, count=100)))
