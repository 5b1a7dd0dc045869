"""Which pictures are shown and what is asked about each. A smaller form is a part of the larger."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.chart_layout import PATCH_SCALE, TILE_SCALE
from analysis.chart_style import ChartStyle
from analysis.eye_test.generators import EXTREMES, ChartSpec, Ending, Market

# Raised whenever the same seed would give other pictures or questions.
EXAM_VERSION = "1"

DRIFTS = (3.0, -3.0, 1.5, -1.5, 5.0, -5.0)
TRENDS = (0.0, 3.0, -5.0, 0.0, -3.0, 5.0)
HISTORIES = (0.0, 3.0, -3.0)
REPEATS = 10
FEWER_BARS = 70
# Of the golden set: pictures read, and pairs of a chart with its mirror.
GOLDEN_READINGS, GOLDEN_NULLS, GOLDEN_DRIFTS = 20, 4, 6
CARD_SIZES = (10, 12, 14, 16, 18, 20, 24)
NUMBERS_PER_CARD = 50
USUAL_STYLE = ChartStyle()
# Seeds of one exam's groups lie this far apart, so that no chart serves twice by accident.
GROUP_STEP = 10_000


class Question(StrEnum):
    """PRODUCTION: prompt and form as in trading. READING: the examination's own form."""

    PRODUCTION = "production"
    READING = "reading"
    CARD = "card"
    RECALL = "recall"


class Group(StrEnum):
    """Items that are made alike."""

    CARD = "card"
    READING = "reading"
    CONTROL = "control"
    NULL = "null"
    DRIFT = "drift"
    LEVELS = "levels"
    EXTREMES = "extremes"
    INVARIANCE = "invariance"
    EVIDENCE = "evidence"
    STABILITY = "stability"
    RECALL = "recall"


class Control(StrEnum):
    """What is wrong with a picture on purpose."""

    NOTHING = ""
    BLANK = "blank"
    WRONG = "wrong"
    CONFLICT = "conflict"
    INVERTED = "inverted"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Item:
    """One question about one picture. ``variant`` tells items of the same group and number apart;
    ``size`` is the type size of a card in pixels."""

    group: Group
    number: int
    question: Question
    variant: str = ""
    spec: ChartSpec | None = None
    style: ChartStyle = USUAL_STYLE
    mirrored: bool = False
    control: Control = Control.NOTHING
    size: int = 0

    @property
    def key(self) -> str:
        return f"{self.group}/{self.number}/{self.variant}".rstrip("/")


# How many there are in full.
COUNTS = {
    Group.CARD: 2,
    Group.READING: 180,
    Group.CONTROL: 40,
    Group.NULL: 200,
    Group.DRIFT: 100,
    Group.LEVELS: 60,
    Group.EXTREMES: 20,
    Group.INVARIANCE: 100,
    Group.EVIDENCE: 120,
    Group.STABILITY: 30,
    Group.RECALL: 60,
}


def count_of(group: Group, share: float) -> int:
    """How many numbers a form of ``share`` (0..1) has of a group, at least one."""
    return max(1, math.ceil(round(COUNTS[group] * share, 6)))


def exam_plan(seed: int, share: float, style: ChartStyle, *, recall: bool) -> list[Item]:
    """All items in the order they are asked: what rejects a model soonest comes first.

    ``recall`` says whether there are real candles to ask about.
    """
    makers = {
        Group.CARD: _cards,
        Group.READING: _readings,
        Group.CONTROL: _controls,
        Group.NULL: _nulls,
        Group.DRIFT: _drifts,
        Group.LEVELS: _levels,
        Group.EXTREMES: _extremes,
        Group.INVARIANCE: _invariances,
        Group.EVIDENCE: _evidence,
        Group.STABILITY: _repeats,
    }
    items = [
        item
        for group, maker in makers.items()
        for number in range(count_of(group, share))
        for item in maker(seed, number)
    ]
    if recall:
        items += [
            Item(Group.RECALL, number, Question.RECALL)
            for number in range(count_of(Group.RECALL, share))
        ]
    return [replace(item, style=_styled(item, style)) for item in items]


def golden_plan(seed: int, style: ChartStyle) -> list[Item]:
    """40 charts for a look at what a provider changes silently: readings and mirrored pairs."""
    readings = (item for number in range(GOLDEN_READINGS) for item in _readings(seed, number))
    nulls = (item for number in range(GOLDEN_NULLS) for item in _nulls(seed, number))
    drifts = (item for number in range(GOLDEN_DRIFTS) for item in _drifts(seed, number))
    return [replace(item, style=style) for item in (*readings, *nulls, *drifts)]


