"""The chart's two type faces, which come with the project so that every machine draws alike."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

# At scale 1. Models lose smaller type, and what nobody can read has no place on a chart.
SMALLEST_SIZE = 15
FONTS = Path(__file__).parent / "fonts"


@lru_cache(maxsize=64)
def font(size: int, scale: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of ``size`` pixels at scale 1, drawn at ``scale`` in whole pixels.

    This is the only way to a face, and it raises ``ValueError`` for less than ``SMALLEST_SIZE``.
    """
    if size < SMALLEST_SIZE or scale < 1:
        raise ValueError(f"type of {size} x {scale:.2f} pixels can't be read")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    # Basic layout: the other engine is not on every machine.
    return ImageFont.truetype(
        FONTS / name, round(size * scale), layout_engine=ImageFont.Layout.BASIC
    )


def fitted(
    text: str, size: int, scale: float, width: int, *, bold: bool = False
) -> ImageFont.FreeTypeFont:
    """The largest face up to ``size`` in which ``text`` is at most ``width`` pixels wide, else
    the smallest one."""
    for candidate in range(size, SMALLEST_SIZE, -1):
        face = font(candidate, scale, bold=bold)
        if face.getlength(text) <= width:
            return face
    return font(SMALLEST_SIZE, scale, bold=bold)
