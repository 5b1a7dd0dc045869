"""The same picture for people: real prices, UTC times, the signal and what came after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from math import ceil
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from analysis import chart_layout as look
from analysis.chart import (
    COMPRESSION,
    TIME_STEP,
    Study,
    axis_texts,
    legend,
    markers,
    rsi_title,
    shown_levels,
    study_of,
    volume_title,
)
from analysis.chart_axis import PriceAxis, decimals_of, number, price_axis, tick_step
from analysis.chart_draw import draw
from analysis.chart_layout import Colour, Layout, Theme
from analysis.chart_picture import Gutter, Picture, columns
from analysis.chart_secrets import secrets_of
from analysis.chart_type import font
from analysis.domain import AnalysisInput, Direction
from analysis.indicators import VISIBLE_BARS
from exchange.candles import CandleWindow, from_ms

# Of what came after, as much as what was seen before.
AFTER_BARS = VISIBLE_BARS
# Lengths at scale 1.
LABEL_HEIGHT = 22
LABEL_PAD = 5
LINE = 2
DASH = (8, 6)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A signal's prices, with the candles that followed the newest one where they are known."""

    entry: Decimal
    stop: Decimal
    target: Decimal
    side: Direction
    after: CandleWindow | None = None


class _Line(NamedTuple):
    name: str
    price: Decimal
    colour: Colour


def render_for_people(
    given: AnalysisInput,
    overlay: Overlay | None = None,
    scale: float = look.TILE_SCALE,
    *,
    dark: bool = False,
) -> bytes:
    """PNG of ``given`` with the overlay inside its range. Raises ``NotEnoughCandles``."""
    study = study_of(given)
    layout = Layout(scale)
    theme = look.DARK if dark else look.LIGHT
    candles = _with_after(study.visible, overlay)
    picture = _picture(given, study, candles, overlay, layout)
    sheet = draw(picture, layout)
    sheet.putpalette(look.palette(theme))
    image = sheet.convert("RGB")
    if overlay is not None:
        _draw_overlay(image, overlay, picture, layout, theme, _decimals(given))
    out = BytesIO()
    image.save(out, "PNG", compress_level=COMPRESSION)
    return out.getvalue()


def _with_after(visible: CandleWindow, overlay: Overlay | None) -> CandleWindow:
    if overlay is None or overlay.after is None:
        return visible
    after = overlay.after.slice(0, AFTER_BARS)
    return CandleWindow(
        visible.symbol,
        visible.interval,
        np.concatenate((visible.times, after.times)),
        np.concatenate((visible.open, after.open)),
        np.concatenate((visible.high, after.high)),
        np.concatenate((visible.low, after.low)),
        np.concatenate((visible.close, after.close)),
        np.concatenate((visible.volume, after.volume)),
    )


def _decimals(given: AnalysisInput) -> int:
    return decimals_of(given.instrument.tick_size)


def _picture(
    given: AnalysisInput,
    study: Study,
    candles: CandleWindow,
    overlay: Overlay | None,
    layout: Layout,
) -> Picture:
    axis = _axis(candles, overlay, layout)
    decimals = _decimals(given)
    close = float(study.visible.close[-1])
    fast, slow = study.found.ema_fast, study.found.ema_slow
    secrets = secrets_of(given, study.visible)
    side = "" if overlay is None else f"   {overlay.side.value}"
    scale_note = ", log scale" if axis.logarithmic else ""
    return Picture(
        candles=candles,
        slots=len(candles),
        seen=len(study.visible),
        axis=axis,
        ema_fast=fast,
        ema_slow=slow,
        rsi=study.found.rsi,
        volume_title=volume_title(study),
        rsi_title=rsi_title(study),
        title=(
            f"{given.symbol}   {given.timeframe}   {given.candle_time:%Y-%m-%d %H:%M} UTC"
            f"{side}   prices in USDT{scale_note}   chart {secrets.chart_id}"
        ),
        legend=legend(fast[-1], slow[-1], decimals),
        ticks=axis_texts(axis, decimals_of(tick_step(axis.high - axis.low))),
        tag=Gutter(close, number(close, decimals)),
        times=_times(candles),
        levels=shown_levels(study.levels, axis, 1.0),
        markers=markers(study.visible, secrets.marker_slots),
    )


