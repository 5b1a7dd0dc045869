"""What came of one call: the answer judged, and the error that says it to a caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.envelope import Envelope, read_envelope
from exchange.bybit.refusals import (
    AddressRefused,
    ReadRefused,
    Unreachable,
    ban_sentence,
    halt_sentence,
)
from exchange.bybit.retcodes import (
    ADDRESS_LIMIT,
    REGION_CODES,
    UNKNOWN,
    Kind,
    Verdict,
    classify,
    refine,
)
from exchange.bybit.server_time import EPOCH
from exchange.bybit.session import NoAnswer, RawAnswer
from exchange.errors import (
    ExchangeError,
    ExchangeHalted,
    ExchangeUnavailable,
    InsufficientBalance,
    OrderOutcomeUnknown,
    OrderRejected,
    RateLimited,
)

BANNED_STATUS = 403
OVERLOADED_STATUS = 429
# Bybit may refuse a key with this status around its usual envelope.
UNAUTHORISED_STATUS = 401
THROTTLE_S = 1.0
SHORTEST_RETRY_S = 0.05
LONGEST_RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer; ``time`` is the venue's."""

    result: dict[str, Any]
    time: datetime
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """``reason`` is a sentence without secrets. ``answered``: the venue itself spoke.

    ``unreached``: no connection came about. ``banned``: the venue refuses this address.
    ``time_ms`` is the venue's, None where it did not tell.
    """

    verdict: Verdict
    reason: str = ""
    ret_code: int = 0
    reply: Reply | None = None
    retry_after_s: float = THROTTLE_S
    time_ms: int | None = None
    answered: bool = False
    unreached: bool = False
    banned: bool = False


def judge(
    endpoint: Endpoint, answer: RawAnswer | NoAnswer, *, now_ms: int, hide: Iterable[str]
) -> Outcome:
    """What an answer means. ``now_ms`` stands in for a missing time, ``hide`` is kept out of words.

    Only an answer of the venue itself can say that a write was not done: whatever else comes back
    (another status, a proxy's page, half an answer) leaves it unknown.
    """
    if isinstance(answer, NoAnswer):
        reason = f"{endpoint.name}: {answer.reason}."
        return Outcome(UNKNOWN, reason, unreached=not answer.connected)
    if answer.status == BANNED_STATUS:
        return Outcome(UNKNOWN, ban_sentence(10), banned=True)
    if answer.status == OVERLOADED_STATUS:
        verdict = classify(OVERLOADED_STATUS, endpoint)
        return Outcome(verdict, f"{endpoint.name}: HTTP 429.", OVERLOADED_STATUS, answered=True)
    if answer.status not in (200, UNAUTHORISED_STATUS):
        return Outcome(UNKNOWN, f"{endpoint.name}: HTTP status {answer.status}.")
    envelope = read_envelope(answer.body)
    if envelope is None:
        return Outcome(UNKNOWN, f"{endpoint.name}: the answer was not Bybit's.")
    return _judge_envelope(endpoint, answer, envelope, now_ms, hide)


def _judge_envelope(
    endpoint: Endpoint, answer: RawAnswer, envelope: Envelope, now_ms: int, hide: Iterable[str]
) -> Outcome:
    code, time_ms = envelope.ret_code, envelope.time_ms
    verdict = refine(classify(code, endpoint), code, envelope.ret_msg)
    if verdict.kind is Kind.OK:
        moment = EPOCH + timedelta(milliseconds=time_ms or now_ms)
        reply = Reply(envelope.result, moment, answer.received - answer.sent)
        return Outcome(verdict, ret_code=code, reply=reply, time_ms=time_ms, answered=True)
    return Outcome(
        verdict,
        f"{endpoint.name}: Bybit answered {code} ({_scrubbed(envelope.ret_msg, hide)}).",
        code,
        retry_after_s=_until_reset(answer, time_ms or now_ms),
        time_ms=time_ms,
        answered=True,
        banned=code == ADDRESS_LIMIT,
    )


def read_error(outcome: Outcome) -> ExchangeError:
    """What the caller of a read must hear."""
    kind, reason = outcome.verdict.kind, outcome.reason
    if outcome.banned:
        return AddressRefused(reason)
    if kind is Kind.THROTTLE:
        return RateLimited(reason, retry_after_s=outcome.retry_after_s)
    if kind in (Kind.AUTHENTICATION, Kind.HALT):
        refused = AddressRefused if outcome.ret_code in REGION_CODES else ExchangeHalted
        return refused(halt_sentence(outcome.ret_code))
    if kind is Kind.DEFINITIVE and outcome.verdict.code != "clock":
        return ReadRefused(reason, ret_code=outcome.ret_code, code=outcome.verdict.code)
    return Unreachable(reason) if outcome.unreached else ExchangeUnavailable(reason)


def write_error(outcome: Outcome) -> ExchangeError:
    """What the caller of a write must hear."""
    kind, code = outcome.verdict.kind, outcome.verdict.code
    if kind is Kind.UNKNOWN:
        return OrderOutcomeUnknown(outcome.reason)
    if code == "insufficient_balance":
        return InsufficientBalance(outcome.reason, code=code)
    if kind in (Kind.AUTHENTICATION, Kind.HALT):
        return OrderRejected(f"{outcome.reason} {halt_sentence(outcome.ret_code)}", code=code)
    return OrderRejected(outcome.reason, code=code)


def _until_reset(answer: RawAnswer, now_ms: int) -> float:
    """Seconds until the venue counts anew, by its own clock."""
    reset = answer.headers.get("X-Bapi-Limit-Reset-Timestamp", "")
    if not reset.isdecimal():
        return THROTTLE_S
    return min(max((int(reset) - now_ms) / 1000, SHORTEST_RETRY_S), LONGEST_RETRY_S)


def _scrubbed(text: str, hide: Iterable[str]) -> str:
    """The venue's words without what it repeats of our key."""
    for secret in hide:
        text = text.replace(secret, "***") if secret else text
    return " ".join(text.split())[:200]
