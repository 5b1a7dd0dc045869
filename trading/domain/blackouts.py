"""Blackouts: named windows in which less or nothing is traded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trading.choices import BlackoutAction


@dataclass(frozen=True, slots=True)
class BlackoutWindow:
    """One stretch of market time, from ``start`` up to and without ``end``. No ``symbols`` means
    all of them."""

    name: str
    start: datetime
    end: datetime
    action: BlackoutAction
    symbols: frozenset[str] = frozenset()

    def covers(self, symbol: str, moment: datetime) -> bool:
        return self.start <= moment < self.end and (not self.symbols or symbol in self.symbols)
