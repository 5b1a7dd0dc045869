"""What an analyst is given and what it answers.

Prices are ``Decimal`` in quote currency, real (never chart-scaled) and not yet rounded to ticks.
An analyst proposes prices and scores; it never sets quantity, leverage, symbol or approval.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from exchange.candles import CandleWindow
from exchange.domain import Instrument


class Direction(StrEnum):
    LONG = "long"
    SHORT = "short"
    NONE = "none"

    @property
    def sign(self) -> int:
        return {Direction.LONG: 1, Direction.SHORT: -1, Direction.NONE: 0}[self]


class Environment(StrEnum):
    """What the market is doing, as code or an analyst labels it."""

    TREND_UP = "trend_up"
    TREND_DOWN = "trend_down"
    RANGE = "range"
    EXPANSION = "expansion"
    COMPRESSION = "compression"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Level:
    """A support (S1..S3) or resistance (R1..R3): a price with the number of its touches."""

    level_id: str
    price: Decimal
    touches: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation in words. ``kind`` is trend, structure, momentum, volume, volatility or
    level; ``supports`` names the side it speaks for."""

    kind: str
    text: str
    supports: Direction


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """The analyst's two scores, each 0..1 by rubric."""

    setup_quality: Decimal
    market_environment: Decimal


@dataclass(frozen=True, slots=True)
class AnalysisInput:
    """Everything one analysis may look at: closed candles only, nothing of account or bot.

    ``window`` holds the visible candles and the warm-up of the indicators before them.
    """

    symbol: str
    timeframe: str
    instrument: Instrument
    window: CandleWindow

    @property
    def candle_time(self) -> datetime:
        """Close time of the newest candle: the moment this analysis speaks about."""
        return self.window.last_close_time


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An analyst's answer. With direction NONE the three prices are None.

    ``atr`` is ATR14 at the newest candle and ``last_price`` its close, both from code; rules
    measure distances with them.
    """

    symbol: str
    timeframe: str
    candle_time: datetime
    direction: Direction
    entry_price: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    scores: ScoreParts
    environment: Environment
    evidence: tuple[Evidence, ...]
    strongest_objection: str
    invalidation: str
    atr: Decimal
    last_price: Decimal
