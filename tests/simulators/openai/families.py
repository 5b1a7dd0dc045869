"""Which models there are and what they count: tokens of text and of pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

TILE_PX = 512
TILE_LONGEST_PX = 2048
TILE_SHORT_PX = 768
PATCH_PX = 32
CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
REASONING_TOKENS = {"none": 0, "minimal": 0, "low": 64, "medium": 256, "high": 1024, "xhigh": 2048}


@dataclass(frozen=True, slots=True)
class Model:
    """How a model counts. A tile model has ``per_tile``, a patch model ``budget`` patches.

    ``reasoning`` models think before they answer and take an effort, but no temperature.
    """

    name: str
    base: int = 85
    per_tile: int = 170
    budget: int = 0
    factor: float = 1.0
    reasoning: bool = False
    original: bool = False

    def image_tokens(self, width: int, height: int, detail: str) -> int:
        """Input tokens of one picture."""
        if self.budget:
            return math.ceil(self._patches(width, height, detail) * self.factor)
        if detail == "low":
            return self.base
        return self.base + self.per_tile * _tiles(width, height)

    def _patches(self, width: int, height: int, detail: str) -> int:
        budget = self.budget
        if detail == "low":
            budget = 256
        elif detail == "original" and self.original:
            budget = 10_000
        across, down = math.ceil(width / PATCH_PX), math.ceil(height / PATCH_PX)
        if across * down <= budget:
            return across * down
        # Shrunk to the budget, then trimmed until whole patches fit in both directions.
        shrink = math.sqrt(PATCH_PX**2 * budget / (width * height))
        wide, high = width * shrink / PATCH_PX, height * shrink / PATCH_PX
        shrink *= min(math.floor(wide) / wide, math.floor(high) / high)
        across = math.ceil(round(width * shrink / PATCH_PX, 6))
        down = math.ceil(round(height * shrink / PATCH_PX, 6))
        return across * down


def _tiles(width: int, height: int) -> int:
    shrink = min(1.0, TILE_LONGEST_PX / max(width, height))
    shrink = min(shrink, TILE_SHORT_PX / min(width, height))
    wide, high = round(width * shrink), round(height * shrink)
    return math.ceil(wide / TILE_PX) * math.ceil(high / TILE_PX)


def _patched(name: str, budget: int, factor: float, *, original: bool = False) -> Model:
    return Model(
        name, budget=budget, factor=factor, reasoning=name.startswith("gpt-5"), original=original
    )


_ALL = (
    Model("sim-reader"),
    Model("sim-tile"),
    _patched("sim-patch", 1536, 1.2, original=True),
    Model("sim-reasoner", 70, 140, reasoning=True),
    Model("gpt-4o"),
    Model("gpt-4o-mini", 2833, 5667),
    Model("gpt-4.1"),
    _patched("gpt-4.1-mini", 1536, 1.62),
    _patched("gpt-4.1-nano", 1536, 2.46),
    Model("o3", 75, 150, reasoning=True),
    Model("gpt-5", 70, 140, reasoning=True),
    Model("gpt-5.1", 70, 140, reasoning=True),
    _patched("gpt-5-mini", 1536, 1.62),
    _patched("gpt-5-nano", 1536, 2.46),
    _patched("gpt-5.2", 1536, 1.2),
    _patched("gpt-5.4", 2500, 1.2, original=True),
    _patched("gpt-5.5", 2500, 1.2, original=True),
    _patched("gpt-5.6", 1536, 1.2, original=True),
)
MODELS = {model.name: model for model in _ALL}


def text_tokens(text: str) -> int:
    """Tokens of a text by the rule of thumb of four characters each."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)
