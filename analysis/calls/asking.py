"""Ask a model once: budget, row, health and turn before the question leaves, evidence after.

Of two workers that ask the same attempt at the same question one asks, and its answer is that of
both. What goes wrong is an ``AnalystUnavailable``; no exit leaves a row open.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy as shallow_copy
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from analysis.budget import Purse
from analysis.calls import evidence
from analysis.calls.evidence import Claim
from analysis.calls.gateway import gateway_for, request_of
from analysis.calls.health import health_admit, health_failure, health_success
from analysis.calls.queue import queue_for
from analysis.calls.values import CallFailed, FailureCode, ModelQuestion, ModelReply, Outcome
from analysis.choices import CallPurpose, CallState
from analysis.cost import chart_size, cost_of, most_cost
from analysis.errors import AnalystUnavailable, BudgetSpent
from analysis.models import AnalystProfile, ChartImage, ModelCall, PromptVersion
from analysis.profiles import profile_problem
from analysis.prompts.tokens import text_tokens
from exchange.domain import ZERO
from exchange.fault_points import fault_point
from exchange.ports import Clock

POLL_S = 0.1
# Pauses after being turned away by a server that does not say how long.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 20.0
PNG_WIDTH, PNG_HEIGHT = slice(16, 20), slice(20, 24)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, what for, and who pays. ``charged_to`` is the purse named on the rows."""

    profile: AnalystProfile
    prompt_version: PromptVersion | None
    purses: tuple[Purse, ...]
    purpose: CallPurpose
    charged_to: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What a call is about. ``question`` is a hash of 64 digits, ``attempt`` 1 or 2."""

    question: str
    attempt: int
    chart: ChartImage | None
    symbol: str = ""
    timeframe: str = ""
    candle_time: datetime | None = None
    variant: str = ""


class NoAnswer(AnalystUnavailable):
    """A call that ended without an answer. ``call.reason_code`` says why; ``fresh`` is whether it
    was made, and paid for, just now."""

    def __init__(self, call: ModelCall, *, fresh: bool) -> None:
        super().__init__(call.reason)
        self.call = call
        self.fresh = fresh


@dataclass(frozen=True, slots=True)
class Put:
    """An answered call. ``fresh`` is whether it was made just now, not found on record."""

    call: ModelCall
    reply: ModelReply
    fresh: bool


def call_put(
    asking: Asking, facts: CallFacts, question: ModelQuestion, deadline_at: float
) -> tuple[ModelCall, ModelReply]:
    """Put ``question`` to the model, or take the answer that is on record for this attempt.

    ``deadline_at`` is in monotonic seconds of ``asking.clock``. Being turned away (429) waits for
    its next turn inside the deadline and uses no attempt. Raises ``BudgetSpent`` and
    ``AnalystPaused`` for what was not sent, ``NoAnswer`` for what was, and
    ``AnalystUnavailable`` where the deadline had passed or the profile can't ask.
    """
    put = call_obtain(asking, facts, question, deadline_at)
    return put.call, put.reply


def call_obtain(
    asking: Asking, facts: CallFacts, question: ModelQuestion, deadline_at: float
) -> Put:
    """As ``call_put``, and whether the call was made just now."""
    while True:
        now = asking.clock.now()
        call = evidence.call_on_record(facts.question, facts.attempt)
        if call is not None and evidence.is_abandoned(call, now):
            evidence.call_give_up(call, now)
            call.refresh_from_db()
        if call is not None and not _is_free(call, now):
            if not evidence.is_open(call):
                return _on_record(call)
            _wait_for_the_other(asking, deadline_at)
            continue
        _refuse_hopeless(asking, deadline_at)
        row = _row(asking, facts, question)
        claim = evidence.call_claim(row, asking.purses, now, instead_of=call)
        if claim is not None:
            return Put(claim.call, _send(asking, claim, question, deadline_at), fresh=True)


def most_question_cost(profile: AnalystProfile, question: ModelQuestion) -> Decimal:
    """The most that one call with this question can cost, in US dollars."""
    texts = (question.system, question.user, *(question.previous or ()))
    tokens, count = sum(map(text_tokens, texts)), len(question.images)
    # Each picture as the dearest of them; what was measured holds for the charts drawn here.
    drawn = chart_size(profile.image_family)
    sizes = {_size_of(image) for image in question.images}
    ways = [None if size == drawn else size for size in sizes] or [None]
    return max(most_cost(profile, tokens, count, size) for size in ways)


def _is_free(call: ModelCall, now: datetime) -> bool:
    """Whether the row may be claimed: its question never left, and nobody is at it."""
    if not evidence.never_left(call):
        return False
    return call.state == CallState.FAILED or evidence.is_abandoned(call, now)


def _on_record(call: ModelCall) -> Put:
    if call.state == CallState.ACCEPTED and not call.raw_answer:
        raise AnalystUnavailable("It was asked before, and the answer is no longer kept.")
    if call.state in (CallState.ACCEPTED, CallState.REJECTED):
        return Put(call, evidence.reply_of(call), fresh=False)
    raise NoAnswer(call, fresh=False)


def _wait_for_the_other(asking: Asking, deadline_at: float) -> None:
    if asking.clock.monotonic() >= deadline_at:
        raise AnalystUnavailable(
            "Another worker asks the same and its answer did not come before the deadline."
        )
    time.sleep(POLL_S)


def _refuse_hopeless(asking: Asking, deadline_at: float) -> None:
    if asking.clock.monotonic() >= deadline_at:
        raise AnalystUnavailable("The deadline had passed before the question was asked.")
    problem = profile_problem(asking.profile)
    if problem:
        raise AnalystUnavailable(problem)


def _row(asking: Asking, facts: CallFacts, question: ModelQuestion) -> ModelCall:
    """The row of this call, not stored. Raises ``BudgetSpent`` over the profile's own cap."""
    profile = asking.profile
    most = most_question_cost(profile, question)
    if most > profile.max_call_cost:
        raise BudgetSpent(
            f"A call could cost ${most:.4f}; {profile.name} allows ${profile.max_call_cost:.4f}"
        )
    return ModelCall(
        question=facts.question,
        attempt=facts.attempt,
        purpose=asking.purpose,
        profile=profile,
        profile_version=profile.version,
        prompt_version=asking.prompt_version,
        renderer_version=facts.chart.renderer_version if facts.chart is not None else "",
        chart=facts.chart,
        symbol=facts.symbol,
        timeframe=facts.timeframe,
        candle_time=facts.candle_time,
        variant=facts.variant,
        charged_to=asking.charged_to,
        request=request_of(profile, question),
        reserved_cost=most,
    )


