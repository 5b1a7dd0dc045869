"""What leaves for a model's server and what an answer becomes."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from analysis.calls.gateway import ModelGateway, ModelQuestion, request_of
from analysis.choices import ApiStyle, ReasoningEffort
from analysis.domain import Usage
from analysis.models import AnalystProfile
from tests.analysis.calls.model_server import (
    PNG,
    Answer,
    ModelServer,
    chat_body,
    output_text,
    responses_body,
)
from tests.factories.analysis import ModelProfileFactory

KEY = "sk-test-0123456789abcdef"
SCHEMA = {
    "type": "object",
    "properties": {"direction": {"type": "string"}},
    "required": ["direction"],
    "additionalProperties": False,
}
QUESTION = ModelQuestion(
    system="Read the chart.",
    user="Chart of 15m.",
    images=(PNG,),
    schema=SCHEMA,
    schema_name="chart_reading",
)
SECOND_TRY = dataclasses.replace(QUESTION, previous=("{}", "direction is missing"))
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
STYLES = [ApiStyle.RESPONSES, ApiStyle.CHAT]
BODIES: dict[ApiStyle, Callable[..., dict[str, Any]]] = {
    ApiStyle.RESPONSES: responses_body,
    ApiStyle.CHAT: chat_body,
}


def profile_at(server: ModelServer, style: ApiStyle, **changes: Any) -> AnalystProfile:
    return ModelProfileFactory.build(base_url=server.url, api_style=style, **changes)


def gateway(server: ModelServer, style: ApiStyle, **changes: Any) -> ModelGateway:
    return ModelGateway(profile_at(server, style, **changes), KEY)


def test_responses_request_has_the_picture_first_and_a_strict_schema(server: ModelServer) -> None:
    server.answer = Answer(responses_body())
    gateway(server, ApiStyle.RESPONSES, image_detail="original").ask(QUESTION, 5)
    [seen] = server.seen
    assert seen.path == "/v1/responses"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.body == {
        "model": "sim-reader",
        "instructions": "Read the chart.",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": URL, "detail": "original"},
                    {"type": "input_text", "text": "Chart of 15m."},
                ],
            }
        ],
        "max_output_tokens": 6000,
        "store": False,
        "text": {
            "format": {
                "type": "json_schema",
                "name": "chart_reading",
                "strict": True,
                "schema": SCHEMA,
            }
        },
    }


def test_chat_request_has_the_picture_first_and_a_strict_schema(server: ModelServer) -> None:
    server.answer = Answer(chat_body())
    gateway(server, ApiStyle.CHAT).ask(QUESTION, 5)
    [seen] = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.body == {
        "model": "sim-reader",
        "messages": [
            {"role": "system", "content": "Read the chart."},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": URL, "detail": "high"}},
                    {"type": "text", "text": "Chart of 15m."},
                ],
            },
        ],
        "max_completion_tokens": 6000,
        "store": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "chart_reading", "strict": True, "schema": SCHEMA},
        },
    }


def test_effort_is_sent_where_it_is_set(server: ModelServer) -> None:
    low = {"reasoning_effort": ReasoningEffort.LOW}
    responses = request_of(profile_at(server, ApiStyle.RESPONSES, **low), QUESTION)
    chat = request_of(profile_at(server, ApiStyle.CHAT, **low), QUESTION)
    assert responses["reasoning"] == {"effort": "low"}
    assert chat["reasoning_effort"] == "low"


def test_second_try_shows_the_earlier_answer_and_the_complaint(server: ModelServer) -> None:
    responses = request_of(profile_at(server, ApiStyle.RESPONSES), SECOND_TRY)
    chat = request_of(profile_at(server, ApiStyle.CHAT), SECOND_TRY)
    added = [
        {"role": "assistant", "content": "{}"},
        {"role": "user", "content": "direction is missing"},
    ]
    assert responses["input"][1:] == added
    assert chat["messages"][2:] == added


def test_second_try_after_an_empty_answer_has_the_complaint_only(server: ModelServer) -> None:
    question = dataclasses.replace(QUESTION, previous=("", "nothing came"))
    chat = request_of(profile_at(server, ApiStyle.CHAT), question)
    assert chat["messages"][2:] == [{"role": "user", "content": "nothing came"}]


def test_no_schema_asks_for_free_text(server: ModelServer) -> None:
    question = dataclasses.replace(QUESTION, schema=None)
    assert "text" not in request_of(profile_at(server, ApiStyle.RESPONSES), question)
    assert "response_format" not in request_of(profile_at(server, ApiStyle.CHAT), question)


@pytest.mark.parametrize("style", STYLES)
def test_record_of_a_request_has_the_hash_of_the_picture_and_no_key(
    server: ModelServer, style: ApiStyle
) -> None:
    server.answer = Answer(BODIES[style]())
    gateway(server, style).ask(QUESTION, 5)
    recorded = json.dumps(request_of(profile_at(server, style), QUESTION))
    sha256 = hashlib.sha256(PNG).hexdigest()
    part = json.dumps({"image_sha256": sha256, "detail": "high"})
    assert part in recorded
    assert URL not in recorded
    assert KEY not in recorded
    # Beside the picture it is what was sent, word for word.
    sent = json.dumps(server.seen[0].body)
    picture = {
        ApiStyle.RESPONSES: {"type": "input_image", "image_url": URL, "detail": "high"},
        ApiStyle.CHAT: {"type": "image_url", "image_url": {"url": URL, "detail": "high"}},
    }[style]
    assert sent.replace(json.dumps(picture), part) == recorded


@pytest.mark.parametrize("style", STYLES)
def test_answer_and_usage_are_the_same_from_both_interfaces(
    server: ModelServer, style: ApiStyle
) -> None:
    server.answer = Answer(BODIES[style](), wait_s=0.05)
    reply = gateway(server, style).ask(QUESTION, 5)
    assert reply.text == '{"direction": "none"}'
    assert reply.usage == Usage(1500, 1000, 700, 300)
    assert reply.model == "sim-reader-2026"
    assert reply.response_id in ("resp_1", "chatcmpl-1")
    assert 50 <= reply.latency_ms < 5000


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("usage", [None, {}, {"total_tokens": 9}, {"input_tokens": 5}, "many", []])
def test_answer_without_figures_has_no_usage(
    server: ModelServer, style: ApiStyle, usage: Any
) -> None:
    server.answer = Answer(BODIES[style](usage=usage))
    assert gateway(server, style).ask(QUESTION, 5).usage is None


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        pytest.param((100, 0, 50, 0, 150), Usage(100, 0, 50, 0), id="plain"),
        pytest.param((100, 900, 50, 0, 150), Usage(100, 100, 50, 0), id="more cached than read"),
        pytest.param((100, 0, 50, 80, 150), Usage(100, 0, 130, 80), id="thought beside output"),
        pytest.param((100, 0, 50, 30, 180), Usage(100, 0, 80, 30), id="total adds the thought"),
        pytest.param((100, 0, 50, 30, 150), Usage(100, 0, 50, 30), id="thought within output"),
        pytest.param((10**15, 0, 1, 0, 2), Usage(2 * 10**9, 0, 1, 0), id="absurdly many"),
    ],
)
def test_usage_is_never_counted_too_low(
    server: ModelServer, figures: tuple[int, ...], expected: Usage
) -> None:
    read, cached, written, thought, total = figures
    usage = {
        "prompt_tokens": read,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens": written,
        "completion_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": total,
    }
    server.answer = Answer(chat_body(usage=usage))
    assert gateway(server, ApiStyle.CHAT).ask(QUESTION, 5).usage == expected


def test_asides_are_not_part_of_the_answer(server: ModelServer) -> None:
    output = [
        {"type": "message", "phase": "commentary", "content": [output_text("Let me look.")]},
        {"type": "message", "phase": "final_answer", "content": [output_text("{}")]},
    ]
    server.answer = Answer(responses_body(output=output))
    assert gateway(server, ApiStyle.RESPONSES).ask(QUESTION, 5).text == "{}"


def test_chat_content_in_parts_is_joined(server: ModelServer) -> None:
    content = [{"type": "text", "text": '{"a":'}, {"type": "text", "text": " 1}"}]
    server.answer = Answer(chat_body(content))
    assert gateway(server, ApiStyle.CHAT).ask(QUESTION, 5).text == '{"a": 1}'


def test_answer_is_handed_over_as_it_came(server: ModelServer) -> None:
    server.answer = Answer(chat_body("a\0b\ud800c"))
    assert gateway(server, ApiStyle.CHAT).ask(QUESTION, 5).text == "a\0b\ud800c"


def test_server_without_a_key_gets_none(server: ModelServer) -> None:
    server.answer = Answer(chat_body())
    ModelGateway(profile_at(server, ApiStyle.CHAT), "").ask(QUESTION, 5)
    assert "authorization" not in server.seen[0].headers


def test_environment_adds_nothing_to_a_request(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer other\nX-Other: 1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.answer = Answer(responses_body())
    gateway(server, ApiStyle.RESPONSES).ask(QUESTION, 5)
    [seen] = server.seen
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert set(seen.headers) == {
        "host",
        "accept",
        "content-type",
        "content-length",
        "user-agent",
        "accept-encoding",
        "connection",
        "authorization",
    }


def test_several_pictures_keep_their_order(server: ModelServer) -> None:
    question = dataclasses.replace(QUESTION, images=(PNG, PNG + b"2"))
    content = request_of(profile_at(server, ApiStyle.RESPONSES), question)["input"][0]["content"]
    hashes = [part.get("image_sha256") for part in content]
    assert hashes == [
        hashlib.sha256(PNG).hexdigest(),
        hashlib.sha256(PNG + b"2").hexdigest(),
        None,
    ]


def test_question_does_not_show_its_pictures() -> None:
    assert "picture" not in repr(QUESTION)
