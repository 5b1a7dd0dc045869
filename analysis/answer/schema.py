"""The form an answer has to take, as servers with structured output enforce it.

Field order is part of the design: first what is seen, then both cases, what would prove them
wrong, scores, and only then a side with its prices. Bounds stand in words: not every server
knows the keywords for them, so ``parse`` checks every one again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from analysis.answer.value import (
    Conflict,
    EntryType,
    InvalidationCondition,
    LastBar,
    Legible,
    LevelId,
    ObservationKind,
)
from analysis.domain import Direction, Environment

# Part of what identifies a reading: changes whenever an answer would be asked for or judged
# differently.
SCHEMA_VERSION = "1"
SCHEMA_NAME = "chart_reading"

_NULL: dict[str, Any] = {"type": "null"}


def _text(words: str) -> dict[str, Any]:
    return {"type": "string", "description": words}


def _number(words: str) -> dict[str, Any]:
    return {"type": "number", "description": words}


def _integer(words: str) -> dict[str, Any]:
    return {"type": "integer", "description": words}


def one_of(options: type[StrEnum], words: str) -> dict[str, Any]:
    """The form of a word out of a list; ``words`` say what it is for."""
    return {
        "type": "string",
        "enum": [option.value for option in options],
        "description": words,
    }


def _or_null(kind: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in kind.items() if key != "description"}
    return {"anyOf": [plain, _NULL], "description": kind["description"]}


def _list(items: Mapping[str, Any], words: str) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "description": words}


def record(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The form of an object with these fields, all of them and no other."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_OBSERVATION = record(
    {
        "kind": one_of(ObservationKind, "what it is about"),
        "from_bar": _integer("oldest bar it rests on, 0 is the newest, older ones negative"),
        "to_bar": _integer("newest bar it rests on"),
        "level_id": _or_null(one_of(LevelId, "level it is about, null without one")),
        "text": _text("one plain sentence, at most 160 characters"),
    }
)

ANSWER_SCHEMA: dict[str, Any] = record(
    {
        "question_id": _text("the id of this question, copied from the text"),
        "chart_id": _text("the id printed on the picture"),
        "last_close": _number("printed last price, every digit"),
        "marker_1": _or_null(_number("price at marker 1, null if it can't be read")),
        "marker_2": _or_null(_number("price at marker 2, null if it can't be read")),
        "visible_high": _number("highest price drawn"),
        "visible_low": _number("lowest price drawn"),
        "high_bar": _integer("bar of the highest price, 0 is the newest, older ones negative"),
        "low_bar": _integer("bar of the lowest price"),
        "last_bar": one_of(LastBar, "how the newest candle is drawn"),
        "legible": one_of(Legible, "how much of the picture can be read"),
        "observations": _list(_OBSERVATION, "3 to 6"),
        "environment": one_of(Environment, "what the market is doing"),
        "environment_fit": _number("0, 0.25, 0.5, 0.75 or 1 by the rubric"),
        "case_long": _list(_text("at most 160 characters"), "1 to 3 reasons to be long"),
        "case_short": _list(_text("at most 160 characters"), "1 to 3 reasons to be short"),
        "strongest_objection": _text("against the side leaned to, at most 200 characters"),
        "invalidation_level_id": _or_null(one_of(LevelId, "level that ends the idea")),
        "invalidation_price": _or_null(_number("price that ends the idea")),
        "invalidation_condition": _or_null(
            one_of(InvalidationCondition, "how it ends; null with all four null")
        ),
        "invalidation_bars": _or_null(_integer("bars after which it ends, needed for time")),
        "setup_quality": _number("0, 0.25, 0.5, 0.75 or 1 by the rubric"),
        "direction": one_of(Direction, "the verdict"),
        "entry_type": _or_null(one_of(EntryType, "null with direction none")),
        "entry": _or_null(_number("null with direction none")),
        "stop": _or_null(_number("null with direction none")),
        "target": _or_null(_number("null with direction none")),
        "stop_level_id": _or_null(one_of(LevelId, "level the stop rests on, or null")),
        "target_level_id": _or_null(one_of(LevelId, "level the target rests on, or null")),
        "target_first": _number("probability 0 to 1; the three sum to 1"),
        "stop_first": _number("probability 0 to 1"),
        "neither": _number("probability 0 to 1 that neither is reached in the horizon"),
        "not_visible": _list(
            _text("at most 160 characters"), "up to 3 things needed but not shown"
        ),
        "conflict": one_of(Conflict, "which sources contradict each other"),
    }
)
