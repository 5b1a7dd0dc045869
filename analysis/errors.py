"""AnalystError
AnalystUnavailable    no answer in time: try again at the next boundary
AnalysisInvalid       an answer that may not be used: skip, keep the reply
NotEnoughCandles      the history is shorter than the indicators need: skip
"""

from __future__ import annotations


class AnalystError(Exception):
    """Base of everything an analyst can answer instead of a recommendation."""


class AnalystUnavailable(AnalystError):
    """No answer in time."""


class AnalysisInvalid(AnalystError):
    """The answer broke the contract and is not used."""


class NotEnoughCandles(AnalystError):
    """The history is shorter than the indicators need."""
