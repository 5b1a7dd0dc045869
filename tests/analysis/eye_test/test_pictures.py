from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from analysis.chart import render
from analysis.chart_layout import Layout
from analysis.eye_test import pictures
from analysis.eye_test.generators import ChartSpec, Market, make
from analysis.eye_test.plan import CARD_SIZES, NUMBERS_PER_CARD

LAYOUT = Layout(1.0)
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def pixels(png: bytes) -> Pixels:
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image.convert("L"))


@pytest.fixture(scope="module")
def chart() -> bytes:
    return render(make(ChartSpec(Market.DRIFT, 1, 1, 3.0)).given).png


def test_a_card_has_pairs_that_differ_in_one_digit() -> None:
    numbers = pictures.card_numbers(1, 0, 12)
    assert len(numbers) == NUMBERS_PER_CARD
    assert {len(number) for number in numbers} == {5}
    for one, other in zip(numbers[::2], numbers[1::2], strict=True):
        assert sum(a != b for a, b in zip(one, other, strict=True)) == 1


def test_cards_of_other_sizes_have_other_numbers_and_fit() -> None:
    drawn = {size: pictures.card_numbers(1, 0, size) for size in CARD_SIZES}
    assert len(set(drawn.values())) == len(CARD_SIZES)
    for size, numbers in drawn.items():
        sheet = pixels(pictures.card(numbers, size, LAYOUT))
        assert sheet.shape == (768, 1152)
        ink = np.argwhere(sheet < 128)
        assert ink.min() > 5
        assert (np.array(sheet.shape) - ink.max(axis=0) > 5).all()


def test_a_blank_sheet_shows_nothing() -> None:
    assert (pixels(pictures.blank(LAYOUT)) == 255).all()


def test_an_inverted_axis_keeps_header_and_turns_candles_with_their_prices(chart: bytes) -> None:
    before, after = pixels(chart), pixels(pictures.inverted(chart, LAYOUT))
    box = LAYOUT.price
    assert (before[: box.top] == after[: box.top]).all()
    assert (before[box.bottom :] == after[box.bottom :]).all()
    panel = np.s_[box.top : box.bottom, box.left : box.right]
    assert (before[panel][::-1] == after[panel]).all()
    gutter = np.s_[box.top : box.bottom, box.right :]
    assert not (before[gutter] == after[gutter]).all()
    # Every label is still there, upright: the same ink at other rows.
    assert (before[gutter] < 128).sum() == (after[gutter] < 128).sum()


def test_a_truncated_axis_lacks_its_lower_half(chart: bytes) -> None:
    before, after = pixels(chart), pixels(pictures.truncated(chart, LAYOUT))
    box = LAYOUT.price
    middle = (box.top + box.bottom) // 2
    assert (after[middle : box.bottom] == 255).all()
    assert (before[:middle] == after[:middle]).all()
    assert (before[box.bottom :] == after[box.bottom :]).all()
