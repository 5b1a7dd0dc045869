"""From a raw confidence to the probability that past trades of that confidence had of winning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CalibratedChance:
    """``chance`` 0..1 of winning and its standard error, from ``count`` closed trades."""

    chance: Decimal
    error: Decimal
    count: int


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """A fitted curve as points (raw confidence, chance, standard error), rising in the first.

    ``count`` trades, all closed before ``until``; ``method`` is platt or isotonic. ``reliable``
    says that the reliability slope lies above 0 with its 95 % interval.
    """

    points: tuple[tuple[Decimal, Decimal, Decimal], ...]
    count: int
    until: datetime
    method: str
    reliable: bool
