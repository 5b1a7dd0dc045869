"""The rows of calls: stored before a question leaves, closed by whatever comes of it.

A row is its owner's as long as ``created_at`` is the moment the owner claimed it. Each step is a
conditional update together with the purses it concerns; purses move first everywhere, so that two
steps never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from analysis.budget import Purse, budget_reserve, budget_settle
from analysis.calls.failures import storable
from analysis.calls.values import CallFailed, ModelReply, Outcome
from analysis.choices import CallState
from analysis.domain import Grounding, Usage
from analysis.models import ModelCall
from exchange.domain import ZERO, quantise

OPEN = (CallState.RESERVED, CallState.SENT)
# A sender that has not closed its row this long after the profile's own limit is dead.
GRACE = timedelta(seconds=30)
TIMED_OUT, SENDER_DIED = "timeout", "sender_died"
REASON_LENGTH = 300
NAME_LENGTH = 120
LONGEST_ANSWER = 200_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that this worker makes: its row, the purses that pay and the day they pay for."""

    call: ModelCall
    keys: tuple[str, ...]
    day: date
    reserved: Decimal


def call_on_record(question: str, attempt: int) -> ModelCall | None:
    rows = ModelCall.objects.select_related("profile")
    return rows.filter(question=question, attempt=attempt).first()


def is_open(call: ModelCall) -> bool:
    return call.state in OPEN


def is_abandoned(call: ModelCall, now: datetime) -> bool:
    """Whether whoever asked this is dead."""
    since = call.sent_at or call.created_at
    return is_open(call) and now - since > timedelta(seconds=call.profile.timeout_s) + GRACE


def never_left(call: ModelCall) -> bool:
    """Whether the question stayed here: such a row is no used attempt."""
    return call.sent_at is None


def call_claim(
    row: ModelCall, purses: Sequence[Purse], now: datetime, *, instead_of: ModelCall | None = None
) -> Claim | None:
    """Store ``row``, or put it in the place of one that never left, and pay for it.

    None when somebody else was faster. Raises ``BudgetSpent``. Where a dead sender's row is
    replaced, what it had reserved stays counted: one call too much, never one too few.
    """
    try:
        with transaction.atomic():
            budget_reserve(purses, row.reserved_cost, now.date())
            if instead_of is None:
                row.save(force_insert=True)
            elif not _take_over(row, instead_of, now):
                transaction.set_rollback(True)
                return None
    except IntegrityError:
        if call_on_record(row.question, row.attempt) is None:
            raise
        return None
    keys = tuple(purse.key for purse in purses)
    return Claim(row, keys, now.date(), row.reserved_cost)


def _take_over(row: ModelCall, old: ModelCall, now: datetime) -> bool:
    row.created_at = now
    row.pk, row.state, row._state.adding = old.pk, CallState.RESERVED, False
    columns = [field for field in ModelCall._meta.concrete_fields if not field.primary_key]
    moved = ModelCall.objects.filter(
        pk=old.pk, state=old.state, created_at=old.created_at, sent_at=None
    ).update(**{field.attname: getattr(row, field.attname) for field in columns})
    return moved == 1


def call_sent(claim: Claim, now: datetime) -> bool:
    """Write down that the question leaves now; False when somebody else took the row."""
    return _move(claim, (CallState.RESERVED,), state=CallState.SENT, sent_at=now)


def call_held_back(claim: Claim) -> bool:
    """Take back that it left: the server turned it away unread and may be asked again."""
    return _move(claim, (CallState.SENT,), state=CallState.RESERVED, sent_at=None)


def call_answered(claim: Claim, reply: ModelReply, cost: Decimal, now: datetime) -> bool:
    """Store an answer that came in time. Whether it is any good is for ``call_reject``, unless
    it can't even be stored as it came."""
    fields = {**_what_came(reply), "state": CallState.ACCEPTED, "finished_at": now}
    if fields["raw_answer"] != reply.text:
        fields |= {
            "state": CallState.REJECTED,
            "reason_code": "unstorable",
            "reason": "The answer is too long or holds characters that are no text.",
        }
    return _close(claim, Q(state=CallState.SENT), cost, fields)


def call_failed(
    claim: Claim,
    code: str,
    reason: str,
    cost: Decimal,
    now: datetime,
    *,
    failure: CallFailed | None = None,
) -> bool:
    """Close a call without an answer and settle what it cost."""
    fields = {
        **(_what_came(failure) if failure is not None else {}),
        "state": CallState.FAILED,
        "reason_code": code,
        "reason": reason_text(reason),
        "finished_at": now,
    }
    return _close(claim, Q(state__in=OPEN), cost, fields)


