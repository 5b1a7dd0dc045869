"""AnalystError
AnalystUnavailable    no answer in time: try again at the next boundary
  BudgetSpent         the answer would cost more than is left: stop, or let the rules take over
  AnalystPaused       safe mode or a pause the server asked for: the same
AnalysisInvalid       an answer that may not be used: skip, keep the reply
NotEnoughCandles      the history is shorter than the indicators need: skip
"""

from __future__ import annotations


class AnalystError(Exception):
    """Base of everything an analyst can answer instead of a recommendation."""


class AnalystUnavailable(AnalystError):
    """No answer in time."""


class BudgetSpent(AnalystUnavailable):
    """The call would go over a cap; it was not made."""


class AnalystPaused(AnalystUnavailable):
    """The profile is in safe mode or was asked to wait; the call was not made."""


class AnalysisInvalid(AnalystError):
    """The answer broke the contract and is not used. ``code`` names the rule it broke."""

    def __init__(self, message: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.code = code


class NotEnoughCandles(AnalystError):
    """The history is shorter than the indicators need."""
