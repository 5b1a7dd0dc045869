"""Every way to get no answer: one request leaves, the reason is told, the key is not."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest

from analysis.calls.failures import failure_of_status, retry_after, scrubbed, storable
from analysis.calls.gateway import CallFailed, ModelGateway
from analysis.calls.wire import LONGEST_ANSWER
from analysis.choices import ApiStyle
from analysis.domain import Usage
from tests.analysis.calls.model_server import (
    Answer,
    ModelServer,
    chat_body,
    output_text,
    refusal_of,
    responses_body,
)
from tests.analysis.calls.test_gateway import (
    BODIES,
    KEY,
    QUESTION,
    STYLES,
    gateway,
    profile_at,
)
from tests.factories.analysis import ModelProfileFactory

USAGE = Usage(1500, 1000, 700, 300)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def failure(server: ModelServer, style: ApiStyle = ApiStyle.RESPONSES) -> CallFailed:
    """What asking once comes to, having seen that one request left."""
    with pytest.raises(CallFailed) as caught:
        gateway(server, style).ask(QUESTION, 5)
    assert len(server.seen) == 1
    return caught.value


RESPONSES_FAILURES = [
    pytest.param(
        responses_body(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        "truncated",
        id="cut off",
    ),
    pytest.param(
        responses_body(status="incomplete", incomplete_details={"reason": "content_filter"}),
        "refused",
        id="filtered",
    ),
    pytest.param(responses_body(output=refusal_of("I can't.")), "refused", id="refusal"),
    pytest.param(responses_body(output=[]), "empty", id="nothing"),
    pytest.param(responses_body(" \n"), "empty", id="blank"),
    pytest.param(
        responses_body(status="failed", error={"code": "server_error", "message": "Sorry"}),
        "server",
        id="failed",
    ),
    pytest.param(
        responses_body(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow"}),
        "rate_limited",
        id="failed by a limit",
    ),
    pytest.param(responses_body(status="in_progress"), "server", id="not finished"),
    pytest.param({}, "server", id="not an answer"),
]


@pytest.mark.parametrize(("body", "code"), RESPONSES_FAILURES)
def test_responses_without_a_whole_answer(server: ModelServer, body: Any, code: str) -> None:
    server.answer = Answer(body)
    assert failure(server).code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(chat_body('{"dir', "length"), "truncated", id="cut off"),
        pytest.param(chat_body("", "content_filter"), "refused", id="filtered"),
        pytest.param(chat_body(None, refusal="I can't."), "refused", id="refusal"),
        pytest.param(chat_body(None), "empty", id="nothing"),
        pytest.param(chat_body(choices=[]), "empty", id="no choice"),
        pytest.param({"error": {"code": 429, "message": "Slow"}}, "rate_limited", id="hidden 429"),
        pytest.param({"error": {"code": 502, "message": "Oops"}}, "server", id="hidden 502"),
        pytest.param({"error": "Oops"}, "server", id="hidden error"),
        pytest.param({}, "empty", id="not an answer"),
    ],
)
def test_chat_without_a_whole_answer(server: ModelServer, body: Any, code: str) -> None:
    server.answer = Answer(body)
    assert failure(server, ApiStyle.CHAT).code == code


def test_cut_off_answer_keeps_text_and_usage(server: ModelServer) -> None:
    server.answer = Answer(chat_body('{"dir', "length"))
    failed = failure(server, ApiStyle.CHAT)
    assert (failed.raw, failed.usage, failed.charged) == ('{"dir', USAGE, True)
    assert (failed.model, failed.response_id) == ("sim-reader-2026", "chatcmpl-1")


def test_refusal_beside_text_is_a_refusal(server: ModelServer) -> None:
    content = [output_text("{}"), {"type": "refusal", "refusal": "I can't."}]
    server.answer = Answer(responses_body(output=[{"type": "message", "content": content}]))
    failed = failure(server)
    assert failed.code == "refused"
    assert "I can't." in failed.message


@pytest.mark.parametrize(
    ("status", "code", "charged"),
    [
        (301, "bad_request", None),
        (400, "bad_request", False),
        (401, "authentication", False),
        (402, "authentication", False),
        (403, "authentication", False),
        (404, "bad_request", False),
        (408, "timeout", None),
        (409, "server", False),
        (413, "bad_request", False),
        (422, "bad_request", False),
        (429, "rate_limited", False),
        (500, "server", None),
        (503, "server", None),
        (529, "server", None),
    ],
)
def test_status_is_told_apart_and_nothing_is_sent_again(
    server: ModelServer, status: int, code: str, charged: bool | None
) -> None:
    headers = {"Location": f"{server.url}/elsewhere", "x-should-retry": "true"}
    server.answer = Answer({"error": {"message": "That won't do"}}, status, headers)
    failed = failure(server)
    assert (failed.code, failed.charged) == (code, charged)
    assert f"HTTP {status}" in failed.message
    assert "That won't do" in failed.message


@pytest.mark.parametrize(
    ("status", "error_code", "code"),
    [
        (429, "insufficient_quota", "authentication"),
        (429, "rate_limit_exceeded", "rate_limited"),
        (400, "content_policy_violation", "refused"),
        (400, "context_length_exceeded", "bad_request"),
    ],
)
def test_error_code_tells_more_than_the_status(status: int, error_code: str, code: str) -> None:
    body = {"error": {"code": error_code, "message": "No"}}
    assert failure_of_status(status, body, {}, NOON).code == code


@pytest.mark.parametrize(
    "body", [b"<html>Bad gateway</html>", b"", b"[" * 100_000, b"\xff\xfe", b'{"error": 5}']
)
def test_error_page_of_any_kind_is_a_server_error(server: ModelServer, body: bytes) -> None:
    server.answer = Answer(body, 502)
    assert failure(server).code == "server"


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"", b"[1]", b"[" * 100_000, b'"text"'])
def test_answer_that_is_no_json_object_is_a_server_error(server: ModelServer, body: bytes) -> None:
    server.answer = Answer(body)
    failed = failure(server)
    assert failed.code == "server"
    assert failed.charged is None


def test_endless_answer_is_cut(server: ModelServer) -> None:
    server.answer = Answer(b" " * (LONGEST_ANSWER + 1))
    failed = failure(server)
    assert failed.code == "server"
    assert "longer than" in failed.message


def test_packed_answer_is_refused(server: ModelServer) -> None:
    server.answer = Answer(responses_body(), headers={"Content-Encoding": "gzip"})
    assert failure(server).code == "server"


def test_connection_that_breaks_may_have_cost_something(server: ModelServer) -> None:
    server.answer = Answer(hang_up=True)
    failed = failure(server)
    assert (failed.code, failed.charged) == ("connection", None)


def test_server_that_is_not_there_costs_nothing() -> None:
    profile = ModelProfileFactory.build(base_url="http://127.0.0.1:9/v1")
    with pytest.raises(CallFailed) as caught:
        ModelGateway(profile, KEY).ask(QUESTION, 5)
    assert (caught.value.code, caught.value.charged) == ("connection", False)


@pytest.mark.parametrize("key", ["sk-broken\nX-Header: 1", "sk-bröken-key", "two words"])
def test_impossible_key_is_not_sent(server: ModelServer, key: str) -> None:
    with pytest.raises(CallFailed) as caught:
        ModelGateway(profile_at(server, ApiStyle.CHAT), key).ask(QUESTION, 5)
    assert caught.value.code == "authentication"
    assert key not in str(caught.value)
    assert server.seen == []


@pytest.mark.parametrize("style", [ApiStyle.RESPONSES, ApiStyle.CHAT])
def test_key_that_the_server_repeats_is_kept_nowhere(
    server: ModelServer, style: ApiStyle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer = Answer(
        {"error": {"message": f"Wrong key {KEY} (sk-tes***cdef), Bearer {KEY}"}},
        401,
        {"x-echo": f"Bearer {KEY}"[:7]},
    )
    failed = failure(server, style)
    shown = "".join(traceback.format_exception(failed)) + repr(failed) + repr(vars(failed))
    for secret in (KEY, "sk-tes***cdef"):
        assert secret not in shown
        assert secret not in caplog.text
    assert failed.__cause__ is None
    assert failed.__context__ is None
    assert KEY not in repr(gateway(server, style))


def test_key_in_an_answer_is_taken_out(server: ModelServer) -> None:
    server.answer = Answer(chat_body(f"your key is {KEY}"))
    assert gateway(server, ApiStyle.CHAT).ask(QUESTION, 5).text == "your key is [key]"
    server.answer = Answer(chat_body(f"your key is {KEY}", "length"))
    with pytest.raises(CallFailed) as caught:
        gateway(server, ApiStyle.CHAT).ask(QUESTION, 5)
    assert caught.value.raw == "your key is [key]"


def test_message_is_one_line_of_bounded_length() -> None:
    text = scrubbed("a\nb\x00c\u202e" + "x" * 1000, KEY)
    assert text.startswith("a b c x")
    assert len(text) == 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\0b", "a\ufffdb"), ("\ud800c", "?c"), ("\ufffd über 図", "\ufffd über 図"), ("", "")],
)
def test_text_that_no_database_takes_can_be_made_storable(text: str, expected: str) -> None:
    assert storable(text) == expected


def test_retry_after_of_a_429_is_told(server: ModelServer) -> None:
    server.answer = Answer({}, 429, {"Retry-After": "7"})
    assert failure(server).retry_after_s == 7


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "0"}, 0.5),
        ({"retry-after": "86400"}, 600),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.5),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30"}, 30),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset": str(int(NOON.timestamp()) + 45)}, 45),
        ({"x-ratelimit-reset": str((int(NOON.timestamp()) + 45) * 1000)}, 45),
        ({"x-ratelimit-reset-requests": "1m2s"}, 62),
        ({"x-ratelimit-reset-tokens": "750ms"}, 0.75),
        ({"x-ratelimit-reset-requests": "8m0s", "x-ratelimit-remaining-requests": "40"}, None),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6s"}, 6),
        ({"x-ratelimit-reset-tokens": "6 seconds"}, None),
        ({"retry-after": "4", "x-ratelimit-reset-tokens": "90s"}, 4),
    ],
)
def test_pause_asked_for(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(headers, NOON) == expected


PLAIN_KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("before", range(240, 300, 7))
def test_key_is_not_cut_in_two_before_it_is_taken_out(server: ModelServer, before: int) -> None:
    server.answer = Answer({"error": {"message": "x" * before + PLAIN_KEY}}, 401)
    asked = ModelGateway(profile_at(server, ApiStyle.RESPONSES), PLAIN_KEY)
    with pytest.raises(CallFailed) as caught:
        asked.ask(QUESTION, 5)
    assert PLAIN_KEY[:8] not in caught.value.message
    assert len(caught.value.message) <= 300


def test_key_is_not_cut_in_two_where_a_page_is_kept(server: ModelServer) -> None:
    server.answer = Answer(b"x" * (4000 - 20) + PLAIN_KEY.encode())
    asked = ModelGateway(profile_at(server, ApiStyle.RESPONSES), PLAIN_KEY)
    with pytest.raises(CallFailed) as caught:
        asked.ask(QUESTION, 5)
    assert PLAIN_KEY[:8] not in caught.value.raw
    assert caught.value.raw


@pytest.mark.parametrize("style", STYLES)
def test_names_that_a_server_gives_hold_no_key(server: ModelServer, style: ApiStyle) -> None:
    server.answer = Answer({**BODIES[style](), "model": f"m {KEY}", "id": f"{KEY} 1"})
    reply = gateway(server, style).ask(QUESTION, 5)
    assert (reply.model, reply.response_id) == ("m [key]", "[key] 1")
