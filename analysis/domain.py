"""What an analyst is given and what it answers.

Prices are ``Decimal`` in quote currency, real (never chart-scaled) and not yet rounded to ticks.
An analyst proposes prices and scores; it never sets quantity, leverage, symbol or approval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

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
class ChartFacts:
    """What code knows about a picture that a model was shown, in drawn (index) units.

    ``factor`` times a real price is the drawn one. ``last_close`` is the printed tag. Bars count
    back from the newest (0, -1, ...); an extreme reached more than once lists every bar.
    ``question_id`` stands in the text only, ``chart_id`` in the picture only: an answer has to
    name both.
    """

    chart_id: str
    question_id: str
    factor: Decimal
    bars: int
    last_close: Decimal
    visible_high: Decimal
    visible_low: Decimal
    high_bars: tuple[int, ...]
    low_bars: tuple[int, ...]
    markers: tuple[Decimal, Decimal]
    newest_hollow: bool
    atr: Decimal
    levels: tuple[Level, ...]

    @property
    def visible_range(self) -> Decimal:
        return self.visible_high - self.visible_low


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the server counted them. ``cached_tokens`` are part of the input,
    ``reasoning_tokens`` part of the output."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class Grounding:
    """Whether the model saw the picture. ``errors`` are shares of the visible range by item
    (None where the model read nothing); ``reason`` is empty when grounded."""

    grounded: bool
    reason: str
    errors: Mapping[str, Decimal | None]

    @property
    def worst(self) -> Decimal | None:
        read = [error for error in self.errors.values() if error is not None]
        return max(read, default=None)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An analyst's answer. With direction NONE the three prices are None.

    ``atr`` is ATR14 at the newest candle and ``last_price`` its close, both from code; rules
    measure distances with them. ``veto`` says in a sentence why it may not be traded on;
    ``features`` (agreement of copies, read-back errors) and ``answer`` (the parsed answer in real
    prices) are for people and for calibration, JSON-ready.
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
    # Only an analyst that looked at a picture fills these.
    grounding: Grounding | None = None
    veto: str = ""
    features: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)
