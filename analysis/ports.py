"""Who reads a chart, and where candles for a chart come from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from analysis.domain import AnalysisInput, Recommendation


class Analyst(Protocol):
    """Reads one chart. Raises ``AnalystUnavailable`` or ``AnalysisInvalid``."""

    name: str
    version: str

    def analyse(self, given: AnalysisInput) -> Recommendation: ...


class ChartSource(Protocol):
    """Gives the input of an analysis of ``symbol`` as of ``candle_time``."""

    def chart_input(
        self, symbol: str, timeframe: str, *, candle_time: datetime
    ) -> AnalysisInput: ...
