"""The analyst that never asks anyone, for markets that run faster than a model can answer."""

from __future__ import annotations

from analysis.domain import AnalysisInput, Recommendation
from analysis.errors import AnalystUnavailable
from analysis.ports import Analyst


class RecordedAnalyst:
    """Stands in for another analyst where only answers on record count.

    It bears that analyst's name and version, so ``analysis_obtain`` finds what the other one
    answered; whatever is not there raises ``AnalystUnavailable``.
    """

    def __init__(self, stands_for: Analyst) -> None:
        self.name = stands_for.name
        self.version = stands_for.version

    def analyse(self, given: AnalysisInput) -> Recommendation:
        raise AnalystUnavailable(
            f"{given.symbol} {given.timeframe} {given.candle_time:%Y-%m-%d %H:%M}: this market is "
            "faster than a model, and no answer is on record."
        )
