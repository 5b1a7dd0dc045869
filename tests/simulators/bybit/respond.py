"""One HTTP request in, one raw answer out: what server and in-process adapter both use.

Order of the checks: the address, faults on the way, the signature, the limits, the exchange. A
fault of the way (delay, lost answer, reset) is in the answer's ``fate``; the transport acts it out.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol
from urllib.parse import parse_qsl

from tests.simulators.bybit.auth import Keyring, authenticate
from tests.simulators.bybit.knobs import OUTCOMES, Knob, Knobs
from tests.simulators.bybit.ledger import Ledger
from tests.simulators.bybit.limits import Allowance, Limits
from tests.simulators.bybit.rules import Answer, Refused

PUBLIC = ("/v5/market/", "/v5/announcements", "/v5/system/")
HTML = b"<html><head><title>bybit</title></head><body>We'll be right back.</body></html>"
GARBLED = {"html": True, "truncated": True, "empty": True, "drop_after": True}


class Fate(Enum):
    """What becomes of an answer on its way back."""

    SENT = "sent"
    LOST = "lost"
    RESET = "reset"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as bytes, how late it leaves and what becomes of it."""

    status: int
    headers: dict[str, str]
    body: bytes
    fate: Fate = Fate.SENT
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: ``raw_query`` as on the wire, header names in lower case."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes
    ip: str = "127.0.0.1"

    @property
    def payload(self) -> bytes:
        return self.body if self.method == "POST" else self.raw_query.encode()

    @property
    def is_public(self) -> bool:
        return self.path.startswith(PUBLIC)

    def params(self) -> dict[str, Any]:
        """The decoded query or body. Raises Refused if it is no JSON object."""
        if self.method != "POST":
            return dict(parse_qsl(self.raw_query, keep_blank_values=True))
        try:
            params = json.loads(self.body or b"{}")
        except ValueError as exc:
            raise Refused(10001, "params error: body is not JSON") from exc
        if not isinstance(params, dict):
            raise Refused(10001, "params error: body is not an object")
        return params


@dataclass(frozen=True, slots=True)
class Plan:
    """The faults that befall one request; it arrives ``before_ms`` after it was sent."""

    faults: dict[str, Knob] = field(default_factory=dict)

    @property
    def before_ms(self) -> int:
        return self.milliseconds("delay")

    @property
    def outcome(self) -> Knob | None:
        return next((each for name, each in self.faults.items() if name in OUTCOMES), None)

    def milliseconds(self, fault: str, default: int = 1_000) -> int:
        return int(self.faults[fault].args.get("ms", default)) if fault in self.faults else 0


class Venue(Protocol):
    """The part of the exchange's core a request needs."""

    sl_ignored: bool

    @property
    def ledger(self) -> Ledger: ...

    @property
    def lag_ms(self) -> dict[str, int]: ...

    def handle(self, method: str, path: str, params: dict[str, Any], uid: str | None) -> Answer: ...


