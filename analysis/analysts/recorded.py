"""The analyst that never asks anyone, for markets that run faster than a model can answer."""

from __future__ import annotations

from analysis.analysts.openai import OpenAiAnalyst, analyst_version
from analysis.domain import AnalysisInput, Recommendation
from analysis.errors import AnalystUnavailable
from analysis.models import AnalystProfile, PromptVersion


class RecordedAnalyst:
    """Stands in for the model of a profile where only answers on record count.

    It bears the name and version of the analyst that asks, so ``analysis_obtain`` finds what that
    one was answered; whatever is not there raises ``AnalystUnavailable``.
    """

    name = OpenAiAnalyst.name

    def __init__(self, profile: AnalystProfile, prompt_version: PromptVersion) -> None:
        self.version = analyst_version(profile, prompt_version)

    def analyse(self, given: AnalysisInput) -> Recommendation:
        raise AnalystUnavailable(
            f"not on record: {given.symbol} {given.timeframe} {given.candle_time:%Y-%m-%d %H:%M}"
        )
