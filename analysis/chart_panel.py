"""Draws the price panel: candles, averages, levels, markers and the last price."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from analysis import chart_layout as look
from analysis.chart_labels import write_labels
from analysis.chart_layout import Box, Layout
from analysis.chart_picture import Columns, Picture
from analysis.chart_type import font
from exchange.candles import Floats

# Lengths at scale 1.
LINE = 3
DASH = (10, 6)
DOTS = (2, 5)
HAIRLINE_DASH = (6, 4)
PLAN_LINE = 2
PLAN_DASH = (8, 6)
SHADE_TITLE = 22
SHADE_ROWS = 6


def blank_panel(box: Box) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A sheet of its own per panel, so that whatever leaves the panel is clipped."""
    image = Image.new("L", (box.width, box.height), look.PAPER)
    return image, ImageDraw.Draw(image)


def price_panel(picture: Picture, layout: Layout, spots: Columns) -> Image.Image:
    """The panel in the order of its layers, the ones that must be read last."""
    image, pen = blank_panel(layout.price)
    axis, width = picture.axis, layout.price.width
    _shades(pen, picture, layout)
    for tick in picture.ticks:
        row = round(axis.row(tick.price))
        pen.line((0, row, width, row), fill=look.GRID)
    for level in picture.levels:
        row = round(axis.row(level.price))
        _dashed_row(pen, row, width, layout, DOTS, look.LEVEL_LINE)
    _candles(pen, picture, spots)
    middles = spots.middles()[: picture.seen]
    slow = np.column_stack((middles, axis.rows(picture.ema_slow)))
    fast = np.column_stack((middles, axis.rows(picture.ema_fast)))
    thick = layout.px(LINE)
    for part in dashes(slow, layout.px(DASH[0]), layout.px(DASH[1])):
        pen.line(part, fill=look.EMA_SLOW, width=thick, joint="curve")
    pen.line(_points(fast), fill=look.EMA_FAST, width=thick, joint="curve")
    row = round(axis.row(picture.tag.price))
    _dashed_row(pen, row, width, layout, HAIRLINE_DASH, look.INK)
    _plan_lines(pen, picture, layout, spots)
    write_labels(pen, picture, layout, spots, lines=(fast, slow))
    return image


def _shades(pen: ImageDraw.ImageDraw, picture: Picture, layout: Layout) -> None:
    """Bands of time with their names at the top, one row lower for each, so that none is hidden."""
    step = layout.price.width / picture.slots
    face = font(look.SMALL_SIZE, layout.scale)
    for shade in picture.shades:
        left, right = round(shade.first * step), round((shade.last + 1) * step) - 1
        pen.rectangle((left, 0, right, layout.price.height), fill=look.SHADE)
    for row, shade in enumerate(picture.shades[:SHADE_ROWS]):
        half = face.getlength(shade.name) / 2
        middle = (shade.first + shade.last + 1) / 2 * step
        middle = min(max(middle, half), layout.price.width - half)
        down = layout.px(SHADE_TITLE) * (row + 0.6)
        pen.text((middle, down), shade.name, fill=look.TEXT, font=face, anchor="mm")


def _plan_lines(pen: ImageDraw.ImageDraw, picture: Picture, layout: Layout, spots: Columns) -> None:
    """The lines of a signal: dashed up to the newest candle that the analysis saw, then solid.
    A line down the panel parts what was seen from what came after."""
    decided = spots.span(picture.seen - 1)[1] + 1
    thick = layout.px(PLAN_LINE)
    if picture.plan and len(picture.candles) > picture.seen:
        pen.line((decided, 0, decided, layout.price.height), fill=look.SEPARATOR)
    for line in picture.plan:
        row = round(picture.axis.row(line.price))
        _dashed_row(pen, row, decided, layout, PLAN_DASH, line.colour, thick=thick)
        pen.line((decided, row, layout.price.width, row), fill=line.colour, width=thick)


def _candles(pen: ImageDraw.ImageDraw, picture: Picture, spots: Columns) -> None:
    candles, axis = picture.candles, picture.axis
    rows = [
        np.rint(axis.rows(column)).astype(int).tolist()
        for column in (candles.open, candles.high, candles.low, candles.close)
    ]
    rising = (candles.close >= candles.open).tolist()
    for slot, (open_, high, low, close) in enumerate(zip(*rows, strict=True)):
        colour = look.UP if rising[slot] else look.DOWN
        left, right = spots.span(slot)
        wick = spots.wicks[slot]
        pen.rectangle((wick, high, wick + spots.wick - 1, low), fill=colour)
        top, bottom = min(open_, close), max(open_, close)
        # A body is at least as high as a wick is wide, so that an unchanged price is seen.
        bottom = max(bottom, top + spots.wick - 1)
        inside = look.PAPER if rising[slot] else colour
        pen.rectangle((left, top, right, bottom), fill=inside, outline=colour, width=spots.wick)


def _dashed_row(
    pen: ImageDraw.ImageDraw,
    row: int,
    width: int,
    layout: Layout,
    dash: tuple[int, int],
    colour: int,
    *,
    thick: int = 1,
) -> None:
    on, off = layout.px(dash[0]), layout.px(dash[1])
    for left in range(0, width, on + off):
        pen.line((left, row, min(left + on, width) - 1, row), fill=colour, width=thick)


def _points(path: Floats) -> list[tuple[float, float]]:
    return [(x, y) for x, y in path.tolist()]


def dashes(path: Floats, on: int, off: int) -> list[list[tuple[float, float]]]:
    """Cut a path (rows of x, y) into dashes of ``on`` pixels with gaps of ``off`` between."""
    lengths = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    starts = np.arange(0.0, along[-1], on + off)
    cuts = np.sort(np.concatenate((along, starts, np.minimum(starts + on, along[-1]))))
    points = np.column_stack(
        (np.interp(cuts, along, path[:, 0]), np.interp(cuts, along, path[:, 1]))
    )
    parts: list[list[tuple[float, float]]] = []
    period = on + off
    for (start, end), (one, other) in zip(pairwise(cuts), pairwise(points.tolist()), strict=True):
        if end <= start or ((start + end) / 2) % period >= on:
            continue
        if parts and parts[-1][-1] == tuple(one):
            parts[-1].append((other[0], other[1]))
        else:
            parts.append([(one[0], one[1]), (other[0], other[1])])
    return parts
