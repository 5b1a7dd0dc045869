"""An example of exactly what is sent for a chart, drawn from a simulated market."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.chart import RenderedChart, render, style_of
from analysis.chart_source import MarketChartSource
from analysis.cost import image_tokens, schema_tokens
from analysis.domain import AnalysisInput
from analysis.models import AnalystProfile, PromptVersion
from analysis.prompts.rendering import RenderedPrompt, chart_context, prompt_render
from exchange.market.clock import SteppedClock
from exchange.market.simulated import SimulatedMarket
from exchange.market.simulated_path import EPOCH

SEED = 3
SYMBOL = "BTCUSDT"
TIMEFRAME = "1h"
# Any moment with enough history does.
MOMENT = EPOCH + timedelta(days=40)
SPEED = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One example. ``tokens`` are estimates on the high side."""

    prompt: RenderedPrompt
    chart: RenderedChart
    schema_tokens: int
    picture_tokens: int

    @property
    def tokens(self) -> int:
        return self.prompt.tokens + self.schema_tokens + self.picture_tokens


def sample_of(version: PromptVersion, profile: AnalystProfile) -> Sample:
    """The texts and the picture of one invented chart, as ``profile`` would be sent them.

    Raises ``PromptInvalid`` for a version whose texts can't be read.
    """
    given = _given(MOMENT)
    chart = render(given, style_of(profile.image_family))
    return Sample(
        prompt=prompt_render(version, chart_context(given, chart.facts)),
        chart=chart,
        schema_tokens=schema_tokens(),
        picture_tokens=image_tokens(profile),
    )


def _given(moment: datetime) -> AnalysisInput:
    market = SimulatedMarket(SEED, SteppedClock(moment), SPEED, [SYMBOL])
    return MarketChartSource(market).chart_input(SYMBOL, TIMEFRAME, candle_time=moment)
