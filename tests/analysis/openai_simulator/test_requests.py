"""How the simulated model server takes requests: checks, counts, records, concurrency."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.analysis.openai_simulator.door import (
    SCHEMA,
    TRUTH,
    WORDS,
    Door,
    data_url,
    picture,
    sha_of,
)
from tests.simulators.openai.server import OpenAiSim


def test_wrong_key_and_unknown_model_are_refused(door: Door) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        door.ask(model="gpt-nothing")
    assert unknown.value.code == "model_not_found"
    stranger = Door(door.sim, door.api, key="another")
    with pytest.raises(openai.AuthenticationError) as wrong:
        stranger.ask()
    assert "another" not in str(wrong.value)
    stranger.client.close()


@pytest.mark.parametrize(
    "change",
    [
        {"additionalProperties": True},
        {"required": ["chart_id"]},
        {"allOf": []},
        {"properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"]},
        {"properties": {"a": {"type": "array"}}, "required": ["a"]},
        {"type": "array", "items": {"type": "string"}},
    ],
)
def test_schemas_that_strict_mode_does_not_take_are_refused(
    door: Door, change: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        door.ask(schema={**SCHEMA, **change})
    assert refused.value.code == "invalid_json_schema"


@pytest.mark.parametrize(
    "image",
    [
        "https://example.com/chart.png",
        "data:image/png;base64,!!!",
        data_url(b"not a picture"),
        data_url(picture(), "image/svg+xml"),
        data_url(picture()[:200]),
    ],
)
def test_what_is_no_picture_is_refused(door: Door, image: str) -> None:
    with pytest.raises(openai.BadRequestError):
        door.ask(image=image)


def test_unknown_parameters_streams_and_misplaced_effort_are_refused(door: Door) -> None:
    for more in ({"extra_body": {"leverage": 5}}, {"stream": True}):
        with pytest.raises(openai.BadRequestError):
            door.ask(**more)
    effort = (
        {"reasoning": {"effort": "low"}} if door.api == "responses" else {"reasoning_effort": "low"}
    )
    with pytest.raises(openai.BadRequestError):
        door.ask(**effort)
    assert door.fields(model="sim-reasoner", **effort)["question_id"] == "G6QT7T"


def test_pictures_cost_by_tiles_and_patches(door: Door) -> None:
    def cost(model: str, width: int, height: int) -> int:
        door.ask(model=model, image=data_url(picture(width, height)))
        return door.sim.calls[-1].counted.input_tokens

    words = cost("sim-tile", 512, 512) - 255
    assert cost("sim-tile", 1152, 768) - words == 1105
    assert cost("sim-tile", 1536, 1024) - words == 1105
    assert cost("sim-patch", 1152, 768) - words == 1037
    assert cost("sim-patch", 1920, 1280) - words == 1844


def test_usage_counts_reasoning_and_cached_tokens(door: Door) -> None:
    long_words = WORDS + " " * 4000
    first = door.ask(words=long_words, model="sim-reasoner").usage
    limit = (
        {"max_output_tokens": 300} if door.api == "responses" else {"max_completion_tokens": 300}
    )
    door.text(model="sim-reasoner", **limit)
    cut = door.sim.calls[-1]
    details = getattr(first, "output_tokens_details", None) or first.completion_tokens_details
    assert details.reasoning_tokens == 256
    assert cut.counted.output_tokens <= 300
    door.sim.script("perfect", times=1, usage={"output_tokens": 10**9})
    assert door.ask().usage.total_tokens > 10**9


def test_calls_are_recorded_without_keys_and_pictures(door: Door) -> None:
    before = len(door.sim.calls)
    data = picture(300, 200, "WEBP")
    door.ask(image=data_url(data, "image/webp"))
    (call,) = door.sim.calls[before:]
    assert (call.model, call.mode, call.status) == ("sim-tile", "perfect", 200)
    assert (call.images, call.sizes, call.details) == ((sha_of(data),), ((300, 200),), ("high",))
    kept = json.dumps(call.as_json())
    assert "sim-key" not in kept
    assert "base64" not in kept
    assert call.images[0] in json.dumps(call.body)


def test_many_questions_are_answered_at_once(door: Door) -> None:
    door.sim.script("slow", s=0.3)
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: door.text(), range(8)))
    assert len(answers) == 8
    assert time.monotonic() - started < 2
    assert door.sim.most_at_once >= 4


def test_control_door_plants_scripts_and_reports(door: Door) -> None:
    def control(act: str, **params: Any) -> Any:
        request = urllib.request.Request(
            f"{door.sim.url.removesuffix('/v1')}/_sim/{act}", json.dumps(params).encode()
        )
        with urllib.request.urlopen(request, timeout=5) as reply:
            return json.load(reply)

    shown = picture(90, 60)
    control("plant", sha256=sha_of(shown), truth=TRUTH)
    control("script", mode="scripted", text="by control", times=1)
    assert door.text() == "by control"
    assert door.fields(image=data_url(shown))["chart_id"] == "ACDE"
    assert control("calls")["calls"][-1]["images"] == [sha_of(shown)]
    assert control("usage")["calls"] >= 2


def test_models_are_listed_and_headers_tell_the_limits(door: Door) -> None:
    assert "sim-reader" in {model.id for model in door.client.models.list()}
    raw = door.client.responses.with_raw_response.create(model="sim-tile", input="Hello")
    assert raw.headers["x-request-id"].startswith("req_")
    assert int(raw.headers["x-ratelimit-remaining-requests"]) < 10_000


def test_nothing_runs_on_after_the_end() -> None:
    before = set(threading.enumerate())
    with OpenAiSim() as sim:
        sim.script("slow", s=30)
        door = Door(sim, "chat")
        with pytest.raises(openai.APITimeoutError):
            door.ask(timeout=0.2)
        door.client.close()
    assert set(threading.enumerate()) <= before
