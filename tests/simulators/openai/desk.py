"""Takes a request apart, has it answered and packs the answer, without any socket."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.openai.asks import Ask
from tests.simulators.openai.asks_chat import chat_ask
from tests.simulators.openai.asks_responses import responses_ask
from tests.simulators.openai.calls import CallLog
from tests.simulators.openai.errors import ApiError, rate_limited
from tests.simulators.openai.families import Model, text_tokens
from tests.simulators.openai.modes import Outcome, Task, outcome_of
from tests.simulators.openai.replies import Counted, reply_to
from tests.simulators.openai.scripts import Scripts
from tests.simulators.openai.truths import Truths

WINDOW_S = 60.0
CACHE_LEAST_TOKENS = 1024
CACHE_STEP_TOKENS = 128
TOKENS_PER_MINUTE = 2_000_000
PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes over the wire, and when: ``before_s`` of silence, then all or ``drip_s`` long."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    before_s: float = 0.0
    drip_s: float = 0.0
    reset: bool = False


class Desk:
    """Answers questions. Bears any thread."""

    def __init__(
        self,
        *,
        key: str,
        seed: int,
        models: Mapping[str, Model],
        scripts: Scripts,
        truths: Truths,
        requests_per_minute: int,
    ) -> None:
        self.log = CallLog()
        self.models = models
        self._key = key
        self._seed = seed
        self._scripts = scripts
        self._truths = truths
        self._limit = requests_per_minute
        self._asked_at: deque[float] = deque()
        self._prefixes: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def model_list(self, authorization: str) -> Packed:
        """The models, as ``GET /v1/models`` lists them."""
        try:
            self._check_key(authorization)
        except ApiError as refused:
            return self._refused(refused, "")
        rows = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}
            for name in self.models
        ]
        return Packed(200, _json({"object": "list", "data": rows}))

    def answer(self, number: int, path: str, authorization: str, raw: bytes) -> Packed:
        """Serve the request that the log knows by ``number``."""
        key = hashlib.sha256(f"{self._seed}:{number}".encode()).hexdigest()[:32]
        started = time.monotonic()
        try:
            packed = self._answered(number, path, authorization, raw, key)
        except ApiError as refused:
            self.log.answered(number, refused.status, refused.message, Counted())
            packed = self._refused(refused, key)
        packed.headers["openai-processing-ms"] = str(round((time.monotonic() - started) * 1000))
        return packed

    def _answered(self, number: int, path: str, authorization: str, raw: bytes, key: str) -> Packed:
        self._check_key(authorization)
        ask = _PATHS[path](_object(raw), self.models)
        script, turn = self._scripts.pick(ask)
        self.log.asked(number, ask, script.mode)
        self._count_request(ask)
        task = Task(ask, script.args, turn, self._truths, self._seed)
        outcome = outcome_of(script.mode, task)
        if outcome.error is not None:
            raise outcome.error
        if outcome.fate != "answer":
            self.log.answered(number, 502 if outcome.fate == "not_json" else 0, "", Counted())
            return _strange(outcome)
        reply = reply_to(ask, outcome, self._cached(ask), key)
        self.log.answered(number, 200, outcome.text or outcome.refusal, reply.counted)
        return Packed(
            200,
            _json(reply.body),
            self._headers(key),
            before_s=outcome.before_s,
            drip_s=outcome.drip_s,
        )

    def _check_key(self, authorization: str) -> None:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise ApiError(
                401,
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if given.strip() != self._key:
            hidden = f"{given[:3]}{'*' * 8}{given[-2:]}"
            raise ApiError(401, f"Incorrect API key provided: {hidden}.", code="invalid_api_key")

    def _count_request(self, ask: Ask) -> None:
        now = time.monotonic()
        with self._lock:
            while self._asked_at and now - self._asked_at[0] >= WINDOW_S:
                self._asked_at.popleft()
            if len(self._asked_at) >= self._limit:
                raise rate_limited(ask.model.name, WINDOW_S - (now - self._asked_at[0]))
            self._asked_at.append(now)

    def _cached(self, ask: Ask) -> int:
        """Tokens of a system text that this model was given before, in whole steps."""
        prefix = (ask.model.name, ask.system)
        with self._lock:
            known = prefix in self._prefixes
            self._prefixes.add(prefix)
        if not known or ask.input_tokens < CACHE_LEAST_TOKENS:
            return 0
        return text_tokens(ask.system) // CACHE_STEP_TOKENS * CACHE_STEP_TOKENS

    def _headers(self, key: str) -> dict[str, str]:
        with self._lock:
            used = len(self._asked_at)
        return {
            "x-request-id": f"req_{key}",
            "openai-version": "2020-10-01",
            "openai-organization": "org-sim",
            "x-ratelimit-limit-requests": str(self._limit),
            "x-ratelimit-remaining-requests": str(max(0, self._limit - used)),
            "x-ratelimit-reset-requests": f"{WINDOW_S / self._limit:.3f}s",
            "x-ratelimit-limit-tokens": str(TOKENS_PER_MINUTE),
            "x-ratelimit-remaining-tokens": str(TOKENS_PER_MINUTE),
            "x-ratelimit-reset-tokens": "0s",
        }

    def _refused(self, refused: ApiError, key: str) -> Packed:
        headers = {**self._headers(key), **refused.headers}
        return Packed(refused.status, _json(refused.body()), headers)


_PATHS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Model]], Ask]] = {
    "/v1/responses": responses_ask,
    "/v1/chat/completions": chat_ask,
}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "We could not parse the JSON body of your request.")
    return body


def _strange(outcome: Outcome) -> Packed:
    if outcome.fate == "reset":
        return Packed(0, b"", reset=True)
    return Packed(200, PAGE, content_type="text/html")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
