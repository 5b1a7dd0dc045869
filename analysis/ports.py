"""Who reads a chart."""

from __future__ import annotations

from typing import Protocol

from analysis.domain import AnalysisInput, Recommendation


class Analyst(Protocol):
    """Reads one chart. Raises ``AnalystUnavailable`` or ``AnalysisInvalid``."""

    name: str
    version: str

    def analyse(self, given: AnalysisInput) -> Recommendation: ...
