from __future__ import annotations

import json
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any

import pytest

from analysis.answer.value import Answer
from analysis.domain import Direction, Environment
from tests.analysis.answer.makers import (
    long_answer,
    none_answer,
    observation,
    parsed,
    refusal,
    refusal_of,
    short_answer,
)

NUMBER_FIELDS = [
    "last_close",
    "marker_1",
    "marker_2",
    "visible_high",
    "visible_low",
    "high_bar",
    "low_bar",
    "environment_fit",
    "invalidation_price",
    "invalidation_bars",
    "setup_quality",
    "entry",
    "stop",
    "target",
    "target_first",
    "stop_first",
    "neither",
]
CHOICE_FIELDS = [
    "last_bar",
    "legible",
    "environment",
    "invalidation_level_id",
    "invalidation_condition",
    "direction",
    "entry_type",
    "stop_level_id",
    "target_level_id",
    "conflict",
]
NULLABLE = {
    "marker_1",
    "marker_2",
    "invalidation_level_id",
    "invalidation_price",
    "invalidation_condition",
    "invalidation_bars",
    "entry_type",
    "entry",
    "stop",
    "target",
    "stop_level_id",
    "target_level_id",
}


def test_a_valid_answer_is_taken_field_by_field() -> None:
    answer = parsed(long_answer())
    assert answer.direction is Direction.LONG
    assert answer.environment is Environment.TREND_UP
    assert (answer.entry, answer.stop, answer.target) == (
        Decimal("100.2"),
        Decimal("99.0"),
        Decimal("103.0"),
    )
    assert answer.observations[2].level_id == "S1"
    assert answer.case_short == ("The highs stopped rising.", "Volume fades.")
    # Every field holds what was written, none is computed or filled in.
    written = json.loads(json.dumps(long_answer()), parse_float=Decimal, parse_int=Decimal)
    read = asdict(answer)
    assert {
        name: list(value) if isinstance(value, tuple) else value for name, value in read.items()
    } == written


@pytest.mark.parametrize("make", [long_answer, short_answer, none_answer])
def test_each_direction_has_a_valid_answer(make: Any) -> None:
    written = make()
    assert parsed(written).direction == written["direction"]


def test_a_marker_may_be_unread() -> None:
    answer = parsed(long_answer(marker_1=None, marker_2=None, legible="partly"))
    assert (answer.marker_1, answer.marker_2) == (None, None)


@pytest.mark.parametrize("name", [field.name for field in fields(Answer)])
def test_no_field_may_be_missing(name: str) -> None:
    written = long_answer()
    del written[name]
    assert refusal_of(written) == "missing_field"


@pytest.mark.parametrize("name", [f.name for f in fields(Answer) if f.name not in NULLABLE])
def test_only_optional_fields_may_be_null(name: str) -> None:
    code = refusal_of(long_answer(**{name: None}))
    assert code in {"type", "unknown_value"}


@pytest.mark.parametrize(
    "name",
    ["quantity", "qty", "leverage", "symbol", "approve", "confidence", "Direction", "entry ", ""],
)
def test_a_field_nobody_asked_for_refuses_the_answer(name: str) -> None:
    assert refusal_of(long_answer(**{name: 1})) == "unknown_field"
    seen = [observation(**{name: 1}), observation(), observation()]
    assert refusal_of(long_answer(observations=seen)) == "unknown_field"


@pytest.mark.parametrize("name", NUMBER_FIELDS)
@pytest.mark.parametrize("value", ["1", "null", "", True, False, [1], {"value": 1}])
def test_a_number_is_a_number(name: str, value: Any) -> None:
    assert refusal_of(long_answer(**{name: value})) == "type"


@pytest.mark.parametrize("name", CHOICE_FIELDS)
@pytest.mark.parametrize("value", ["", "buy", "null", "LONG", " long", "nonE", 0, True, [], {}])
def test_an_unknown_choice_is_refused_and_never_a_default(name: str, value: Any) -> None:
    assert refusal_of(long_answer(**{name: value})) == "unknown_value"


@pytest.mark.parametrize("value", ["lоng", "long\u200b", "ＬＯＮＧ", "ſhort"])
def test_a_side_in_look_alike_letters_is_no_side(value: str) -> None:
    assert refusal_of(long_answer(direction=value)) == "unknown_value"


@pytest.mark.parametrize("name", ["high_bar", "low_bar", "invalidation_bars"])
@pytest.mark.parametrize("literal", ["-4.0", "-4.5", "-40e-1", "1e1", "4.0"])
def test_bars_are_written_as_integers(name: str, literal: str) -> None:
    text = json.dumps(long_answer(**{name: 7777})).replace("7777", literal)
    assert refusal(text) == "type"


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("high_bar", [-100, -1, 0], [-101, 1, 40]),
        ("low_bar", [-100, -1, 0], [-101, 1, 40]),
        ("invalidation_bars", [1, 100], [0, -1, 101]),
    ],
)
def test_bars_are_bounded(name: str, taken: list[int], refused: list[int]) -> None:
    assert [refusal_of(long_answer(**{name: bar})) for bar in taken] == [""] * len(taken)
    codes = {refusal_of(long_answer(**{name: bar})) for bar in refused}
    assert codes == {"integer_range"}


@pytest.mark.parametrize("name", ["environment_fit", "setup_quality"])
def test_scores_are_steps_of_a_quarter(name: str) -> None:
    for score in (0, 0.25, 0.5, 0.75, 1):
        assert refusal_of(long_answer(**{name: score})) == ""
    for score in (-0.25, 0.1, 0.85, 1.25, 75, 0.2500001):
        assert refusal_of(long_answer(**{name: score})) == "score"


@pytest.mark.parametrize("name", ["last_close", "marker_1", "visible_low", "entry", "stop"])
@pytest.mark.parametrize("value", [0, -100.2, 1_000_000, 97_431_000_000])
def test_prices_are_above_zero_and_not_absurd(name: str, value: float) -> None:
    assert refusal_of(long_answer(**{name: value})) == "price_range"


@pytest.mark.parametrize(
    ("name", "length", "code"),
    [("strongest_objection", 200, "text_length"), ("question_id", 16, "text_length")],
)
def test_texts_are_bounded(name: str, length: int, code: str) -> None:
    assert refusal_of(long_answer(**{name: "a" * length})) != code
    assert refusal_of(long_answer(**{name: "a" * (length + 1)})) == code
    assert refusal_of(long_answer(**{name: ""})) == "text_empty"
    assert refusal_of(long_answer(**{name: "  "})) == "text_empty"
    assert refusal_of(long_answer(**{name: 7})) == "type"


@pytest.mark.parametrize(
    ("name", "fewest", "most"),
    [("case_long", 1, 3), ("case_short", 1, 3), ("not_visible", 0, 3)],
)
def test_lists_of_texts_are_bounded(name: str, fewest: int, most: int) -> None:
    for count in (fewest, most):
        assert refusal_of(long_answer(**{name: ["a" * 160] * count})) == ""
    assert refusal_of(long_answer(**{name: ["a"] * (most + 1)})) == "list_length"
    assert refusal_of(long_answer(**{name: ["a" * 161]})) == "text_length"
    assert refusal_of(long_answer(**{name: [""]})) == "text_empty"
    assert refusal_of(long_answer(**{name: [1]})) == "type"
    assert refusal_of(long_answer(**{name: "a"})) == "type"


def test_both_cases_are_mandatory() -> None:
    assert refusal_of(long_answer(case_long=[])) == "list_length"
    assert refusal_of(long_answer(case_short=[])) == "list_length"


@pytest.mark.parametrize(("count", "code"), [(2, "list_length"), (7, "list_length"), (6, "")])
def test_three_to_six_observations(count: int, code: str) -> None:
    assert refusal_of(long_answer(observations=[observation()] * count)) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "pattern"}, "unknown_value"),
        ({"level_id": "R4"}, "unknown_value"),
        ({"level_id": "none"}, "unknown_value"),
        ({"from_bar": None}, "type"),
        ({"from_bar": "-3"}, "type"),
        ({"from_bar": -101}, "integer_range"),
        ({"to_bar": 1}, "integer_range"),
        ({"text": "a" * 161}, "text_length"),
        ({"text": None}, "type"),
    ],
)
def test_each_observation_is_checked(changes: dict[str, Any], code: str) -> None:
    seen = [observation(), observation(), observation(**changes)]
    assert refusal_of(long_answer(observations=seen)) == code


@pytest.mark.parametrize("item", [None, 1, "trend", [], [1]])
def test_an_observation_is_an_object(item: Any) -> None:
    assert refusal_of(long_answer(observations=[item] * 3)) == "type"


@pytest.mark.parametrize(
    "character",
    [
        "\u0000",
        "\n",
        "\t",
        "\x1b",
        "\x7f",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u2028",
        "\ue000",
        "\ufeff",
    ],
)
def test_control_and_direction_characters_are_refused(character: str) -> None:
    text = f"Price{character}rises"
    assert refusal_of(long_answer(strongest_objection=text)) == "text_characters"
    assert refusal_of(long_answer(case_long=[text])) == "text_characters"
    seen = [observation(text=text), observation(), observation()]
    assert refusal_of(long_answer(observations=seen)) == "text_characters"


@pytest.mark.parametrize("text", ["Kurs fällt über 5 %", "支撑位 S1", "<b>bold</b>", "{{ 7*7 }}"])
def test_other_characters_are_kept_as_written(text: str) -> None:
    assert parsed(long_answer(strongest_objection=text)).strongest_objection == text


@pytest.mark.parametrize("text", ["[]", "null", "1", '"long"', "true", "[{}]"])
def test_an_answer_is_an_object(text: str) -> None:
    assert refusal(text) == "type"
