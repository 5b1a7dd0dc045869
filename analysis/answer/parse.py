"""The one door from a model's text to an ``Answer``."""

from __future__ import annotations

from typing import Any

from analysis.answer.fields import ID_TEXT, LONG_TEXT, MAX_BARS_BACK, SHORT_TEXT, Fields
from analysis.answer.rules import check_answer
from analysis.answer.schema import ANSWER_SCHEMA
from analysis.answer.strict import strict_json
from analysis.answer.value import (
    Answer,
    Conflict,
    EntryType,
    InvalidationCondition,
    LastBar,
    Legible,
    LevelId,
    Observation,
    ObservationKind,
)
from analysis.domain import ChartFacts, Direction, Environment

_NAMES = ANSWER_SCHEMA["properties"]
_OBSERVATION_NAMES = _NAMES["observations"]["items"]["properties"]
FEWEST_OBSERVATIONS, MOST_OBSERVATIONS = 3, 6
MOST_REASONS = 3
MOST_MISSED = 3


def parse_answer(text: str, facts: ChartFacts) -> Answer:
    """Read and check a model's answer about the picture of ``facts``.

    Raises ``AnalysisInvalid``; its message is one sentence that may be sent back to the model
    and tells nothing about the picture. Whether the model saw the picture is for ``ground``.
    """
    answer = _read(Fields(strict_json(text), _NAMES))
    check_answer(answer, facts)
    return answer


def _read(fields: Fields) -> Answer:
    return Answer(
        question_id=fields.text("question_id", ID_TEXT),
        chart_id=fields.text("chart_id", ID_TEXT),
        last_close=fields.price("last_close"),
        marker_1=fields.optional("marker_1", fields.price),
        marker_2=fields.optional("marker_2", fields.price),
        visible_high=fields.price("visible_high"),
        visible_low=fields.price("visible_low"),
        high_bar=fields.bar("high_bar"),
        low_bar=fields.bar("low_bar"),
        last_bar=fields.choice("last_bar", LastBar),
        legible=fields.choice("legible", Legible),
        observations=_observations(fields),
        environment=fields.choice("environment", Environment),
        environment_fit=fields.score("environment_fit"),
        case_long=fields.texts("case_long", 1, MOST_REASONS),
        case_short=fields.texts("case_short", 1, MOST_REASONS),
        strongest_objection=fields.text("strongest_objection", LONG_TEXT),
        invalidation_level_id=_level_id(fields, "invalidation_level_id"),
        invalidation_price=fields.optional("invalidation_price", fields.price),
        invalidation_condition=fields.optional(
            "invalidation_condition", lambda name: fields.choice(name, InvalidationCondition)
        ),
        invalidation_bars=fields.optional(
            "invalidation_bars", lambda name: fields.integer(name, 1, MAX_BARS_BACK)
        ),
        setup_quality=fields.score("setup_quality"),
        direction=fields.choice("direction", Direction),
        entry_type=fields.optional("entry_type", lambda name: fields.choice(name, EntryType)),
        entry=fields.optional("entry", fields.price),
        stop=fields.optional("stop", fields.price),
        target=fields.optional("target", fields.price),
        stop_level_id=_level_id(fields, "stop_level_id"),
        target_level_id=_level_id(fields, "target_level_id"),
        target_first=fields.probability("target_first"),
        stop_first=fields.probability("stop_first"),
        neither=fields.probability("neither"),
        not_visible=fields.texts("not_visible", 0, MOST_MISSED),
        conflict=fields.choice("conflict", Conflict),
    )


def _observations(fields: Fields) -> tuple[Observation, ...]:
    items = fields.items("observations", FEWEST_OBSERVATIONS, MOST_OBSERVATIONS)
    return tuple(_observation(item, index) for index, item in enumerate(items))


def _observation(item: Any, index: int) -> Observation:
    fields = Fields(item, _OBSERVATION_NAMES, f"observations[{index}]")
    return Observation(
        kind=fields.choice("kind", ObservationKind),
        from_bar=fields.bar("from_bar"),
        to_bar=fields.bar("to_bar"),
        level_id=_level_id(fields, "level_id"),
        text=fields.text("text", SHORT_TEXT),
    )


def _level_id(fields: Fields, name: str) -> LevelId | None:
    return fields.optional(name, lambda field: fields.choice(field, LevelId))