def _size_of(png: bytes) -> tuple[int, int]:
    """Width and height, which stand at fixed places of every PNG."""
    return int.from_bytes(png[PNG_WIDTH]), int.from_bytes(png[PNG_HEIGHT])


def _send(asking: Asking, claim: Claim, question: ModelQuestion, deadline_at: float) -> ModelReply:
    """Make the claimed call. However it ends, the row is closed and its cost settled."""
    now = asking.clock.now
    try:
        health_admit(asking.profile, now())
        reply = _in_turn(asking, claim, question, deadline_at)
        fault_point("K4")
        _keep(asking, claim, reply, deadline_at)
    except NoAnswer:
        raise
    except CallFailed as failed:
        cost = _cost_of_failure(asking.profile, failed, claim.reserved)
        evidence.call_failed(claim, failed.code, failed.message, cost, now(), failure=failed)
        claim.call.refresh_from_db()
        raise NoAnswer(claim.call, fresh=True) from failed
    except Exception as error:
        unsent = evidence.never_left(claim.call)
        code, cost = ("not_sent", ZERO) if unsent else ("error", claim.reserved)
        evidence.call_failed(claim, code, _told(error), cost, now())
        raise
    health_success(asking.profile, now())
    return reply


def _told(error: Exception) -> str:
    """An error as a row may keep it: the text of one that nobody thought of may hold anything."""
    if isinstance(error, AnalystUnavailable):
        return str(error)
    return f"The call failed with {type(error).__name__}."


def _in_turn(
    asking: Asking, claim: Claim, question: ModelQuestion, deadline_at: float
) -> ModelReply:
    """Wait for a turn and ask; again after every pause that the server asks for."""
    profile, clock = asking.profile, asking.clock
    queue = queue_for(profile)
    pause_s = FIRST_PAUSE_S
    while True:
        with queue.turn(deadline_at):
            try:
                return _ask(asking, claim, question, deadline_at)
            except CallFailed as failed:
                health_failure(
                    profile, failed.code, failed.message, clock.now(), failed.retry_after_s
                )
                # One that counted tokens has read the question, so it was no turning away.
                if failed.code != FailureCode.RATE_LIMITED or failed.charged:
                    raise
                evidence.call_held_back(claim)
                queue.pause_for(failed.retry_after_s or pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _ask(asking: Asking, claim: Claim, question: ModelQuestion, deadline_at: float) -> ModelReply:
    clock, gateway = asking.clock, gateway_for(asking.profile)
    if not evidence.call_sent(claim, clock.now()):
        raise AnalystUnavailable("Another worker took this question over.")
    fault_point("K3")
    # Whoever finds the row later takes it for abandoned by the profile's limit.
    ends_at = min(deadline_at, clock.monotonic() + asking.profile.timeout_s)
    return gateway.ask(
        question, ends_at - clock.monotonic(), _late_listener(asking, claim, ends_at)
    )


def _late_listener(asking: Asking, claim: Claim, deadline_at: float) -> Callable[[Outcome], None]:
    """What keeps the evidence of an answer that nobody waits for any more."""
    # The waiting thread still works with its own row, so this one gets another object.
    claim = replace(claim, call=shallow_copy(claim.call))

    def late(outcome: Outcome) -> None:
        late_s = asking.clock.monotonic() - deadline_at
        cost = _cost_of(asking.profile, outcome, claim.reserved)
        evidence.call_late(claim, outcome, cost, late_s, asking.clock.now())

    return late


def _keep(asking: Asking, claim: Claim, reply: ModelReply, deadline_at: float) -> None:
    """Store an answer; one that came through only after the deadline is late like any other."""
    cost = _cost_of(asking.profile, reply, claim.reserved)
    late_s = asking.clock.monotonic() - deadline_at
    if late_s > 0:
        evidence.call_late(claim, reply, cost, late_s, asking.clock.now())
        raise NoAnswer(claim.call, fresh=True)
    if not evidence.call_answered(claim, reply, cost, asking.clock.now()):
        raise AnalystUnavailable("Another worker gave this question up before its answer came.")


def _cost_of(profile: AnalystProfile, outcome: Outcome, reserved: Decimal) -> Decimal:
    if isinstance(outcome, CallFailed):
        return _cost_of_failure(profile, outcome, reserved)
    return cost_of(profile, outcome.usage) if outcome.usage else reserved


def _cost_of_failure(profile: AnalystProfile, failed: CallFailed, reserved: Decimal) -> Decimal:
    """Nobody knows: then it is charged."""
    if failed.charged is False:
        return ZERO
    return cost_of(profile, failed.usage) if failed.usage else reserved
