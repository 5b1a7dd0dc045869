"""Rows of calls: each step once, by its owner only, with the purses it concerns."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from analysis.budget import Purse, spent_today
from analysis.calls import evidence
from analysis.calls.evidence import Claim
from analysis.calls.values import CallFailed, FailureCode, ModelReply
from analysis.choices import CallState
from analysis.domain import Grounding, Usage
from analysis.errors import BudgetSpent
from analysis.models import ModelCall
from tests.factories.analysis import ModelCallFactory, ModelProfileFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
LATER = datetime(2026, 3, 3, 0, 0, 5, tzinfo=UTC)
PURSES = (Purse("bot:1", Decimal(1)),)
REPLY = ModelReply("{}", Usage(1000, 0, 100, 50), "sim", "resp-1", 1200)
COST = Decimal("0.004")
RESERVED = Decimal("0.05")


def claimed(name: str = "one") -> Claim:
    profile = ModelProfileFactory.create()
    row = ModelCallFactory.build(
        question=name, profile=profile, prompt_version=None, chart=None, profile_version=1
    )
    claim = evidence.call_claim(row, PURSES, NOW)
    assert claim is not None
    return claim


def sent() -> Claim:
    claim = claimed()
    assert evidence.call_sent(claim, NOW)
    return claim


def spent() -> Decimal:
    return spent_today("bot:1", NOW.date())


def stored() -> ModelCall:
    return ModelCall.objects.get()


def test_claim_is_paid_and_cannot_be_made_twice() -> None:
    claim = claimed()
    assert (stored().state, spent()) == (CallState.RESERVED, RESERVED)
    rival = ModelCallFactory.build(
        question="one", profile=claim.call.profile, prompt_version=None, chart=None
    )
    assert evidence.call_claim(rival, PURSES, NOW) is None
    assert spent() == RESERVED


def test_claim_over_budget_leaves_no_row() -> None:
    row = ModelCallFactory.build(
        profile=ModelProfileFactory.create(), prompt_version=None, chart=None
    )
    with pytest.raises(BudgetSpent):
        evidence.call_claim(row, [Purse("bot:1", Decimal("0.01"))], NOW)
    assert not ModelCall.objects.exists()


def test_answer_after_midnight_is_settled_on_the_day_it_was_promised() -> None:
    claim = sent()
    assert evidence.call_answered(claim, REPLY, COST, LATER)
    assert spent() == COST
    assert spent_today("bot:1", LATER.date()) == 0
    assert evidence.reply_of(stored()) == REPLY


def test_held_back_question_has_not_left() -> None:
    claim = sent()
    assert not evidence.never_left(stored())
    assert evidence.call_held_back(claim)
    assert evidence.never_left(stored())
    assert spent() == RESERVED
    assert evidence.call_sent(claim, LATER)


def test_row_that_was_taken_over_is_not_moved_by_its_first_owner() -> None:
    first = claimed()
    old = stored()
    row = ModelCallFactory.build(
        question="one", profile=old.profile, prompt_version=None, chart=None
    )
    second = evidence.call_claim(row, PURSES, LATER, instead_of=old)
    assert second is not None
    assert not evidence.call_sent(first, LATER)
    assert not evidence.call_failed(first, "not_sent", "no turn", Decimal(0), LATER)
    assert stored().state == CallState.RESERVED
    assert evidence.call_sent(second, LATER)


def test_only_one_of_two_takes_a_row_over() -> None:
    claimed()
    old = stored()
    rows = [
        ModelCallFactory.build(question="one", profile=old.profile, prompt_version=None, chart=None)
        for _ in range(2)
    ]
    claims = [evidence.call_claim(row, PURSES, LATER, instead_of=old) for row in rows]
    assert [claim is not None for claim in claims] == [True, False]
    assert spent_today("bot:1", LATER.date()) == RESERVED


def test_late_answer_replaces_a_timeout_and_its_cost() -> None:
    claim = sent()
    evidence.call_failed(claim, "timeout", "No answer within 10 s.", RESERVED, LATER)
    assert spent() == RESERVED
    assert evidence.call_late(claim, REPLY, COST, 3.21, LATER)
    row = stored()
    assert (row.state, row.cost, spent()) == (CallState.LATE, COST, COST)
    assert "arrived 3.2 s after its deadline" in row.reason


def test_timeout_noticed_after_the_late_answer_changes_nothing() -> None:
    claim = sent()
    assert evidence.call_late(claim, REPLY, COST, 0.01, LATER)
    assert not evidence.call_failed(claim, "timeout", "No answer.", RESERVED, LATER)
    assert (stored().state, spent()) == (CallState.LATE, COST)


def test_late_failure_changes_the_cost_alone() -> None:
    claim = sent()
    evidence.call_failed(claim, "timeout", "No answer within 10 s.", RESERVED, LATER)
    failure = CallFailed(FailureCode.RATE_LIMITED, "HTTP 429", charged=False)
    assert evidence.call_late(claim, failure, Decimal(0), 1.0, LATER)
    row = stored()
    assert (row.state, row.reason, row.cost) == (CallState.FAILED, "No answer within 10 s.", 0)
    assert spent() == 0


def test_answer_that_cannot_be_stored_whole_is_refused() -> None:
    claim = sent()
    long = ModelReply("x" * 300_000, REPLY.usage, "m" * 200, "r" * 200, 1)
    assert evidence.call_answered(claim, long, COST, LATER)
    row = stored()
    assert (row.state, row.reason_code) == (CallState.REJECTED, "unstorable")
    assert len(row.raw_answer) == 200_000
    assert len(row.answered_model) == len(row.response_id) == 120


def test_first_reason_for_refusing_an_answer_stays() -> None:
    claim = sent()
    evidence.call_answered(claim, REPLY, COST, LATER)
    evidence.call_reject(claim.call, "json", "It is no JSON.\0")
    evidence.call_reject(claim.call, "other", "Something else.")
    row = stored()
    assert (row.state, row.reason_code) == (CallState.REJECTED, "json")
    assert row.reason.startswith("It is no JSON.")
    assert "\0" not in row.reason
    assert claim.call.state == CallState.REJECTED


def test_long_reason_is_cut() -> None:
    assert len(evidence.reason_text("x" * 400)) == 300
    assert evidence.reason_text("short") == "short"


def test_grounding_comes_back_from_its_row() -> None:
    grounding = Grounding(False, "marker_1 was not read.", {"marker_1": None, "low": COST})
    assert evidence.grounding_of(evidence.grounding_json(grounding)) == grounding
