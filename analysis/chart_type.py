"""The chart's two type faces, which come with the project so that every machine draws alike."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from analysis.chart_layout import SMALLEST_SIZE

FONTS = Path(__file__).parent / "fonts"


@lru_cache(maxsize=64)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans in whole pixels. Basic layout: the other engine is not on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


def fitted(text: str, size: int, width: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The largest face up to ``size`` in which ``text`` is at most ``width`` pixels wide."""
    for candidate in range(size, SMALLEST_SIZE, -1):
        face = font(candidate, bold=bold)
        if face.getlength(text) <= width:
            return face
    return font(SMALLEST_SIZE, bold=bold)
