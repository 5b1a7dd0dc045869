"""Parts of a request that both interfaces share."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from analysis.calls.values import ModelQuestion

# Turns a picture and its detail into a part of a message.
PicturePart = Callable[[bytes, str], dict[str, Any]]


def data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def recorded_picture(png: bytes, detail: str) -> dict[str, Any]:
    """What the record of a request holds instead of the picture."""
    return {"image_sha256": hashlib.sha256(png).hexdigest(), "detail": detail}


def second_try(question: ModelQuestion) -> list[dict[str, Any]]:
    """The turns that show the model its earlier answer and what was wrong with it."""
    if question.previous is None:
        return []
    raw, complaint = question.previous
    turns = [{"role": "assistant", "content": raw}] if raw else []
    return [*turns, {"role": "user", "content": complaint}]
