"""The Responses interface: what a request looks like and how an answer is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.calls.body import mappings_of, text_of, usage_of
from analysis.calls.failures import failure_in_body
from analysis.calls.parts import PicturePart, data_url, second_try
from analysis.calls.values import (
    CallFailed,
    FailureCode,
    ModelQuestion,
    ModelReply,
    reply_failed,
)

if TYPE_CHECKING:
    from analysis.models import AnalystProfile

PATH = "/responses"


def picture_part(png: bytes, detail: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": data_url(png), "detail": detail}


def request_body(
    profile: AnalystProfile, question: ModelQuestion, picture: PicturePart = picture_part
) -> dict[str, Any]:
    parts = [picture(png, profile.image_detail) for png in question.images]
    parts.append({"type": "input_text", "text": question.user})
    body: dict[str, Any] = {
        "model": profile.model,
        "instructions": question.system,
        "input": [{"role": "user", "content": parts}, *second_try(question)],
        "max_output_tokens": profile.max_output_tokens,
        "store": False,
    }
    if question.schema is not None:
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": question.schema_name,
                "strict": True,
                "schema": dict(question.schema),
            }
        }
    if profile.reasoning_effort:
        body["reasoning"] = {"effort": profile.reasoning_effort}
    return body


def reply_of(body: Mapping[str, Any], latency_ms: int) -> ModelReply:
    """Read an answer. Raises ``CallFailed`` unless it is whole and not refused."""
    failure = _failure(body)
    texts, refusals = _texts(body)
    usage = usage_of(body.get("usage"), input_name="input_tokens", output_name="output_tokens")
    text = "".join(texts)
    reply = ModelReply(text, usage, text_of(body.get("model")), text_of(body.get("id")), latency_ms)
    if failure is not None:
        code, message, charged = failure.code, failure.message, failure.charged
    elif refusals:
        code, message, charged = FailureCode.REFUSED, f"The model refused: {refusals[0]}", True
    elif not text.strip():
        code, message, charged = FailureCode.EMPTY, "The answer holds no text.", True
    else:
        return reply
    raise reply_failed(reply, code, message, charged, "".join(refusals))


def _failure(body: Mapping[str, Any]) -> CallFailed | None:
    status = text_of(body.get("status"))
    if status == "incomplete":
        return _incomplete(body)
    failure = failure_in_body(body)
    if failure is not None or status == "completed":
        return failure
    message = f"The answer's status is {status[:40] or 'missing'}, not completed."
    return CallFailed(FailureCode.SERVER, message, charged=None)


def _incomplete(body: Mapping[str, Any]) -> CallFailed:
    details = body.get("incomplete_details")
    reason = text_of(details.get("reason")) if isinstance(details, Mapping) else ""
    if reason == "content_filter":
        return CallFailed(FailureCode.REFUSED, "A content filter stopped the answer.", charged=True)
    message = f"The answer was cut off ({reason[:40] or 'no reason given'})."
    return CallFailed(FailureCode.TRUNCATED, message, charged=True)


def _texts(body: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What the model wrote as its answer, and its refusals. Asides and thoughts are left out."""
    texts, refusals = [], []
    for item in mappings_of(body.get("output")):
        if item.get("type") != "message" or item.get("phase") == "commentary":
            continue
        for part in mappings_of(item.get("content")):
            if part.get("type") == "output_text":
                texts.append(text_of(part.get("text")))
            elif part.get("type") == "refusal":
                refusals.append(text_of(part.get("refusal")) or "no reason given")
    return texts, refusals
