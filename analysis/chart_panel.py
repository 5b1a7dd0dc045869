"""Draws the price panel: candles, averages, levels, markers and the last price."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from analysis import chart_layout as look
from analysis.chart_layout import Box, Layout
from analysis.chart_picture import Columns, Marker, Picture
from analysis.chart_type import font
from exchange.candles import Floats

# Lengths at scale 1.
LINE = 3
DASH = (10, 6)
DOTS = (2, 5)
HAIRLINE_DASH = (6, 4)
MARKER = 13
# A level's id is looked for a place within this many columns of the right end.
TAG_COLUMNS = 24


def blank_panel(box: Box) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A sheet of its own per panel, so that whatever leaves the panel is clipped."""
    image = Image.new("L", (box.width, box.height), look.PAPER)
    return image, ImageDraw.Draw(image)


def price_panel(picture: Picture, layout: Layout, spots: Columns) -> Image.Image:
    box = layout.price
    image, pen = blank_panel(box)
    axis = picture.axis
    for tick in picture.ticks:
        row = round(axis.row(tick.price))
        pen.line((0, row, box.width, row), fill=look.GRID)
    for level in picture.levels:
        _dashed_row(pen, round(axis.row(level.price)), box.width, layout, DOTS, look.LEVEL_LINE)
    _candles(pen, picture, spots)
    middles = spots.middles()[: picture.seen]
    width = layout.px(LINE)
    slow = np.column_stack((middles, axis.rows(picture.ema_slow)))
    fast = np.column_stack((middles, axis.rows(picture.ema_fast)))
    for part in dashes(slow, layout.px(DASH[0]), layout.px(DASH[1])):
        pen.line(part, fill=look.EMA_SLOW, width=width, joint="curve")
    pen.line(_points(fast), fill=look.EMA_FAST, width=width, joint="curve")
    row = round(axis.row(picture.tag.price))
    _dashed_row(pen, row, box.width, layout, HAIRLINE_DASH, look.INK)
    taken = [*_candle_boxes(picture, spots), *_line_boxes(fast, layout), *_line_boxes(slow, layout)]
    taken += [_marker(pen, marker, picture, layout, spots) for marker in picture.markers]
    _level_tags(pen, picture, layout, spots, taken)
    return image


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


def _candle_boxes(picture: Picture, spots: Columns) -> list[Box]:
    """Where the newest candles stand, which level tags keep clear of."""
    found = []
    for slot in range(max(0, len(picture.candles) - TAG_COLUMNS), len(picture.candles)):
        left, right = spots.span(slot)
        top = round(picture.axis.row(float(picture.candles.high[slot])))
        bottom = round(picture.axis.row(float(picture.candles.low[slot])))
        found.append(Box(left, top, right + 1, bottom + 1))
    return found


def _line_boxes(path: Floats, layout: Layout) -> list[Box]:
    """Room that the newest part of a line takes."""
    half = layout.px(LINE) // 2 + 1
    return [
        Box(round(x), round(min(y, y_next)) - half, round(x_next) + 1, round(max(y, y_next)) + half)
        for (x, y), (x_next, y_next) in pairwise(path[-TAG_COLUMNS:].tolist())
    ]


def _marker(
    pen: ImageDraw.ImageDraw, marker: Marker, picture: Picture, layout: Layout, spots: Columns
) -> Box:
    """Draw the triangle and its number; gives the room they take."""
    size, way = layout.px(MARKER), -1 if marker.above else 1
    middle = round(float(spots.middles()[marker.slot]))
    tip = round(picture.axis.row(marker.price)) + way * layout.px(2)
    base = tip + way * size
    half = size // 2
    face = font(layout.px(look.SMALL_SIZE), bold=True)
    text = str(marker.number)
    room = layout.px(look.SMALL_SIZE)
    centre = base + way * (room // 2 + layout.px(1))
    wide = round(face.getlength(text)) // 2 + layout.px(2)
    box = Box(middle - wide, centre - room // 2, middle + wide, centre + room // 2)
    pen.rectangle(box, fill=look.PAPER)
    pen.polygon(((middle, tip), (middle - half, base), (middle + half, base)), fill=look.INK)
    pen.text((middle, centre), text, fill=look.INK, font=face, anchor="mm")
    top, bottom = min(tip, box.top), max(tip, box.bottom)
    return Box(min(middle - half, box.left), top, max(middle + half, box.right), bottom)


def _level_tags(
    pen: ImageDraw.ImageDraw,
    picture: Picture,
    layout: Layout,
    spots: Columns,
    taken: list[Box],
) -> None:
    """Write each level's id on its line, as far right as neither candles nor text stand."""
    face = font(layout.px(look.SMALL_SIZE))
    height = layout.px(look.SMALL_SIZE + 2)
    step = layout.price.width / picture.slots
    for level in picture.levels:
        wide = round(face.getlength(level.level_id)) + layout.px(6)
        row = round(picture.axis.row(level.price))
        row = min(max(row, height // 2), layout.price.height - height // 2 - 1)
        boxes = [
            Box(right - wide, row - height // 2, right, row + height // 2)
            for right in (
                round(layout.price.width - 2 - back * step) for back in range(TAG_COLUMNS)
            )
        ]
        free = (box for box in boxes if not any(_overlap(box, other) for other in taken))
        box = next(free, boxes[0])
        taken.append(box)
        pen.rectangle(box, fill=look.PAPER)
        middle = ((box.left + box.right) / 2, row)
        pen.text(middle, level.level_id, fill=look.INK, font=face, anchor="mm")


def _overlap(one: Box, other: Box) -> bool:
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom


def _dashed_row(
    pen: ImageDraw.ImageDraw,
    row: int,
    width: int,
    layout: Layout,
    dash: tuple[int, int],
    colour: int,
) -> None:
    on, off = layout.px(dash[0]), layout.px(dash[1])
    for left in range(0, width, on + off):
        pen.line((left, row, left + on - 1, row), fill=colour)


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
