"""What asking costs, in US dollars: before (estimates, on the high side) and after (usage).

Rules of how pictures are counted differ between models and change; ``probe`` measures them and
``AnalystProfile.image_tokens`` then stands above every rule here.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import ROUND_UP, Decimal
from functools import cache
from math import ceil
from typing import NamedTuple

from analysis.answer.schema import ANSWER_SCHEMA
from analysis.chart_layout import PATCH_SCALE, TILE_SCALE, Layout
from analysis.choices import ImageDetail, ImageFamily, ReasoningEffort
from analysis.domain import Usage
from analysis.models import AnalystProfile
from analysis.prompts.rendering import RenderedPrompt
from analysis.prompts.tokens import text_tokens as tokens_of_text

MILLION = Decimal(1_000_000)
PLACES = Decimal("0.00000001")
DAY = timedelta(days=1)

# Tiles: shrunk into a square, then to a short side, then cut.
TILE_PX = 512
TILE_SQUARE_PX = 2048
TILE_SHORT_PX = 768
# Patches, and how many of them a picture may have before it is shrunk.
PATCH_PX = 32
PATCHES_ORIGINAL = 10_000
PATCHES_SHRUNK = 2_500

# A tokeniser other than the one the estimate has in mind may count more.
TEXT_MARGIN = Decimal("1.25")
# Roles, the name of the schema and what a server wraps around a request.
FRAME_TOKENS = 60

# Assumptions of the daily estimate, not measurements.
# Share of charts on which the technical rules see a setup worth asking about.
PRESCREEN_SHARE = Decimal("0.25")
# Share of answers that are asked for again because they broke the form.
SECOND_TRY_SHARE = Decimal("0.05")
# Tokens of one answer with the thinking before it.
ANSWER_TOKENS = {
    ReasoningEffort.UNSET: 1_500,
    ReasoningEffort.MINIMAL: 1_200,
    ReasoningEffort.LOW: 1_500,
    ReasoningEffort.MEDIUM: 3_000,
    ReasoningEffort.HIGH: 6_000,
}
# Calls per chart by copies planned: the mirror always follows, the others only where the first
# two agree, which most charts don't reach.
EXPECTED_CALLS = {
    0: Decimal(1),
    1: Decimal(1),
    2: Decimal(2),
    3: Decimal("2.13"),
    4: Decimal("2.25"),
    5: Decimal("2.38"),
    6: Decimal("2.5"),
}


class TileRate(NamedTuple):
    """Tokens of any picture, and of each tile."""

    base: int
    tile: int


# By how a model's name begins; the first that fits counts.
TILE_RATES = (
    ("gpt-4o-mini", TileRate(2833, 5667)),
    ("gpt-5", TileRate(70, 140)),
    ("o1", TileRate(75, 150)),
    ("o3", TileRate(75, 150)),
)
TILE_RATE = TileRate(85, 170)
# By a word in a model's name; the first that fits counts.
PATCH_RATES = (
    ("nano", Decimal("2.46")),
    ("o4-mini", Decimal("1.72")),
    ("mini", Decimal("1.62")),
)
PATCH_RATE = Decimal("1.2")


def chart_size(family: ImageFamily | str) -> tuple[int, int]:
    """Pixels of the charts drawn for a family of models."""
    return Layout(PATCH_SCALE if family == ImageFamily.PATCH else TILE_SCALE).size


def image_tokens(profile: AnalystProfile, size: tuple[int, int] | None = None) -> int:
    """Tokens of one picture of ``size`` (width, height; the chart drawn for it by default).

    What ``probe`` measured for the chart stands above the rule, and is the least that any other
    size is taken for.
    """
    # No picture is free: a measurement of nothing is none.
    measured = profile.image_tokens or None
    if size is None and measured is not None:
        return measured
    by_rule = _by_rule(profile, size or chart_size(profile.image_family))
    return by_rule if measured is None else max(by_rule, measured)


def _by_rule(profile: AnalystProfile, size: tuple[int, int]) -> int:
    if profile.image_family == ImageFamily.PATCH:
        return _patch_tokens(profile, size)
    return _tile_tokens(profile, size)


def _tile_tokens(profile: AnalystProfile, size: tuple[int, int]) -> int:
    rate = next((rate for name, rate in TILE_RATES if profile.model.startswith(name)), TILE_RATE)
    if profile.image_detail == ImageDetail.LOW:
        return rate.base
    width, height = _within(size, max(size), TILE_SQUARE_PX)
    width, height = _within((width, height), min(width, height), TILE_SHORT_PX)
    return rate.base + rate.tile * ceil(width / TILE_PX) * ceil(height / TILE_PX)


def _within(size: tuple[int, int], side: int, limit: int) -> tuple[int, int]:
    """The size with ``side`` shrunk to ``limit``."""
    if side <= limit:
        return size
    return ceil(size[0] * limit / side), ceil(size[1] * limit / side)


def _patch_tokens(profile: AnalystProfile, size: tuple[int, int]) -> int:
    """The larger of the budgets that sources name, since they disagree on which one is true."""
    original = profile.image_detail == ImageDetail.ORIGINAL
    most = PATCHES_ORIGINAL if original else PATCHES_SHRUNK
    patches = min(most, ceil(size[0] / PATCH_PX) * ceil(size[1] / PATCH_PX))
    rate = next((rate for name, rate in PATCH_RATES if name in profile.model), PATCH_RATE)
    return ceil(patches * rate)


@cache
def schema_tokens() -> int:
    """Tokens of the schema that goes with every question."""
    return tokens_of_text(json.dumps(ANSWER_SCHEMA, separators=(",", ":")))


def request_tokens(profile: AnalystProfile, rendered: RenderedPrompt) -> int:
    """Estimate of all input of one question: texts, schema, frame and one chart. For people;
    ``most_cost`` adds the same to the tokens of the texts by itself."""
    return rendered.tokens + schema_tokens() + FRAME_TOKENS + image_tokens(profile)


def most_cost(
    profile: AnalystProfile,
    text_tokens: int,
    images: int = 1,
    size: tuple[int, int] | None = None,
) -> Decimal:
    """The most that one call can cost, rounded up.

    ``text_tokens`` are those of the prompt, with what a second try repeats (``tokens_of_text``);
    schema and pictures are added here. Counts the whole answer allowance and nothing as cached.
    """
    text = ceil((text_tokens + schema_tokens() + FRAME_TOKENS) * TEXT_MARGIN)
    sent = text + images * image_tokens(profile, size)
    return _dollars(sent * profile.input_price + profile.max_output_tokens * profile.output_price)


def cost_of(profile: AnalystProfile, usage: Usage) -> Decimal:
    """What a call cost by its usage, rounded up. Without a price for cached input it costs as
    much as any other."""
    cached = min(max(usage.cached_tokens, 0), usage.input_tokens)
    cached_price = profile.cached_input_price or profile.input_price
    written = usage.output_tokens
    if usage.reasoning_tokens > written:
        # More thought than written: this server counts the two apart.
        written += usage.reasoning_tokens
    return _dollars(
        (usage.input_tokens - cached) * profile.input_price
        + cached * cached_price
        + written * profile.output_price
    )


def daily_estimate(
    profile: AnalystProfile, *, symbols: int, timeframe: timedelta, prompt_tokens: int
) -> Decimal:
    """Expected cost of a day, rounded up to a cent.

    One look per symbol and bar; of these only ``PRESCREEN_SHARE`` where the technical rules are
    asked first; each look takes ``EXPECTED_CALLS`` for its copies, and ``SECOND_TRY_SHARE`` of
    the calls are made twice. ``prompt_tokens`` are those of a rendered prompt. Nothing is taken
    as cached.
    """
    looks = Decimal(symbols) * Decimal(DAY // timedelta(seconds=1))
    looks /= Decimal(timeframe // timedelta(seconds=1))
    if profile.prescreen:
        looks *= PRESCREEN_SHARE
    calls = looks * EXPECTED_CALLS[profile.copies] * (1 + SECOND_TRY_SHARE)
    each = expected_cost(profile, prompt_tokens)
    return (calls * each).quantize(Decimal("0.01"), rounding=ROUND_UP)


def expected_cost(profile: AnalystProfile, prompt_tokens: int) -> Decimal:
    """What one call is likely to cost, rounded up."""
    sent = prompt_tokens + schema_tokens() + FRAME_TOKENS + image_tokens(profile)
    effort = ReasoningEffort(profile.reasoning_effort)
    answer = min(ANSWER_TOKENS[effort], profile.max_output_tokens)
    return _dollars(sent * profile.input_price + answer * profile.output_price)


def _dollars(price_times_tokens: Decimal) -> Decimal:
    return (price_times_tokens / MILLION).quantize(PLACES, rounding=ROUND_UP)