class Responder:
    """Answers requests. Thread-safe: one request at a time reaches the exchange.

    ``strict_time`` off skips the timestamp rule, for a clock that runs faster than the client's.
    """

    def __init__(
        self,
        exchange: Venue,
        keyring: Keyring,
        knobs: Knobs,
        limits: Limits,
        clock: Callable[[], int],
        *,
        strict_time: bool = True,
    ) -> None:
        self.exchange = exchange
        self.keyring = keyring
        self.knobs = knobs
        self.limits = limits
        self.strict_time = strict_time
        self.lock = threading.RLock()
        self.counts: Counter[str] = Counter()
        self._clock = clock

    def plan(self, request: Request) -> Plan:
        """Draw the faults of a request at the moment it is sent."""
        try:
            params = request.params()
        except Refused:
            params = {}
        drawn = self.knobs.for_request(request.path, params)
        return Plan({knob.fault: knob for knob in drawn})

    def carry_out(self, request: Request, plan: Plan) -> RawAnswer:
        """Answer a request that has arrived."""
        with self.lock:
            self.counts[f"{request.method} {request.path}"] += 1
            outcome = plan.outcome
            if self.limits.is_banned(request.ip) or (request.method == "GET" and request.body):
                return RawAnswer(403, {"Content-Type": "text/html"}, b"access too frequent")
            if outcome is not None and not _applied(outcome):
                answer = self._unapplied(request, outcome)
            else:
                answer = _garbled(self._answer(request, plan), outcome)
            late_ms = plan.milliseconds("slow_answer")
            self._note(request, plan, answer)
            return RawAnswer(answer.status, answer.headers, answer.body, answer.fate, late_ms)

    def respond(
        self,
        method: str,
        path: str,
        raw_query: str,
        headers: Mapping[str, str],
        body: bytes,
        ip: str = "127.0.0.1",
    ) -> RawAnswer:
        """Plan and carry out at once; the caller acts out ``after_ms`` and ``fate``."""
        lowered = {name.lower(): value for name, value in headers.items()}
        request = Request(method, path, raw_query, lowered, body, ip)
        return self.carry_out(request, self.plan(request))

    def _answer(self, request: Request, plan: Plan) -> RawAnswer:
        allowance: Allowance | None = None
        try:
            uid = None
            if not request.is_public:
                uid = self._uid_of(request)
                allowance = self.limits.take(uid, request.method, request.path)
                if allowance.refused:
                    raise Refused(10006, "Too many visits!")
            answer = self._handled(request, plan, uid)
        except Refused as refusal:
            answer = Answer(refusal.ret_code, refusal.ret_msg, {})
        return self._enveloped(answer, allowance)

    def _uid_of(self, request: Request) -> str:
        return authenticate(
            self.keyring,
            request.headers,
            request.payload,
            now_ms=self._clock(),
            writes=request.method == "POST",
            ip=request.ip,
            strict_time=self.strict_time,
        ).uid

    def _handled(self, request: Request, plan: Plan, uid: str | None) -> Answer:
        params = request.params()
        usual_lag = dict(self.exchange.lag_ms)
        usual_stops = self.exchange.sl_ignored
        if "lag_read" in plan.faults:
            lag_ms = plan.milliseconds("lag_read")
            self.exchange.lag_ms.update(dict.fromkeys(usual_lag, lag_ms))
        self.exchange.sl_ignored = usual_stops or "sl_ignored" in plan.faults
        try:
            return self.exchange.handle(request.method, request.path, params, uid)
        finally:
            self.exchange.lag_ms.update(usual_lag)
            self.exchange.sl_ignored = usual_stops

    def _unapplied(self, request: Request, outcome: Knob) -> RawAnswer:
        """A request that goes wrong before the exchange does anything."""
        if outcome.fault == "rate_limited":
            refused = Allowance(10, 0, int(outcome.args.get("ms", 1_000)))
            return self._enveloped(Answer(10006, "Too many visits!", {}), refused)
        if outcome.fault == "retcode":
            return self._enveloped(_ordered(outcome), None)
        if outcome.fault == "status":
            return _error_page(outcome)
        nothing = self._enveloped(Answer(10016, "Server error", {}), None)
        return _garbled(nothing, outcome)

    def _enveloped(self, answer: Answer, allowance: Allowance | None) -> RawAnswer:
        now_ms = self._clock()
        envelope = {
            "retCode": answer.ret_code,
            "retMsg": answer.ret_msg,
            "result": answer.result,
            "retExtInfo": {},
            "time": now_ms,
        }
        headers = {"Content-Type": "application/json; charset=utf-8", "Timenow": str(now_ms)}
        if allowance is not None:
            headers["X-Bapi-Limit"] = str(allowance.limit)
            headers["X-Bapi-Limit-Status"] = str(allowance.left)
            headers["X-Bapi-Limit-Reset-Timestamp"] = str(now_ms + allowance.wait_ms)
        return RawAnswer(200, headers, json.dumps(envelope, separators=(",", ":")).encode())

    def _note(self, request: Request, plan: Plan, answer: RawAnswer) -> None:
        """Every write and every fault goes to the ledger; plain reads are only counted."""
        if request.method != "POST" and not plan.faults:
            return
        try:
            params = request.params()
        except Refused:
            params = {}
        found = self.keyring.find(request.headers.get("x-bapi-api-key", ""))
        self.exchange.ledger.add(
            self._clock(),
            "request",
            found.uid if found else "",
            method=request.method,
            path=request.path,
            symbol=str(params.get("symbol", "")),
            params=params,
            status=answer.status,
            answer=answer.body[:200].decode(errors="replace"),
            fate=answer.fate.value,
            faults=sorted(plan.faults),
        )


def _applied(outcome: Knob) -> bool:
    """Whether the exchange does the work before this goes wrong."""
    if outcome.fault in ("drop_before", "rate_limited"):
        return False
    return bool(outcome.args.get("applied", GARBLED.get(outcome.fault, False)))


def _ordered(outcome: Knob) -> Answer:
    code = int(outcome.args.get("code", 10016))
    text = {10000: "Server Timeout", 10016: "System error. Please try again later."}
    return Answer(code, str(outcome.args.get("message", text.get(code, ""))), {})


def _error_page(outcome: Knob) -> RawAnswer:
    return RawAnswer(int(outcome.args.get("status", 502)), {"Content-Type": "text/html"}, HTML)


def _garbled(answer: RawAnswer, outcome: Knob | None) -> RawAnswer:
    """What the client gets of a finished answer."""
    if outcome is None:
        return answer
    if outcome.fault in ("drop_before", "drop_after"):
        return RawAnswer(answer.status, answer.headers, answer.body, Fate.LOST)
    if outcome.fault == "reset":
        return RawAnswer(answer.status, answer.headers, answer.body, Fate.RESET)
    if outcome.fault == "truncated":
        return RawAnswer(answer.status, answer.headers, answer.body, Fate.TRUNCATED)
    if outcome.fault == "html":
        return RawAnswer(200, {"Content-Type": "text/html"}, HTML)
    if outcome.fault == "empty":
        return RawAnswer(200, answer.headers, b"")
    if outcome.fault == "status":
        return _error_page(outcome)
    envelope = json.loads(answer.body)
    ordered = _ordered(outcome)
    envelope |= {"retCode": ordered.ret_code, "retMsg": ordered.ret_msg, "result": {}}
    return RawAnswer(200, answer.headers, json.dumps(envelope, separators=(",", ":")).encode())
