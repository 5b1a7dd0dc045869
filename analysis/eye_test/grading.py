"""From all answers to the table of parts and the grade."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.choices import Grade
from analysis.eye_test import parts_behaviour as behaviour
from analysis.eye_test import parts_reading as reading
from analysis.eye_test.ask import Asked
from analysis.eye_test.marks import PartResult, grade_from, unexamined

SHAPES = unexamined(
    "P7",
    "Shapes",
    "Not examined, so names of patterns stay banned from prompt and form.",
)


def results_of(asked: Sequence[Asked], *, scale: float, assets: int) -> list[PartResult]:
    """Every part in order. ``asked`` holds a whole plan; ``scale`` is that of its charts."""
    return [
        reading.p0(asked),
        reading.p1(asked),
        reading.p2(asked),
        reading.p3(asked),
        reading.p4(asked),
        reading.p5(asked),
        reading.p6(asked),
        SHAPES,
        behaviour.p8(asked),
        behaviour.p9(asked),
        behaviour.p10(asked),
        behaviour.p11(asked),
        behaviour.p12(asked),
        behaviour.p13(asked),
        behaviour.p14(asked, assets),
        behaviour.p15(asked, scale),
    ]


def grade_of_results(results: Sequence[PartResult], *, short: bool) -> Grade:
    return grade_from({each.part for each in results if each.passed}, short=short)
