"""TradingError
ActionRefused        an operator's wish can't be done; the text is shown to them
IllegalTransition    a state moved where its table has no way: a bug
"""

from __future__ import annotations


class TradingError(Exception):
    """Base of trading's own errors."""


class ActionRefused(TradingError):
    """The wish can't be done; the text says why and what to do."""


class IllegalTransition(TradingError):
    """A state moved where its table has no way."""
