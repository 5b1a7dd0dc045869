"""Geometry, colours and type sizes of the chart at every scale.

All lengths are those of scale 1 (1152 x 768) and are multiplied by the scale. A colour is an
index into a palette: the greys run from paper (0) to ink (238), so that the soft edge of text
drawn in ink on paper falls on the right grey, and the hues follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

# Raised whenever the same inputs would give another picture, id, marker or factor.
RENDERER_VERSION = "2"

# The largest 3:2 pictures that models with tiles and models with patches take unshrunk.
TILE_SCALE = 1.0
PATCH_SCALE = 4 / 3

PAPER = 0
INK = 238
TEXT = 0xFF - 0x33
SEPARATOR = 0xFF - 0x55
VOLUME = 0xFF - 0x75
LEVEL_LINE = 0xFF - 0x75
RSI_LINE = 0xFF - 0x9E
GRID = 0xFF - 0xDA
SHADE = 0xFF - 0xEE
UP = 239
DOWN = 240
EMA_FAST = 241
EMA_SLOW = 242
RSI = 243

Colour = tuple[int, int, int]


class Theme(NamedTuple):
    """Both ends of the greys and the five hues in the order of their indices."""

    paper: Colour
    ink: Colour
    hues: tuple[Colour, Colour, Colour, Colour, Colour]


LIGHT = Theme(
    paper=(0xFF, 0xFF, 0xFF),
    ink=(0x11, 0x11, 0x11),
    hues=(
        (0x00, 0x69, 0x5C),
        (0xB7, 0x1C, 0x1C),
        (0x1F, 0x4F, 0xD8),
        (0xA0, 0x58, 0x0A),
        (0x5E, 0x35, 0xB1),
    ),
)
# For people who prefer it.
DARK = Theme(
    paper=(0x12, 0x16, 0x1C),
    ink=(0xF2, 0xF4, 0xF7),
    hues=(
        (0x4D, 0xD0, 0xB5),
        (0xEF, 0x6C, 0x6C),
        (0x7D, 0xA6, 0xFF),
        (0xE3, 0xA3, 0x4B),
        (0xB3, 0x95, 0xF2),
    ),
)
# For models, to see whether an answer hangs on colours: nothing but the legend's words stays.
ALTERNATE = Theme(
    paper=(0x10, 0x10, 0x14),
    ink=(0xF4, 0xF4, 0xF4),
    hues=(
        (0x63, 0xB8, 0xF0),
        (0xF2, 0x9A, 0x3C),
        (0xF5, 0xE0, 0x50),
        (0xE0, 0x82, 0xC4),
        (0x5E, 0xD0, 0x8C),
    ),
)


def palette(theme: Theme) -> list[int]:
    """256 colours as Pillow takes them: 239 greys, then the hues, then paper."""
    greys = [
        tuple(
            round(paper + (ink - paper) * step / INK)
            for paper, ink in zip(theme.paper, theme.ink, strict=True)
        )
        for step in range(INK + 1)
    ]
    colours = [*greys, *theme.hues]
    colours += [theme.paper] * (256 - len(colours))
    return [part for colour in colours for part in colour]


class Box(NamedTuple):
    """A rectangle in pixels: left, top, right and bottom edges (right and bottom exclusive)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Layout:
    """The picture's parts at one scale, in pixels."""

    scale: float

    def px(self, length: float) -> int:
        """A length of scale 1 in whole pixels of this scale."""
        return round(length * self.scale)

    def _box(self, left: int, top: int, right: int, bottom: int) -> Box:
        return Box(self.px(left), self.px(top), self.px(right), self.px(bottom))

    @property
    def size(self) -> tuple[int, int]:
        return self.px(1152), self.px(768)

    @property
    def price(self) -> Box:
        return self._box(12, 56, 1048, 512)

    @property
    def volume(self) -> Box:
        return self._box(12, 524, 1048, 604)

    @property
    def rsi(self) -> Box:
        return self._box(12, 616, 1048, 728)

    @property
    def separators(self) -> tuple[int, ...]:
        """Rows of the lines between the panels."""
        return self.px(518), self.px(610), self.px(732)

    @property
    def header_rows(self) -> tuple[int, int]:
        """Middles of the two header lines."""
        return self.px(19), self.px(41)

    @property
    def time_row(self) -> int:
        return self.px(746)

    @property
    def tick_length(self) -> int:
        return self.px(6)

    @property
    def gutter_text(self) -> int:
        """Left edge of the text on the right axis."""
        return self.px(1058)

    @property
    def gutter_right(self) -> int:
        """Right edge of that text."""
        return self.px(1149)


# Type sizes at scale 1; ``chart_type`` refuses smaller ones than the legend's.
TITLE_SIZE = 18
LEGEND_SIZE = 15
TICK_SIZE = 18
TAG_SIZE = 20
SMALL_SIZE = 16
