"""What is asked of a model's server and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from analysis.domain import Usage

MESSAGE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """One question: pictures (PNG) first, then the text.

    ``schema`` is the strict JSON schema of the answer, None for free text. ``previous`` makes it a
    second try: the raw answer before and what was wrong with it.
    """

    system: str
    user: str
    images: tuple[bytes, ...] = field(repr=False)
    schema: Mapping[str, Any] | None
    schema_name: str
    previous: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A whole answer. ``usage`` is None where the server did not count; ``model`` is what it calls
    itself."""

    text: str
    usage: Usage | None
    model: str
    response_id: str
    latency_ms: int


class FailureCode(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    RATE_LIMITED = "rate_limited"
    SERVER = "server"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    AUTHENTICATION = "authentication"
    BAD_REQUEST = "bad_request"
    EMPTY = "empty"


class CallFailed(Exception):
    """No answer that could be used.

    Out of the gateway ``message`` has at most 300 characters, and no text holds the key. Within
    it nothing is cut yet: half of a key would not be found. ``charged`` is None when nobody knows
    (count it as charged). ``retry_after_s`` is what the server asked for, within 0.5 and 600 s.
    ``raw`` is what there was of an answer.
    """

    def __init__(
        self,
        code: FailureCode,
        message: str,
        *,
        charged: bool | None,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        raw: str = "",
        model: str = "",
        response_id: str = "",
        latency_ms: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.charged = charged
        self.retry_after_s = retry_after_s
        self.usage = usage
        self.raw = raw
        self.model = model
        self.response_id = response_id
        self.latency_ms = latency_ms


Outcome = ModelReply | CallFailed


def reply_failed(
    reply: ModelReply, code: FailureCode, message: str, charged: bool | None, refusal: str
) -> CallFailed:
    """The failure that keeps what the server said and counted. What it counted is charged,
    whatever its error says."""
    return CallFailed(
        code,
        message,
        charged=True if reply.usage is not None else charged,
        usage=reply.usage,
        raw=reply.text or refusal,
        model=reply.model,
        response_id=reply.response_id,
        latency_ms=reply.latency_ms,
    )
