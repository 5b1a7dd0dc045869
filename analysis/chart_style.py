"""What may differ between two pictures of the same candles."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.chart_layout import PATCH_SCALE, TILE_SCALE
from analysis.choices import ImageFamily
from analysis.indicators import VISIBLE_BARS

# Fewer bars show no structure, more are too thin to be told hollow from solid.
FEWEST_BARS = 60
MOST_BARS = 100
LARGEST_SCALE = 2.0


@dataclass(frozen=True, slots=True)
class ChartStyle:
    """How a picture for a model is drawn: size, visible bars, and the alternate theme.

    Raises ``ValueError`` where the picture could not be read.
    """

    scale: float = TILE_SCALE
    bars: int = VISIBLE_BARS
    dark: bool = False

    def __post_init__(self) -> None:
        if not FEWEST_BARS <= self.bars <= MOST_BARS:
            raise ValueError(f"a chart shows {FEWEST_BARS} to {MOST_BARS} bars, not {self.bars}")
        if not TILE_SCALE <= self.scale <= LARGEST_SCALE:
            raise ValueError(f"a chart's scale is 1 to 2, not {self.scale}")

    @property
    def key(self) -> str:
        """The style as text, for hashes."""
        return f"{self.scale:.6f}|{self.bars}|{'dark' if self.dark else 'light'}"


def style_of(profile_family: ImageFamily | str) -> ChartStyle:
    """The style of a profile's first look, drawn at the size its model takes unshrunk."""
    patches = ImageFamily(profile_family) is ImageFamily.PATCH
    return ChartStyle(scale=PATCH_SCALE if patches else TILE_SCALE)
