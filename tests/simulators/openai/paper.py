"""A chart as ink on paper, whichever of its two themes it is drawn in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tests.simulators.openai.glyphs import Ink

WIDTH, HEIGHT = 1152, 768
# Edges of the price panel at scale 1.
LEFT, TOP, EDGE, BOTTOM = 12, 56, 1048, 512
SAME_COLOUR = 40
# By how much the parts of a grey may differ.
GREY = 16

Colour = tuple[int, int, int]


class Theme(NamedTuple):
    paper: Colour
    ink: Colour
    up: Colour
    down: Colour


THEMES = (
    Theme((0xFF, 0xFF, 0xFF), (0x11, 0x11, 0x11), (0x00, 0x69, 0x5C), (0xB7, 0x1C, 0x1C)),
    Theme((0x10, 0x10, 0x14), (0xF4, 0xF4, 0xF4), (0x63, 0xB8, 0xF0), (0xF2, 0x9A, 0x3C)),
)


class Paper(NamedTuple):
    """``ink`` runs from 0 (paper) to 1; coloured things have none of it."""

    scale: float
    theme: Theme
    ink: Ink
    pixels: Any

    def px(self, length: float) -> int:
        """A length of scale 1 in pixels of this picture."""
        return round(length * self.scale)

    def coloured(self, colour: Colour) -> Any:
        """Where the price panel has that colour."""
        rows = slice(self.px(TOP), self.px(BOTTOM))
        panel = self.pixels[rows, self.px(LEFT) : self.px(EDGE)]
        red, green, blue = (
            np.abs(panel[:, :, part] - np.int16(value)) < SAME_COLOUR
            for part, value in enumerate(colour)
        )
        return red & green & blue


def paper_of(picture: Image.Image) -> Paper | None:
    """None where the picture has not the shape and the paper of a chart."""
    scale = picture.width / WIDTH
    if scale < 1 or round(HEIGHT * scale) != picture.height:
        return None
    pixels = np.asarray(picture.convert("RGB"), np.int16)
    for theme in THEMES:
        if np.abs(pixels[1, 1] - np.array(theme.paper)).max() < SAME_COLOUR:
            return Paper(scale, theme, _ink(pixels, theme), pixels)
    return None


def _ink(pixels: Any, theme: Theme) -> Ink:
    red, green, blue = pixels[:, :, 0], pixels[:, :, 1], pixels[:, :, 2]
    grey = (np.abs(red - green) < GREY) & (np.abs(green - blue) < GREY)
    share = (green - np.float32(theme.paper[1])) / np.float32(theme.ink[1] - theme.paper[1])
    darkness: Ink = np.where(grey, share, np.float32(0)).clip(0, 1)
    return darkness
