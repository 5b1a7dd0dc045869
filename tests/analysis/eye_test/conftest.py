"""A small examination answered without a model."""

from __future__ import annotations

import pytest

from analysis.chart_style import ChartStyle
from analysis.eye_test.ask import Asked
from analysis.eye_test.plan import exam_plan
from analysis.eye_test.prepare import Examiner
from analysis.models import PromptVersion
from tests.analysis.eye_test.planted import answered

TEXT = "Question {{ question_id }}. {{ timeframe }}, {{ bars }} bars.\n\n{{ table }}\n"


@pytest.fixture(scope="session")
def examiner() -> Examiner:
    return Examiner(PromptVersion(system_text="Read the chart.", user_text=TEXT), seed=7)


@pytest.fixture(scope="session")
def perfect(examiner: Examiner) -> tuple[Asked, ...]:
    """Every item of a small form, answered by somebody who sees everything."""
    items = exam_plan(7, 0.02, ChartStyle(), recall=False)
    return tuple(answered(examiner, item) for item in items)
