"""One door to a model's server: a question, a deadline, and an answer or the reason for none.

A question leaves exactly once. Nothing here writes rows; who asks keeps the evidence.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.db import connections

from analysis.calls import chat_api, responses_api
from analysis.calls.deadline import Handover, Line
from analysis.calls.failures import (
    RAW_LENGTH,
    failure_of_status,
    scrubbed,
    without_key,
)
from analysis.calls.parts import recorded_picture
from analysis.calls.values import (
    CallFailed,
    FailureCode,
    ModelQuestion,
    ModelReply,
    Outcome,
)
from analysis.choices import ApiStyle
from analysis.profiles import api_key_of, server_of

if TYPE_CHECKING:
    from analysis.calls.wire import HttpAnswer
    from analysis.models import AnalystProfile

__all__ = [
    "CallFailed",
    "FailureCode",
    "LateListener",
    "ModelGateway",
    "ModelQuestion",
    "ModelReply",
    "gateway_for",
    "request_of",
]

logger = logging.getLogger(__name__)

# How long a late answer is still worth having, for what it shows and for what it cost.
LATE_PATIENCE_S = 60.0
# Of what a server calls its model and its answer.
NAME_LENGTH = 120

LateListener = Callable[[Outcome], None]


def _api_of(profile: AnalystProfile) -> ModuleType:
    return chat_api if profile.api_style == ApiStyle.CHAT else responses_api


def request_of(profile: AnalystProfile, question: ModelQuestion) -> dict[str, Any]:
    """What is sent, as JSON, without the key and with pictures by their SHA-256."""
    body: dict[str, Any] = _api_of(profile).request_body(profile, question, recorded_picture)
    return body


class ModelGateway:
    """Asks one model at one server."""

    def __init__(self, profile: AnalystProfile, api_key: str) -> None:
        # Loads the openai package, which takes most of a second, before any deadline runs.
        from analysis.calls import wire

        self._post = wire.post
        self._profile = profile
        self._api = _api_of(profile)
        self._base_url = server_of(profile)
        self._api_key = api_key.strip()

    def ask(
        self, question: ModelQuestion, deadline_s: float, late: LateListener | None = None
    ) -> ModelReply:
        """Send the question once and wait ``deadline_s`` at most, however slowly bytes drip in.

        Raises ``CallFailed``. After the deadline the call is heard out for as long again, at most
        a minute, if somebody wants to know: ``late`` is then told exactly once, in another thread,
        what came of it. Without ``late`` its connection is cut at once.
        """
        problem = self._problem(deadline_s)
        if problem is not None:
            raise problem
        line, handover = Line(), Handover()
        patience_s = min(deadline_s, LATE_PATIENCE_S) if late is not None else 0.0
        threading.Thread(
            target=self._call,
            args=(question, deadline_s + patience_s, line, handover, late),
            name=f"model call of {self._profile.name}",
            daemon=True,
        ).start()
        outcome = handover.wait(deadline_s)
        if outcome is None:
            if patience_s:
                line.cut_after(patience_s)
            else:
                line.cut()
            message = f"No answer within {deadline_s:.1f} s."
            raise CallFailed(FailureCode.TIMEOUT, message, charged=None)
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome

    def _problem(self, deadline_s: float) -> CallFailed | None:
        """Why the question can't even be sent, if so."""
        if deadline_s <= 0:
            message = "The deadline passed before the question was sent."
            return CallFailed(FailureCode.TIMEOUT, message, charged=False)
        if not self._api_key.isascii() or not self._api_key.isprintable() or " " in self._api_key:
            message = "The API key holds characters that no key has; enter it again."
            return CallFailed(FailureCode.AUTHENTICATION, message, charged=False)
        return None

    def _call(
        self,
        question: ModelQuestion,
        patience_s: float,
        line: Line,
        handover: Handover,
        late: LateListener | None,
    ) -> None:
        """The thread of one call."""
        try:
            outcome = self._outcome(question, patience_s, line)
            if not handover.deliver(outcome) and late is not None:
                late(outcome)
        except Exception:
            logger.exception("A late answer of %s could not be kept", self._profile.name)
        finally:
            connections.close_all()

    def _outcome(self, question: ModelQuestion, patience_s: float, line: Line) -> Outcome:
        started = time.monotonic()
        outcome: Outcome
        try:
            outcome = self._exchange(question, patience_s, line, started)
        except CallFailed as failure:
            outcome = failure
        except Exception as error:
            outcome = self._unexpected(error)
        finally:
            line.end()
        if isinstance(outcome, ModelReply):
            return outcome
        if line.was_cut:
            message = "No answer by the time the connection was cut."
            return CallFailed(FailureCode.TIMEOUT, message, charged=None)
        return self._cleaned(outcome, round((time.monotonic() - started) * 1000))

    def _exchange(
        self, question: ModelQuestion, patience_s: float, line: Line, started: float
    ) -> ModelReply:
        body = self._api.request_body(self._profile, question)
        answer = self._post(self._base_url, self._api_key, self._api.PATH, body, line, patience_s)
        latency_ms = round((time.monotonic() - started) * 1000)
        reply: ModelReply = self._api.reply_of(_body_of(answer, self._api_key), latency_ms)
        return replace(
            reply,
            text=without_key(reply.text, self._api_key),
            model=self._name(reply.model),
            response_id=self._name(reply.response_id),
        )

    def _name(self, given: str) -> str:
        return without_key(given, self._api_key)[:NAME_LENGTH]

    def _unexpected(self, error: Exception) -> CallFailed:
        """A fault nobody thought of. Its text may hold anything, so only its place is logged."""
        kind = type(error).__name__
        place = "".join(traceback.format_tb(error.__traceback__))
        logger.error("A call of %s failed with %s\n%s", self._profile.name, kind, place)
        return CallFailed(FailureCode.SERVER, f"The call failed with {kind}.", charged=None)

    def _cleaned(self, failure: CallFailed, latency_ms: int) -> CallFailed:
        """The failure with texts that hold no key, and without its history."""
        return CallFailed(
            failure.code,
            scrubbed(failure.message, self._api_key),
            charged=failure.charged,
            retry_after_s=failure.retry_after_s,
            usage=failure.usage,
            raw=without_key(failure.raw, self._api_key),
            model=self._name(failure.model),
            response_id=self._name(failure.response_id),
            latency_ms=latency_ms,
        )


def _body_of(answer: HttpAnswer, api_key: str) -> dict[str, Any]:
    """The JSON object of a successful answer. Raises ``CallFailed``."""
    try:
        body = json.loads(answer.text)
    except (ValueError, RecursionError):
        body = None
    if not 200 <= answer.status < 300:
        said = body if body is not None else answer.text
        raise failure_of_status(answer.status, said, answer.headers, datetime.now(UTC))
    if not isinstance(body, dict):
        message = "The server's answer is not a JSON object; is its address right?"
        raw = without_key(answer.text, api_key)[:RAW_LENGTH]
        raise CallFailed(FailureCode.SERVER, message, charged=None, raw=raw)
    return body


def gateway_for(profile: AnalystProfile) -> ModelGateway:
    """The door of this profile, with its key. Cheap: connections are not kept between calls."""
    return ModelGateway(profile, api_key_of(profile))
