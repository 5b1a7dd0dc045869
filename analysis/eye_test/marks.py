"""The parts of the examination, how many items each has, its pass marks, and the grades.

The marks are proposals: run two or three models first, then freeze them. Everything that decides
whether a part is passed stands here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from analysis.choices import Grade
from analysis.eye_test.statistics import Interval

FULL = 1.0
SHORT = 0.2
# A planted level is found within this distance, a touch counts within that one.
HIT_ATR = 0.5
TOUCH_ATR = 0.25
# Relations nearer than this are not asked about.
RELATION_ATR = 0.3
# The smallest text of a chart is to be this much larger than the smallest a model reads.
LEGIBILITY_RESERVE = 1.25
# From this share of a card's numbers on, its type size is read.
CARD_EXACT = 0.99


class Bound(StrEnum):
    AT_LEAST = "at least"
    AT_MOST = "at most"
    MORE_THAN = "more than"


_HOLDS: Mapping[Bound, Callable[[float, float], bool]] = {
    Bound.AT_LEAST: operator.ge,
    Bound.AT_MOST: operator.le,
    Bound.MORE_THAN: operator.gt,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One figure with its limit. ``percent`` says how to write it. An ``optional`` figure may be
    missing: there was nothing that it could be taken from."""

    name: str
    bound: Bound
    limit: float
    percent: bool = True
    optional: bool = False

    def holds(self, value: float | None) -> bool:
        if value is None:
            return self.optional
        # A share such as 0.35 of 1 has no exact float: do not fail it for its last bit.
        slack = 0.0 if self.bound is Bound.MORE_THAN else 1e-9
        side = -slack if self.bound is Bound.AT_MOST else slack
        return _HOLDS[self.bound](value + side, self.limit)

    def written(self, value: float | None) -> str:
        if value is None:
            return "none"
        return f"{value * 100:.1f} %" if self.percent else f"{value:.3g}"

    @property
    def words(self) -> str:
        return f"{self.name} {self.bound} {self.written(self.limit)}"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the examination; ``n`` are its items in full. The first check's figure is the
    one shown."""

    part: str
    title: str
    n: int
    checks: tuple[Check, ...]

    @property
    def mark(self) -> str:
        return "; ".join(check.words for check in self.checks)


@dataclass(frozen=True, slots=True)
class PartResult:
    """How a part went. ``interval`` belongs to ``value``; ``passed`` is None for a part that was
    not examined."""

    part: str
    title: str
    n: int
    value: float | None
    interval: Interval | None
    mark: str
    passed: bool | None
    text: str

    def as_json(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "title": self.title,
            "n": self.n,
            "value": None if self.value is None else round(self.value, 4),
            "interval": self.interval and [round(end, 4) for end in self.interval],
            "mark": self.mark,
            "passed": self.passed,
            "text": self.text,
        }


_LEAST, _MOST = Bound.AT_LEAST, Bound.AT_MOST

_ALL = (
    Part(
        "P0",
        "Plumbing",
        100,
        (
            Check("both ids named", _LEAST, 1.0),
            Check("valid after at most one retry", _LEAST, 0.99),
            Check("stops accepted on the wrong side", _MOST, 0, percent=False),
        ),
    ),
    Part(
        "P1",
        "Printed text",
        300,
        (
            Check("exact digits", _LEAST, 0.98),
            Check("wrong by an order of magnitude", _MOST, 0, percent=False),
        ),
    ),
    Part(
        "P2",
        "Axis reading",
        300,
        (
            Check("median error of the range", _MOST, 0.01),
            Check("90th percentile", _MOST, 0.025),
            Check("99th percentile", _MOST, 0.06),
            Check("bias", _MOST, 0.005),
            Check("not read", _MOST, 0.10),
        ),
    ),
    Part(
        "P3",
        "Relations",
        300,
        (Check("right", _LEAST, 0.95), Check("right on the worst item", _LEAST, 0.88)),
    ),
    Part(
        "P4",
        "Trend",
        180,
        (
            Check("macro-F1", _LEAST, 0.85),
            Check("flat called a trend", _MOST, 0.15, optional=True),
        ),
    ),
    Part(
        "P5",
        "Positions",
        120,
        (
            Check("extremes within three bars", _LEAST, 0.80),
            Check("newest bar right", _LEAST, 0.99),
        ),
    ),
    Part(
        "P6",
        "Levels",
        120,
        (
            Check("planted levels found", _LEAST, 0.80),
            Check("invented of those named", _MOST, 0.10, optional=True),
        ),
    ),
    Part(
        "P8",
        "Mirror",
        300,
        (
            Check("long less short on charts without edge", _MOST, 0.10),
            Check("flipped with the mirror", _LEAST, 0.80),
            Check("drifting pairs with a side", _LEAST, 0.10),
        ),
    ),
    Part(
        "P9",
        "Invariance",
        300,
        (
            Check("same direction", _LEAST, 0.85),
            Check("median shift of the stop in the range", _MOST, 0.01, optional=True),
        ),
    ),
    Part(
        "P10",
        "Evidence against trend",
        120,
        (Check("effect of the planted bars, lower bound", Bound.MORE_THAN, 0, percent=False),),
    ),
    Part(
        "P11",
        "Null discipline",
        200,
        (
            Check("none on charts without edge", _LEAST, 0.70),
            Check("stated chance above the null's", _MOST, 0.05, optional=True),
        ),
    ),
    Part(
        "P12",
        "Honesty",
        160,
        (
            Check("blank picture flagged", _LEAST, 0.95),
            Check("wrong picture flagged", _LEAST, 1.0),
            Check("text conflict flagged", _LEAST, 0.90),
            Check("distorted axis flagged", _LEAST, 0.80),
        ),
    ),
    Part(
        "P13",
        "Stability",
        300,
        (
            Check("commonest direction", _LEAST, 0.85),
            Check("spread of the stop in ATR", _MOST, 0.3, percent=False, optional=True),
        ),
    ),
    Part(
        "P14",
        "Recall",
        60,
        (Check("assets named above chance, lower bound", _MOST, 0),),
    ),
    Part(
        "P15",
        "Legibility",
        100,
        (Check("smallest text read, with reserve, of the smallest drawn", _MOST, 1.0),),
    ),
)
PARTS = {part.part: part for part in _ALL}

_NEEDED = {
    Grade.READER: ("P0", "P1", "P2", "P3", "P4", "P5", "P12", "P13", "P15"),
    Grade.ANALYST: ("P6", "P8", "P9", "P11"),
    Grade.VOTER: ("P10",),
}


def judge(
    part: str,
    n: int,
    figures: Mapping[str, float | None],
    interval: Interval | None = None,
    remark: str = "",
) -> PartResult:
    """Hold the figures of a part against its marks. A figure that is missing fails, unless its
    check is optional."""
    about = PARTS[part]
    values = [figures[check.name] for check in about.checks]
    passed = n > 0 and all(
        check.holds(value) for check, value in zip(about.checks, values, strict=True)
    )
    text = "; ".join(
        f"{check.name} {check.written(value)}"
        for check, value in zip(about.checks, values, strict=True)
    )
    if remark:
        text = f"{text}. {remark}"
    return PartResult(part, about.title, n, values[0], interval, about.mark, passed, text)


def unexamined(part: str, title: str, why: str) -> PartResult:
    """A part that was left out, with the reason."""
    return PartResult(part, title, 0, None, None, "", None, why)


def grade_from(passed: Collection[str], *, short: bool) -> Grade:
    """The grade that the passed parts earn.

    A short form is enough to reject a model and to let one trade without real money; it earns
    no vote.
    """
    grade = Grade.NONE
    for each, needed in _NEEDED.items():
        if not set(needed) <= set(passed):
            return grade
        if each == Grade.VOTER and short:
            return grade
        grade = each
    return grade