def _styled(item: Item, base: ChartStyle) -> ChartStyle:
    """The style of the examined profile, changed by what the variant says."""
    if item.group is not Group.INVARIANCE:
        return base
    if item.variant == "dark":
        return replace(base, dark=True)
    if item.variant == "scale":
        return replace(base, scale=TILE_SCALE if base.scale > TILE_SCALE else PATCH_SCALE)
    return replace(base, bars=FEWER_BARS)


def _chart(group: Group, market: Market, seed: int, number: int, drift_t: float = 0.0) -> ChartSpec:
    return ChartSpec(market, seed, list(Group).index(group) * GROUP_STEP + number, drift_t)


def _cards(seed: int, number: int) -> Iterator[Item]:
    for size in CARD_SIZES:
        yield Item(Group.CARD, number, Question.CARD, f"{size}px", size=size)


def _readings(seed: int, number: int) -> Iterator[Item]:
    spec = _chart(Group.READING, Market.DRIFT, seed, number, TRENDS[number % len(TRENDS)])
    yield Item(Group.READING, number, Question.READING, spec=spec)


def _controls(seed: int, number: int) -> Iterator[Item]:
    distorted = Control.TRUNCATED if number % 2 else Control.INVERTED
    for index, control in enumerate((Control.BLANK, Control.WRONG, Control.CONFLICT, distorted)):
        # A strong trend is the temptation: without the defect it might be traded.
        drift_t = HISTORIES[1 + number % 2]
        spec = _chart(Group.CONTROL, Market.DRIFT, seed, 4 * number + index, drift_t)
        yield Item(
            Group.CONTROL, number, Question.PRODUCTION, control.value, spec=spec, control=control
        )


def null_spec(seed: int, number: int) -> ChartSpec:
    return _chart(Group.NULL, Market.MARTINGALE, seed, number)


def drift_spec(seed: int, number: int) -> ChartSpec:
    return _chart(Group.DRIFT, Market.DRIFT, seed, number, DRIFTS[number % len(DRIFTS)])


def _nulls(seed: int, number: int) -> Iterator[Item]:
    yield from _pair(Group.NULL, number, null_spec(seed, number))


def _drifts(seed: int, number: int) -> Iterator[Item]:
    yield from _pair(Group.DRIFT, number, drift_spec(seed, number))


def _pair(group: Group, number: int, spec: ChartSpec) -> Iterator[Item]:
    yield Item(group, number, Question.PRODUCTION, spec=spec)
    yield Item(group, number, Question.PRODUCTION, "mirror", spec=spec, mirrored=True)


def _levels(seed: int, number: int) -> Iterator[Item]:
    spec = _chart(Group.LEVELS, Market.RANGE, seed, number)
    yield Item(Group.LEVELS, number, Question.READING, spec=spec)


def _extremes(seed: int, number: int) -> Iterator[Item]:
    spec = _chart(Group.EXTREMES, EXTREMES[number % len(EXTREMES)], seed, number)
    yield Item(Group.EXTREMES, number, Question.PRODUCTION, spec=spec)


def original_of(number: int) -> tuple[Group, int]:
    """The item whose chart an invariance item draws in another way."""
    return (Group.NULL, Group.DRIFT)[number % 2], number // 2


def _invariances(seed: int, number: int) -> Iterator[Item]:
    group, original = original_of(number)
    spec = null_spec(seed, original) if group is Group.NULL else drift_spec(seed, original)
    for variant in ("scale", "dark", f"bars{FEWER_BARS}"):
        yield Item(Group.INVARIANCE, number, Question.PRODUCTION, variant, spec=spec)


def _evidence(seed: int, number: int) -> Iterator[Item]:
    history = _chart(Group.EVIDENCE, Market.DRIFT, seed, number, HISTORIES[number % len(HISTORIES)])
    endings = (
        (Ending.LONG_LOWER_WICK, Ending.LONG_UPPER_WICK)
        if number % 2
        else (Ending.BULLISH_ENGULFING, Ending.BEARISH_ENGULFING)
    )
    for variant, ending in zip(("bullish", "bearish"), endings, strict=True):
        spec = replace(history, ending=ending)
        yield Item(Group.EVIDENCE, number, Question.PRODUCTION, variant, spec=spec)


def _repeats(seed: int, number: int) -> Iterator[Item]:
    market, drift_t = (Market.MARTINGALE, 0.0) if number % 2 else (Market.DRIFT, 3.0)
    spec = _chart(Group.STABILITY, market, seed, number, drift_t)
    for repeat in range(REPEATS):
        yield Item(Group.STABILITY, number, Question.PRODUCTION, f"repeat{repeat}", spec=spec)
