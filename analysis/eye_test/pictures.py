"""Pictures beside the charts: cards of numbers, and charts that were spoilt on purpose."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from analysis.chart_layout import Layout
from analysis.chart_type import FONTS
from analysis.eye_test.plan import NUMBERS_PER_CARD

CARD_COLUMNS = 5
WHITE = 255
BLACK = 0x11


def card_numbers(seed: int, number: int, size: int) -> tuple[str, ...]:
    """The numbers of a card. Every second one differs from the one before in a single digit."""
    source = np.random.default_rng((seed, number, size))
    found: list[str] = []
    while len(found) < NUMBERS_PER_CARD:
        digits = [int(digit) for digit in source.integers(0, 10, 5)]
        digits[0] = max(digits[0], 1)
        other = digits.copy()
        place = int(source.integers(1, 5))
        other[place] = (other[place] + int(source.integers(1, 10))) % 10
        found += ["".join(map(str, digits)), "".join(map(str, other))]
    return tuple(found)


def card(numbers: tuple[str, ...], size: int, layout: Layout) -> bytes:
    """Numbers of ``size`` pixels in lines, on a sheet as large as a chart."""
    width, height = layout.size
    sheet = Image.new("L", (width, height), WHITE)
    pen = ImageDraw.Draw(sheet)
    face = ImageFont.truetype(FONTS / "DejaVuSans.ttf", size, layout_engine=ImageFont.Layout.BASIC)
    rows = -(-len(numbers) // CARD_COLUMNS)
    across, down = width / (CARD_COLUMNS + 1), height / (rows + 1)
    for index, text in enumerate(numbers):
        row, column = divmod(index, CARD_COLUMNS)
        at = (round(across * (column + 1)), round(down * (row + 1)))
        pen.text(at, text, fill=BLACK, font=face, anchor="mm")
    for row in range(rows):
        at = (round(across / 3), round(down * (row + 1)))
        pen.text(at, f"{row + 1}.", fill=BLACK, font=face, anchor="mm")
    return _png(sheet)


def blank(layout: Layout) -> bytes:
    """A sheet with nothing on it."""
    return _png(Image.new("L", layout.size, WHITE))


def inverted(png: bytes, layout: Layout) -> bytes:
    """The chart with its price axis upside down: prices and candles, while its text stands."""
    sheet = _open(png)
    box = layout.price
    panel = sheet.crop(box)
    sheet.paste(panel.transpose(Image.Transpose.FLIP_TOP_BOTTOM), box[:2])
    gutter = (box.right, box.top, layout.size[0], box.bottom)
    sheet.paste(_turned_labels(sheet.crop(gutter)), gutter[:2])
    return _png(sheet)


def truncated(png: bytes, layout: Layout) -> bytes:
    """The chart without the lower half of its price panel and the prices beside it."""
    sheet = _open(png)
    box = layout.price
    middle = (box.top + box.bottom) // 2
    sheet.paste("white", (0, middle, layout.size[0], box.bottom))
    return _png(sheet)


def _turned_labels(gutter: Image.Image) -> Image.Image:
    """The labels beside the panel moved to their mirrored rows, still upright."""
    turned = Image.new("RGB", gutter.size, "white")
    pixels = np.asarray(gutter.convert("L"))
    written = np.concatenate(([False], (pixels != WHITE).any(axis=1), [False]))
    edges = np.flatnonzero(np.diff(written.astype(np.int8)))
    for top, bottom in edges.reshape(-1, 2).tolist():
        label = gutter.crop((0, top, gutter.width, bottom))
        turned.paste(label, (0, gutter.height - bottom))
    return turned


def _open(png: bytes) -> Image.Image:
    with Image.open(BytesIO(png)) as image:
        return image.convert("RGB")


def _png(sheet: Image.Image) -> bytes:
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()