def _axis(candles: CandleWindow, overlay: Overlay | None, layout: Layout) -> PriceAxis:
    """The range of all candles, widened to hold the signal's prices."""
    prices = [float(candles.low.min()), float(candles.high.max())]
    if overlay is not None:
        prices += [float(overlay.entry), float(overlay.stop), float(overlay.target)]
    return price_axis(min(prices), max(prices), layout.price.height)


def _times(candles: CandleWindow) -> list[tuple[int, str]]:
    """Close times as far apart as their texts need."""
    step = TIME_STEP * ceil(len(candles) / VISIBLE_BARS)
    slots = range((VISIBLE_BARS - 1) % step, len(candles), step)
    return [
        (slot, f"{from_ms(int(candles.times[slot])) + candles.interval:%m-%d %H:%M}")
        for slot in slots
    ]


def _draw_overlay(
    image: Image.Image,
    overlay: Overlay,
    picture: Picture,
    layout: Layout,
    theme: Theme,
    decimals: int,
) -> None:
    """Lay the three lines and their labels over the price panel."""
    pen = ImageDraw.Draw(image)
    lines = (
        _Line("entry", overlay.entry, theme.ink),
        _Line("stop", overlay.stop, theme.hues[look.DOWN - look.UP]),
        _Line("target", overlay.target, theme.hues[0]),
    )
    plot = layout.price
    decided = plot.left + columns(layout, picture.slots).span(picture.seen - 1)[1] + 1
    if picture.slots > picture.seen:
        pen.line((decided, plot.top, decided, plot.bottom), fill=_mixed(theme), width=layout.px(1))
    rows = [plot.top + round(picture.axis.row(float(line.price))) for line in lines]
    for line, row in zip(lines, rows, strict=True):
        for left in range(plot.left, decided, layout.px(sum(DASH))):
            right = min(left + layout.px(DASH[0]), decided)
            pen.line((left, row, right, row), fill=line.colour, width=layout.px(LINE))
        pen.line((decided, row, plot.right, row), fill=line.colour, width=layout.px(LINE))
    _labels(pen, lines, rows, layout, theme, decimals)


def _mixed(theme: Theme) -> Colour:
    """Half way between paper and ink."""
    red, green, blue = (
        (one + other) // 2 for one, other in zip(theme.paper, theme.ink, strict=True)
    )
    return red, green, blue


def _labels(
    pen: ImageDraw.ImageDraw,
    lines: Sequence[_Line],
    rows: Sequence[int],
    layout: Layout,
    theme: Theme,
    decimals: int,
) -> None:
    """Write each line's name and price at its left end, moved apart where lines are close."""
    face = font(layout.px(look.SMALL_SIZE), bold=True)
    half = layout.px(LABEL_HEIGHT) // 2
    pad = layout.px(LABEL_PAD)
    left = layout.price.left + pad
    places = spread(rows, 2 * half + 2, layout.price.top + half, layout.price.bottom - half)
    for line, place in zip(lines, places, strict=True):
        text = f"{line.name} {number(line.price, decimals)}"
        right = left + 2 * pad + round(face.getlength(text))
        pen.rectangle((left, place - half, right, place + half), fill=line.colour)
        pen.text((left + pad, place), text, fill=theme.paper, font=face, anchor="lm")


def spread(rows: Sequence[int], gap: int, top: int, bottom: int) -> list[int]:
    """Rows moved as little as needed to stay ``gap`` apart and inside, keeping their order."""
    order = sorted(range(len(rows)), key=lambda index: rows[index])
    placed = [0] * len(rows)
    floor = top
    for index in order:
        placed[index] = max(rows[index], floor)
        floor = placed[index] + gap
    ceiling = bottom
    for index in reversed(order):
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - gap
    return placed
