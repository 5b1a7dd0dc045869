"""Reads printed text by comparing it with the same type, drawn again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).parents[3] / "analysis" / "fonts"
# Mean difference of ink, from nothing (0) to full ink against paper (1), that still is a match.
ALIKE = 0.12
BLANK = 0.15
DIGITS = "0123456789.-"

Ink = npt.NDArray[np.float32]


@lru_cache(maxsize=16)
def face(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The chart's type in whole pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def sign(type_: ImageFont.FreeTypeFont, before: str, text: str, shift: float) -> Ink:
    """``text`` as it looks after the sign ``before``, which ends ``shift`` pixels to the right."""
    start = shift - type_.getlength(before)
    width = int(np.ceil(start + type_.getlength(before + text)))
    half = int(type_.size)
    drawn = Image.new("L", (max(1, width), 2 * half))
    pen = ImageDraw.Draw(drawn)
    pen.text((start, half), before + text, fill=255, font=type_, anchor="lm")
    ink: Ink = np.asarray(drawn, np.float32) / np.float32(255)
    return ink


class Line:
    """One line of text on a picture: ``left`` is where it starts, ``row`` its middle."""

    def __init__(self, ink: Ink, left: int, row: int, type_: ImageFont.FreeTypeFont) -> None:
        self._face = type_
        self._half = int(type_.size)
        top = row - self._half
        self._region = np.zeros((2 * self._half, ink.shape[1] - left), np.float32)
        inside = ink[max(0, top) : row + self._half, left:]
        offset = max(0, -top)
        self._region[offset : offset + len(inside)] = inside

    def likest(self, known: str, options: Iterable[str]) -> tuple[str, float]:
        """The option that best continues ``known``, and how far off it is."""
        off = {option: self._difference(known, option) for option in options}
        best = min(off, key=lambda option: off[option])
        return best, off[best]

    def number(self, known: str = "") -> float | None:
        """The number that follows ``known``, None where there is none or other signs follow."""
        text = ""
        while not self._blank_after(known + text):
            sign, off = self.likest(known + text, DIGITS)
            if off > ALIKE:
                return None
            text += sign
        try:
            return float(text)
        except ValueError:
            return None

    def _difference(self, known: str, option: str) -> float:
        length = self._face.getlength(known)
        start = int(length)
        wanted = sign(self._face, known[-1:], option, length - start)
        seen = self._region[:, start : start + wanted.shape[1]]
        if seen.shape != wanted.shape:
            return 1.0
        # Differences count against the ink there is, or narrow signs would look like blanks.
        return float(np.abs(wanted - seen).sum() / max(wanted.sum(), seen.sum(), 1.0))

    def _blank_after(self, text: str) -> bool:
        start = int(self._face.getlength(text))
        room = self._region[:, start : start + max(3, self._half // 4)]
        return room.size == 0 or float(room.max()) < BLANK
