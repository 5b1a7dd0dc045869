"""A model's answer about one chart, as a value whose every field was checked.

Prices are in index units as drawn, bars count back from the newest (0, -1, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from analysis.domain import Direction, Environment


class LastBar(StrEnum):
    """How the newest candle is drawn: hollow closed up, solid closed down."""

    HOLLOW = "hollow"
    SOLID = "solid"


class Legible(StrEnum):
    ALL = "all"
    PARTLY = "partly"
    NO = "no"


class ObservationKind(StrEnum):
    TREND = "trend"
    STRUCTURE = "structure"
    MOMENTUM = "momentum"
    VOLUME = "volume"
    VOLATILITY = "volatility"
    LEVEL = "level"


class LevelId(StrEnum):
    """Every id a chart can carry; one chart carries some of them."""

    R1 = "R1"
    R2 = "R2"
    R3 = "R3"
    S1 = "S1"
    S2 = "S2"
    S3 = "S3"


class InvalidationCondition(StrEnum):
    CLOSE_BEYOND = "close_beyond"
    TOUCH = "touch"
    TIME = "time"


class EntryType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class Conflict(StrEnum):
    """What contradicts what; anything but NONE forbids trading on the answer."""

    NONE = "none"
    IMAGE_VS_TABLE = "image_vs_table"
    WITHIN_IMAGE = "within_image"


@dataclass(frozen=True, slots=True)
class Observation:
    """Something seen on the bars ``from_bar`` (older) to ``to_bar``."""

    kind: ObservationKind
    from_bar: int
    to_bar: int
    level_id: LevelId | None
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """All fields in the order they were asked for.

    ``entry_type``, ``entry``, ``stop`` and ``target`` are None exactly when ``direction`` is
    NONE; the invalidation fields are all None when the model named none. Scores are steps of a
    quarter from 0 to 1, the three probabilities sum to 1 within 0.02.
    """

    question_id: str
    chart_id: str
    last_close: Decimal
    marker_1: Decimal | None
    marker_2: Decimal | None
    visible_high: Decimal
    visible_low: Decimal
    high_bar: int
    low_bar: int
    last_bar: LastBar
    legible: Legible
    observations: tuple[Observation, ...]
    environment: Environment
    environment_fit: Decimal
    case_long: tuple[str, ...]
    case_short: tuple[str, ...]
    strongest_objection: str
    invalidation_level_id: LevelId | None
    invalidation_price: Decimal | None
    invalidation_condition: InvalidationCondition | None
    invalidation_bars: int | None
    setup_quality: Decimal
    direction: Direction
    entry_type: EntryType | None
    entry: Decimal | None
    stop: Decimal | None
    target: Decimal | None
    stop_level_id: LevelId | None
    target_level_id: LevelId | None
    target_first: Decimal
    stop_first: Decimal
    neither: Decimal
    not_visible: tuple[str, ...]
    conflict: Conflict
