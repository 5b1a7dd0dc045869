"""Answers in the shapes of both interfaces."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.simulators.openai.asks import RESPONSES, Ask
from tests.simulators.openai.families import text_tokens
from tests.simulators.openai.modes import Outcome

OUT_OF_TOKENS = "max_output_tokens"
FILTERED = "content_filter"


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of one call; cached ones are part of the input, reasoning part of the output."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A body to send, with what it counts."""

    body: dict[str, Any]
    counted: Counted


def reply_to(ask: Ask, outcome: Outcome, cached_tokens: int, key: str) -> Reply:
    """The body for an outcome. ``key`` makes the ids of response and message."""
    text, incomplete = _within_limit(ask, outcome)
    counted = Counted(
        **{
            "input_tokens": ask.input_tokens,
            "cached_tokens": cached_tokens,
            "output_tokens": ask.reasoning_tokens + text_tokens(text or outcome.refusal),
            "reasoning_tokens": ask.reasoning_tokens,
            **outcome.usage,
        }
    )
    shape = _response if ask.api == RESPONSES else _completion
    return Reply(shape(ask, text, outcome.refusal, incomplete, counted, key), counted)


def _within_limit(ask: Ask, outcome: Outcome) -> tuple[str, str]:
    """The text that fits, and why it is not all of it (empty when it is)."""
    if outcome.filtered:
        return "", FILTERED
    if outcome.share < 1:
        return outcome.text[: int(len(outcome.text) * outcome.share)], OUT_OF_TOKENS
    if ask.most_tokens is None:
        return outcome.text, ""
    room = max(0, ask.most_tokens - ask.reasoning_tokens)
    if text_tokens(outcome.text) <= room:
        return outcome.text, ""
    return outcome.text[: room * 4], OUT_OF_TOKENS


def _response(
    ask: Ask, text: str, refusal: str, incomplete: str, counted: Counted, key: str
) -> dict[str, Any]:
    status = "incomplete" if incomplete else "completed"
    part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    if refusal:
        part = {"type": "refusal", "refusal": refusal}
    output: list[dict[str, Any]] = []
    if counted.reasoning_tokens:
        output.append({"id": f"rs_{key}", "type": "reasoning", "summary": []})
    if text or refusal:
        message = {"id": f"msg_{key}", "type": "message", "status": status, "role": "assistant"}
        output.append({**message, "content": [part]})
    now = int(time.time())
    return {
        "id": f"resp_{key}",
        "object": "response",
        "created_at": now,
        "completed_at": None if incomplete else now,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "instructions": ask.body.get("instructions"),
        "max_output_tokens": ask.most_tokens,
        "model": ask.model.name,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": ask.effort if ask.model.reasoning else None, "summary": None},
        "service_tier": "default",
        "store": ask.body.get("store", True),
        "temperature": ask.body.get("temperature") or 1.0,
        "text": ask.body.get("text") or {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": ask.body.get("top_p") or 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": counted.input_tokens,
            "input_tokens_details": {"cached_tokens": counted.cached_tokens},
            "output_tokens": counted.output_tokens,
            "output_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
            "total_tokens": counted.input_tokens + counted.output_tokens,
        },
        "user": ask.body.get("user"),
        "metadata": ask.body.get("metadata") or {},
    }


def _completion(
    ask: Ask, text: str, refusal: str, incomplete: str, counted: Counted, key: str
) -> dict[str, Any]:
    reasons = {"": "stop", OUT_OF_TOKENS: "length", FILTERED: "content_filter"}
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if refusal else text,
        "refusal": refusal or None,
        "annotations": [],
    }
    return {
        "id": f"chatcmpl-{key}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": ask.model.name,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": reasons[incomplete],
            }
        ],
        "usage": {
            "prompt_tokens": counted.input_tokens,
            "completion_tokens": counted.output_tokens,
            "total_tokens": counted.input_tokens + counted.output_tokens,
            "prompt_tokens_details": {"cached_tokens": counted.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": counted.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    }
