"""The picture for people: the signal is inside it, and what came after is shown."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from analysis.chart_human import Band, Overlay, render_for_people
from analysis.chart_layout import DARK, LIGHT, PATCH_SCALE, TILE_SCALE
from analysis.domain import Direction
from exchange.candles import CandleWindow
from tests.analysis.candle_makers import given, random_window

UP, DOWN = LIGHT.hues[0], LIGHT.hues[1]
LONG_CANDLES = random_window(1, count=260)
SEEN = given(LONG_CANDLES.slice(0, 200))
LAST = Decimal(str(LONG_CANDLES.close[199]))


def overlay(stop: str = "0.98", target: str = "1.05", after: CandleWindow | None = None) -> Overlay:
    return Overlay(
        entry=LAST,
        stop=LAST * Decimal(stop),
        target=LAST * Decimal(target),
        side=Direction.LONG,
        after=after,
    )


def pixels(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


def rows_mostly_of(colour: tuple[int, int, int], png: bytes) -> list[int]:
    """Rows of the price panel in which a line of ``colour`` runs across."""
    panel = pixels(png)[56:512, 12:1048]
    counts = (panel == colour).all(axis=2).sum(axis=1)
    return [int(row) for row in np.flatnonzero(counts > 400)]


def test_same_input_gives_the_same_bytes() -> None:
    assert render_for_people(SEEN, overlay()) == render_for_people(SEEN, overlay())


@pytest.mark.parametrize(("stop", "target"), [("0.98", "1.05"), ("0.5", "2.5")])
def test_range_is_widened_to_hold_stop_and_target(stop: str, target: str) -> None:
    png = render_for_people(SEEN, overlay(stop, target))
    (upper, *_), (lower, *_) = rows_mostly_of(UP, png), rows_mostly_of(DOWN, png)
    assert 10 < upper < lower < 446


def test_without_a_signal_there_are_no_lines() -> None:
    png = render_for_people(SEEN)
    assert rows_mostly_of(UP, png) == []
    assert rows_mostly_of(DOWN, png) == []


def test_later_candles_appear_right_of_the_decision() -> None:
    after = LONG_CANDLES.slice(200, 260)
    volume_strip = np.s_[548:604, 520:800]
    without = pixels(render_for_people(SEEN, overlay()))
    with_after = pixels(render_for_people(SEEN, overlay(after=after)))
    assert not np.array_equal(without[volume_strip], with_after[volume_strip])
    # RSI belongs to what the analysis saw and ends at the decision.
    rsi = (with_after[640:728, 12:1048] == LIGHT.hues[4]).all(axis=2)
    assert 450 < int(np.flatnonzero(rsi.any(axis=0)).max()) < 560


def test_very_long_aftermath_is_cut() -> None:
    long = random_window(9, count=500)
    one = render_for_people(SEEN, overlay(after=long.slice(0, 80)))
    other = render_for_people(SEEN, overlay(after=long))
    assert one == other


def test_dark_picture_has_dark_paper_and_bright_hues() -> None:
    picture = pixels(render_for_people(SEEN, overlay(), dark=True))
    assert tuple(picture[0, 0]) == DARK.paper
    assert (picture == DARK.hues[0]).all(axis=2).any()
    assert not (picture == UP).all(axis=2).any()


@pytest.mark.parametrize("scale", [TILE_SCALE, PATCH_SCALE])
@pytest.mark.parametrize(("price", "digits"), [(0.0000123, 8), (97431.5, 1), (1.0, 4)])
def test_text_stays_inside_the_picture(scale: float, price: float, digits: int) -> None:
    made = given(
        random_window(3, price=price, digits=digits, step=0.02),
        tick=f"{Decimal(1).scaleb(-digits):f}",
    )
    last = Decimal(str(made.window.close[-1]))
    signal = Overlay(last, last * Decimal("1.02"), last * Decimal("0.95"), Direction.SHORT)
    picture = pixels(render_for_people(made, signal, scale))
    frame = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    assert all((edge == 255).all() for edge in frame)


def test_a_band_shades_its_candles_and_bears_its_name() -> None:
    interval = LONG_CANDLES.interval
    end = SEEN.candle_time - 10 * interval
    band = Band("Rates", end - 20 * interval, end)
    plain, shaded = pixels(render_for_people(SEEN)), pixels(render_for_people(SEEN, bands=[band]))
    changed = (plain != shaded).any(axis=(0, 2))
    columns = np.flatnonzero(changed)
    # Twenty of eighty columns, a little right of the middle.
    assert 200 < columns[-1] - columns[0] < 300
    assert changed[columns[0] : columns[-1]].all()
    names = [render_for_people(SEEN, bands=[Band(name, band.start, end)]) for name in ("A", "B")]
    assert names[0] != names[1]


def test_a_band_beside_the_chart_changes_nothing() -> None:
    late = Band("Later", SEEN.candle_time, SEEN.candle_time + LONG_CANDLES.interval)
    assert render_for_people(SEEN, bands=[late]) == render_for_people(SEEN)
