"""A simulated model with a profile that asks it, and charts it knows the truth about."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

from PIL import Image

from analysis.budget import Purse
from analysis.calls.asking import Asking, CallFacts
from analysis.calls.values import ModelQuestion
from analysis.chart import RenderedChart, render
from analysis.chart_style import style_of
from analysis.choices import CallPurpose, ImageFamily
from analysis.copies import copies_of, mirrored
from analysis.domain import AnalysisInput
from analysis.models import AnalystProfile
from analysis.profiles import api_key_set
from analysis.prompts.versions import prompt_default
from exchange.market.clock import WallClock
from tests.analysis.candle_makers import given, random_window
from tests.factories.analysis import ModelProfileFactory
from tests.simulators.openai.server import OpenAiSim
from tests.simulators.openai.truths import truth_of

CLOCK = WallClock()
TILE = style_of(ImageFamily.TILE)
STRAIGHT, MIRROR, *_ = copies_of(TILE, 6)


def picture(width: int = 1152, height: int = 768) -> bytes:
    out = BytesIO()
    Image.new("P", (width, height)).save(out, "PNG")
    return out.getvalue()


def profile_at(sim: OpenAiSim, **changes: Any) -> AnalystProfile:
    profile: AnalystProfile = ModelProfileFactory.create(base_url=sim.url, **changes)
    api_key_set(profile, sim.key)
    return profile


def asking_of(profile: AnalystProfile, cap: str = "10") -> Asking:
    return Asking(
        profile=profile,
        prompt_version=prompt_default(),
        purses=(Purse("bot:1", Decimal(cap)), Purse("account:1", Decimal(100))),
        purpose=CallPurpose.CYCLE,
        charged_to="bot:1",
        clock=CLOCK,
    )


def today() -> Any:
    return datetime.now(UTC).date()


def in_seconds(seconds: float) -> float:
    """A deadline."""
    return CLOCK.monotonic() + seconds


def facts_of_call(name: str = "one", attempt: int = 1) -> CallFacts:
    return CallFacts(
        question=hashlib.sha256(name.encode()).hexdigest(),
        attempt=attempt,
        chart=None,
        symbol="TESTUSDT",
        timeframe="1h",
    )


def plain_question(text: str = "What do you see?") -> ModelQuestion:
    return ModelQuestion(
        system="Read the chart.", user=text, images=(), schema=None, schema_name="none"
    )


def chart_input(seed: int = 3, symbol: str = "TESTUSDT") -> AnalysisInput:
    return given(random_window(seed, symbol=symbol))


def plant(sim: OpenAiSim, shown: AnalysisInput, count: int = 1, **truth: Any) -> RenderedChart:
    """Tell the simulator what the first ``count`` looks at ``shown`` show; the first picture."""
    drawn = [
        render(mirrored(shown) if copy.mirrored else shown, copy.style)
        for copy in copies_of(TILE, count)
    ]
    for chart in drawn:
        sim.plant(chart.sha256, truth_of(chart.facts, **truth))
    return drawn[0]