def call_late(claim: Claim, outcome: Outcome, cost: Decimal, late_s: float, now: datetime) -> bool:
    """Store what arrived ``late_s`` after the deadline: it is paid for and never used.

    A failure that arrives late leaves the row as it is, except for what it cost.
    """
    fields: dict[str, Any] = {"finished_at": now}
    if isinstance(outcome, ModelReply):
        fields |= _what_came(outcome)
        fields |= {
            "state": CallState.LATE,
            "reason_code": "late",
            "reason": f"The answer arrived {late_s:.1f} s after its deadline and is not used.",
        }
    given_up = Q(state=CallState.FAILED, reason_code__in=(TIMED_OUT, SENDER_DIED))
    only = given_up if isinstance(outcome, CallFailed) else given_up | Q(state=CallState.SENT)
    return _close(claim, only, cost, fields)


def call_give_up(call: ModelCall, now: datetime) -> None:
    """Close the row of a sender that died after sending: its attempt is used and paid for."""
    ModelCall.objects.filter(pk=call.pk, state=CallState.SENT, sent_at=call.sent_at).update(
        state=CallState.FAILED,
        reason_code=SENDER_DIED,
        reason="The program stopped before the answer came; it counts as paid.",
        cost=call.reserved_cost,
        finished_at=now,
    )


def call_reject(call: ModelCall, code: str, reason: str) -> None:
    """Note on an answered call why its answer may not be used; the first reason stays."""
    ModelCall.objects.filter(pk=call.pk, state=CallState.ACCEPTED).update(
        state=CallState.REJECTED, reason_code=code[:40], reason=reason_text(reason)
    )
    call.refresh_from_db(fields=("state", "reason_code", "reason"))


def call_grounded(call: ModelCall, grounding: Grounding) -> None:
    """Note how well the picture was read."""
    found = grounding_json(grounding)
    if call.grounding != found:
        ModelCall.objects.filter(pk=call.pk).update(grounding=found)
        call.grounding = found


def grounding_json(grounding: Grounding) -> dict[str, Any]:
    return {
        "grounded": grounding.grounded,
        "reason": grounding.reason,
        "errors": {
            item: None if error is None else format(error, "f")
            for item, error in grounding.errors.items()
        },
    }


def grounding_of(stored: dict[str, Any]) -> Grounding:
    return Grounding(
        grounded=stored["grounded"],
        reason=stored["reason"],
        errors={
            item: None if error is None else Decimal(error)
            for item, error in stored["errors"].items()
        },
    )


def reply_of(call: ModelCall) -> ModelReply:
    """The answer that an answered call holds."""
    usage = None
    if call.input_tokens is not None and call.output_tokens is not None:
        usage = Usage(
            input_tokens=call.input_tokens,
            cached_tokens=call.cached_tokens or 0,
            output_tokens=call.output_tokens,
            reasoning_tokens=call.reasoning_tokens or 0,
        )
    return ModelReply(
        text=call.raw_answer,
        usage=usage,
        model=call.answered_model,
        response_id=call.response_id,
        latency_ms=call.latency_ms or 0,
    )


def reason_text(reason: str) -> str:
    """A reason as its field takes it."""
    clean = storable(reason)
    return clean if len(clean) <= REASON_LENGTH else clean[: REASON_LENGTH - 1] + "…"


def _what_came(outcome: Outcome) -> dict[str, Any]:
    """Everything of an answer, or of a failure, that a row keeps."""
    raw = outcome.text if isinstance(outcome, ModelReply) else outcome.raw
    return {
        "raw_answer": storable(raw)[:LONGEST_ANSWER],
        "answered_model": storable(outcome.model)[:NAME_LENGTH],
        "response_id": storable(outcome.response_id)[:NAME_LENGTH],
        "latency_ms": outcome.latency_ms,
        **_tokens(outcome.usage),
    }


def _tokens(usage: Usage | None) -> dict[str, int]:
    return {} if usage is None else asdict(usage)


def _move(claim: Claim, states: Sequence[CallState], **fields: Any) -> bool:
    owned = ModelCall.objects.filter(
        pk=claim.call.pk, created_at=claim.call.created_at, state__in=states
    )
    return _updated(claim, owned.update(**fields), fields)


def _close(claim: Claim, only: Q, cost: Decimal, fields: dict[str, Any]) -> bool:
    """Move the row and put the cost in the place of what was counted for it until now."""
    cost = quantise(max(cost, ZERO))
    owned = ModelCall.objects.filter(only, pk=claim.call.pk, created_at=claim.call.created_at)
    before = owned.values_list("cost", flat=True).first()
    counted = claim.reserved if before is None else before
    with transaction.atomic():
        budget_settle(claim.keys, counted, cost, claim.day)
        moved = owned.update(**fields, cost=cost)
        if moved != 1:
            transaction.set_rollback(True)
    return _updated(claim, moved, {**fields, "cost": cost})


def _updated(claim: Claim, moved: int, fields: dict[str, Any]) -> bool:
    if moved == 1:
        for name, value in fields.items():
            setattr(claim.call, name, value)
    return moved == 1
