"""Draws what is written inside the price panel: markers, level ids and a signal's labels.

Texts keep clear of each other, and level ids of candles and averages too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PIL import ImageDraw

from analysis import chart_layout as look
from analysis.chart_layout import Box, Layout
from analysis.chart_picture import Columns, Marker, Picture
from analysis.chart_type import font
from exchange.candles import Floats

# Lengths at scale 1.
MARKER = 13
LABEL_HEIGHT = 22
LABEL_PAD = 6
BORDER = 2


def write_labels(
    pen: ImageDraw.ImageDraw,
    picture: Picture,
    layout: Layout,
    spots: Columns,
    *,
    lines: Sequence[Floats],
) -> None:
    """Write everything; ``lines`` are paths (rows of x, y) that level ids shall not cover."""
    taken = _plan_labels(pen, picture, layout)
    taken += _candle_boxes(picture, spots)
    for path in lines:
        taken += _line_boxes(path)
    taken += [_marker(pen, marker, picture, layout, spots) for marker in picture.markers]
    _level_tags(pen, picture, layout, taken)


def _candle_boxes(picture: Picture, spots: Columns) -> list[Box]:
    """Where the candles stand."""
    found = []
    for slot in range(len(picture.candles)):
        left, right = spots.span(slot)
        top = round(picture.axis.row(float(picture.candles.high[slot])))
        bottom = round(picture.axis.row(float(picture.candles.low[slot])))
        found.append(Box(left, top, right + 1, bottom + 1))
    return found


def _line_boxes(path: Floats) -> list[Box]:
    """Room that a line takes, a little more than its pixels."""
    return [
        Box(round(x), round(min(y, next_y)) - 3, round(next_x) + 1, round(max(y, next_y)) + 3)
        for (x, y), (next_x, next_y) in pairwise(path.tolist())
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
    face = font(look.SMALL_SIZE, layout.scale, bold=True)
    text = str(marker.number)
    room = layout.px(look.SMALL_SIZE)
    centre = base + way * (room // 2 + layout.px(1))
    centre = min(max(centre, room // 2), layout.price.height - room // 2 - 1)
    wide = round(face.getlength(text)) // 2 + layout.px(2)
    box = Box(middle - wide, centre - room // 2, middle + wide, centre + room // 2)
    pen.rectangle(box, fill=look.PAPER)
    pen.polygon(((middle, tip), (middle - half, base), (middle + half, base)), fill=look.INK)
    pen.text((middle, centre), text, fill=look.INK, font=face, anchor="mm")
    top, bottom = min(tip, box.top), max(tip, box.bottom)
    return Box(min(middle - half, box.left), top, max(middle + half, box.right), bottom)


def _plan_labels(pen: ImageDraw.ImageDraw, picture: Picture, layout: Layout) -> list[Box]:
    """Write each plan line's name and price at its right end; gives the room they take."""
    width = layout.price.width
    face = font(look.SMALL_SIZE, layout.scale, bold=True)
    half = layout.px(LABEL_HEIGHT) // 2
    rows = [round(picture.axis.row(line.price)) for line in picture.plan]
    places = spread(rows, 2 * half + 2, half, layout.price.height - half - 1)
    boxes = []
    for line, place in zip(picture.plan, places, strict=True):
        left = width - label_width(line.text, layout)
        box = Box(left, place - half, width - 2, place + half)
        pen.rectangle(box, fill=look.PAPER, outline=line.colour, width=layout.px(BORDER))
        at = (left + layout.px(LABEL_PAD), place)
        pen.text(at, line.text, fill=look.INK, font=face, anchor="lm")
        boxes.append(box)
    return boxes


def label_width(text: str, layout: Layout) -> int:
    """Pixels that the label of a plan line takes."""
    face = font(look.SMALL_SIZE, layout.scale, bold=True)
    return round(face.getlength(text)) + 2 * layout.px(LABEL_PAD)


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


def _level_tags(
    pen: ImageDraw.ImageDraw,
    picture: Picture,
    layout: Layout,
    taken: list[Box],
) -> None:
    """Write each level's id on its line, as far right as neither candles nor text stand."""
    face = font(look.SMALL_SIZE, layout.scale)
    height = layout.px(look.SMALL_SIZE + 4)
    step = layout.price.width / picture.slots
    rights = [round(layout.price.width - 2 - back * step) for back in range(picture.slots)]
    for level in picture.levels:
        wide = round(face.getlength(level.level_id)) + layout.px(6)
        row = round(picture.axis.row(level.price))
        row = min(max(row, height // 2), layout.price.height - height // 2 - 1)
        top, bottom = row - height // 2, row + height // 2
        boxes = (Box(right - wide, top, right, bottom) for right in rights)
        free = (box for box in boxes if not any(_overlap(box, other) for other in taken))
        box = next(free, Box(rights[0] - wide, top, rights[0], bottom))
        taken.append(box)
        pen.rectangle(box, fill=look.PAPER)
        middle = ((box.left + box.right) / 2, row)
        pen.text(middle, level.level_id, fill=look.INK, font=face, anchor="mm")


def _overlap(one: Box, other: Box) -> bool:
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom
