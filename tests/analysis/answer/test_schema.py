from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from analysis.answer.schema import ANSWER_SCHEMA, SCHEMA_NAME
from analysis.answer.value import Answer, Observation

ORDER_TEXT = """
question_id chart_id last_close marker_1 marker_2 visible_high visible_low high_bar low_bar
last_bar legible observations environment environment_fit case_long case_short
strongest_objection invalidation_level_id invalidation_price invalidation_condition
invalidation_bars setup_quality direction entry_type entry stop target stop_level_id
target_level_id target_first stop_first neither not_visible conflict
"""
ORDER = ORDER_TEXT.split()


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every part of a schema, the whole first."""
    yield schema
    parts = [
        *schema.get("properties", {}).values(),
        *schema.get("anyOf", []),
        *([schema["items"]] if "items" in schema else []),
    ]
    for part in parts:
        yield from objects(part)


def test_fields_come_in_the_order_of_the_design() -> None:
    assert list(ANSWER_SCHEMA["properties"]) == ORDER
    assert [field.name for field in fields(Answer)] == ORDER


def test_every_record_is_closed_and_requires_all_its_fields() -> None:
    records = [part for part in objects(ANSWER_SCHEMA) if part.get("type") == "object"]
    assert len(records) == 2
    for record in records:
        assert record["additionalProperties"] is False
        assert record["required"] == list(record["properties"])
    assert list(records[1]["properties"]) == [field.name for field in fields(Observation)]


def test_only_words_that_strict_servers_know_are_used() -> None:
    known = {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "anyOf",
        "description",
    }
    used = {word for part in objects(ANSWER_SCHEMA) for word in part}
    assert used == known
    kinds = {part["type"] for part in objects(ANSWER_SCHEMA) if "type" in part}
    assert kinds == {"object", "array", "string", "number", "integer", "null"}


def test_each_part_has_either_a_type_or_alternatives() -> None:
    assert all(("type" in part) != ("anyOf" in part) for part in objects(ANSWER_SCHEMA))


def test_optional_fields_are_unions_with_null() -> None:
    optional = [name for name, part in ANSWER_SCHEMA["properties"].items() if "anyOf" in part]
    nullable = [field.name for field in fields(Answer) if "None" in str(field.type)]
    assert optional == nullable
    for name in optional:
        assert ANSWER_SCHEMA["properties"][name]["anyOf"][1] == {"type": "null"}


def send_responses(client: OpenAI) -> None:
    client.responses.create(
        model="reader",
        input="x",
        text={
            "format": {
                "type": "json_schema",
                "name": SCHEMA_NAME,
                "schema": ANSWER_SCHEMA,
                "strict": True,
            }
        },
    )


def send_chat(client: OpenAI) -> None:
    client.chat.completions.create(
        model="reader",
        messages=[{"role": "user", "content": "x"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": SCHEMA_NAME, "schema": ANSWER_SCHEMA, "strict": True},
        },
    )


@pytest.mark.parametrize(
    ("send", "place"),
    [
        (send_responses, ("text", "format")),
        (send_chat, ("response_format", "json_schema")),
    ],
)
def test_the_package_sends_the_schema_with_its_keys_in_order(
    send: Any, place: tuple[str, str]
) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(json.loads(request.content))
        return httpx2.Response(200, json={"id": "r1", "output": [], "choices": []})

    door = httpx2.Client(transport=httpx2.MockTransport(answer))
    with OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", http_client=door) as client:
        send(client)
    sent = bodies[0][place[0]][place[1]]
    assert sent["strict"] is True
    assert sent["schema"] == ANSWER_SCHEMA
    assert list(sent["schema"]["properties"]) == ORDER
