"""The Chat Completions interface: what a request looks like and how an answer is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.calls.body import mappings_of, text_of, usage_of
from analysis.calls.failures import failure_in_body
from analysis.calls.parts import PicturePart, data_url, second_try
from analysis.calls.values import FailureCode, ModelQuestion, ModelReply, reply_failed

if TYPE_CHECKING:
    from analysis.models import AnalystProfile

PATH = "/chat/completions"


def picture_part(png: bytes, detail: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(png), "detail": detail}}


def request_body(
    profile: AnalystProfile, question: ModelQuestion, picture: PicturePart = picture_part
) -> dict[str, Any]:
    parts = [picture(png, profile.image_detail) for png in question.images]
    parts.append({"type": "text", "text": question.user})
    body: dict[str, Any] = {
        "model": profile.model,
        "messages": [
            {"role": "system", "content": question.system},
            {"role": "user", "content": parts},
            *second_try(question),
        ],
        "max_completion_tokens": profile.max_output_tokens,
        "store": False,
    }
    if question.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": question.schema_name,
                "strict": True,
                "schema": dict(question.schema),
            },
        }
    if profile.reasoning_effort:
        body["reasoning_effort"] = profile.reasoning_effort
    return body


def reply_of(body: Mapping[str, Any], latency_ms: int) -> ModelReply:
    """Read an answer. Raises ``CallFailed`` unless it is whole and not refused."""
    choice = next(iter(mappings_of(body.get("choices"))), {})
    message = choice.get("message")
    message = message if isinstance(message, Mapping) else {}
    usage = usage_of(body.get("usage"), input_name="prompt_tokens", output_name="completion_tokens")
    text, refusal = _content(message.get("content")), text_of(message.get("refusal"))
    reply = ModelReply(text, usage, text_of(body.get("model")), text_of(body.get("id")), latency_ms)
    failure = failure_in_body(body)
    if failure is not None:
        raise reply_failed(reply, failure.code, failure.message, failure.charged, refusal)
    found = _problem(text_of(choice.get("finish_reason")), refusal, text)
    if found is not None:
        raise reply_failed(reply, *found, True, refusal)
    return reply


def _problem(finished: str, refusal: str, text: str) -> tuple[FailureCode, str] | None:
    if finished == "length":
        return FailureCode.TRUNCATED, "The answer was cut off (max_completion_tokens)."
    if finished == "content_filter":
        return FailureCode.REFUSED, "A content filter stopped the answer."
    if refusal:
        return FailureCode.REFUSED, f"The model refused: {refusal}"
    if not text.strip():
        return FailureCode.EMPTY, "The answer holds no text."
    return None


def _content(content: Any) -> str:
    """The text, which some servers send in parts."""
    if isinstance(content, str):
        return content
    return "".join(text_of(part.get("text")) for part in mappings_of(content))
