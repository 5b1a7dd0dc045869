"""Draws a whole picture: what to show is the caller's, how it looks is decided here.

Drawing happens on greyscale images whose greys are palette indices (see ``chart_layout``).
"""

from __future__ import annotations

from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from analysis import chart_layout as look
from analysis.chart_layout import Layout
from analysis.chart_panel import LINE, blank_panel, price_panel
from analysis.chart_picture import Columns, Picture, columns
from analysis.chart_type import fitted, font

# Lengths at scale 1.
PANEL_TITLE = 22
TAG_HEIGHT = 28
# A tick label this near to the last-price tag would be hidden by it.
TAG_CLEARANCE = 24
SEPARATOR_CLEARANCE = 4


def draw(picture: Picture, layout: Layout) -> Image.Image:
    """The finished picture as an image of palette indices (mode L)."""
    sheet = Image.new("L", layout.size, look.PAPER)
    pen = ImageDraw.Draw(sheet)
    spots = columns(layout, picture.slots)
    sheet.paste(price_panel(picture, layout, spots), layout.price[:2])
    sheet.paste(_volume_panel(picture, layout, spots), layout.volume[:2])
    sheet.paste(_rsi_panel(picture, layout, spots), layout.rsi[:2])
    _header(pen, picture, layout)
    _gutter(pen, picture, layout)
    _times(pen, picture, layout, spots)
    return sheet


def _volume_panel(picture: Picture, layout: Layout, spots: Columns) -> Image.Image:
    image, pen = blank_panel(layout.volume)
    title = layout.px(PANEL_TITLE)
    room = layout.volume.height - title
    volumes = picture.candles.volume
    top = float(volumes.max())
    if top > 0:
        heights = np.rint(volumes / top * room).astype(int).tolist()
        for slot, height in enumerate(heights):
            left, right = spots.span(slot)
            if height > 0:
                bottom = layout.volume.height - 1
                pen.rectangle((left, bottom - height + 1, right, bottom), fill=look.VOLUME)
    _panel_title(pen, picture.volume_title, layout)
    return image


def _rsi_panel(picture: Picture, layout: Layout, spots: Columns) -> Image.Image:
    image, pen = blank_panel(layout.rsi)
    for value in (30, 50, 70):
        row = _rsi_row(value, layout)
        pen.line((0, row, layout.rsi.width, row), fill=look.GRID if value == 50 else look.RSI_LINE)
    rows = [_rsi_row(value, layout) for value in picture.rsi.tolist()]
    points = list(zip(spots.middles()[: picture.seen].tolist(), rows, strict=True))
    pen.line(points, fill=look.RSI, width=layout.px(LINE), joint="curve")
    _panel_title(pen, picture.rsi_title, layout)
    return image


def _rsi_row(value: float, layout: Layout) -> int:
    """Row in the RSI panel, below its title: 100 at the top, 0 at the bottom."""
    title = layout.px(PANEL_TITLE)
    return round(title + (100 - value) / 100 * (layout.rsi.height - title - 1))


def _panel_title(pen: ImageDraw.ImageDraw, text: str, layout: Layout) -> None:
    face = font(look.SMALL_SIZE, layout.scale)
    at = (layout.px(2), layout.px(PANEL_TITLE) // 2)
    pen.text(at, text, fill=look.INK, font=face, anchor="lm")


def _header(pen: ImageDraw.ImageDraw, picture: Picture, layout: Layout) -> None:
    width = layout.price.width
    rows = layout.header_rows
    left = layout.price.left
    face = fitted(picture.title, look.TITLE_SIZE, layout.scale, width, bold=True)
    pen.text((left, rows[0]), picture.title, fill=look.INK, font=face, anchor="lm")
    face = fitted(picture.legend, look.LEGEND_SIZE, layout.scale, width)
    pen.text((left, rows[1]), picture.legend, fill=look.TEXT, font=face, anchor="lm")
    for row in layout.separators:
        pen.line((left, row, layout.size[0] - left, row), fill=look.SEPARATOR)


def _gutter(pen: ImageDraw.ImageDraw, picture: Picture, layout: Layout) -> None:
    """Axis ticks and their texts, the last price's tag and the marks of the RSI panel."""
    edge, top = layout.price.right, layout.price.top
    tag_row = top + round(picture.axis.row(picture.tag.price))
    longest = max((tick.text for tick in picture.ticks), key=len, default="")
    left, face = _gutter_face(longest, look.TICK_SIZE, layout)
    for tick in picture.ticks:
        row = top + round(picture.axis.row(tick.price))
        pen.line((edge, row, edge + layout.tick_length, row), fill=look.INK)
        above_separator = row < layout.price.bottom - layout.px(SEPARATOR_CLEARANCE)
        if above_separator and abs(row - tag_row) > layout.px(TAG_CLEARANCE):
            pen.text((left, row), tick.text, fill=look.INK, font=face, anchor="lm")
    _tag(pen, picture.tag.text, tag_row, layout)
    small = font(look.SMALL_SIZE, layout.scale)
    for value in (30, 50, 70):
        row = layout.rsi.top + _rsi_row(value, layout)
        pen.line((edge, row, edge + layout.tick_length, row), fill=look.INK)
        pen.text((layout.gutter_text, row), str(value), fill=look.INK, font=small, anchor="lm")


def _tag(pen: ImageDraw.ImageDraw, text: str, row: int, layout: Layout) -> None:
    """The last price, light on dark."""
    half = layout.px(TAG_HEIGHT) // 2
    left, right = layout.price.right + layout.px(2), layout.size[0] - layout.px(2)
    pen.rectangle((left, row - half, right, row + half), fill=look.INK)
    text_left, face = _gutter_face(text, look.TAG_SIZE, layout, bold=True)
    pen.text((text_left, row), text, fill=look.PAPER, font=face, anchor="lm")


def _gutter_face(
    text: str, size: int, layout: Layout, *, bold: bool = False
) -> tuple[int, ImageFont.FreeTypeFont]:
    """Where text beside the axis starts, and its face. Prices of ten digits start further left
    rather than become too small to read."""
    room = layout.gutter_right - layout.gutter_text
    face = fitted(text, size, layout.scale, room, bold=bold)
    wide = ceil(face.getlength(text))
    return min(layout.gutter_text, layout.gutter_right - wide), face


def _times(pen: ImageDraw.ImageDraw, picture: Picture, layout: Layout, spots: Columns) -> None:
    face = font(look.SMALL_SIZE, layout.scale)
    for slot, text in picture.times:
        half = face.getlength(text) / 2
        middle = layout.price.left + float(spots.middles()[slot])
        middle = min(max(middle, layout.price.left + half), layout.size[0] - half - layout.px(4))
        pen.text((middle, layout.time_row), text, fill=look.INK, font=face, anchor="mm")
