"""One call: paid before it leaves, made once, closed however it ends."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from analysis.budget import spent_today
from analysis.calls.asking import Asking, NoAnswer, call_obtain, call_put, most_question_cost
from analysis.calls.health import health_failure
from analysis.choices import CallState
from analysis.cost import cost_of
from analysis.domain import Usage
from analysis.errors import AnalystPaused, AnalystUnavailable, BudgetSpent
from analysis.models import ModelCall, Spend
from exchange import fault_points
from exchange.fault_points import FaultRaised
from tests.analysis.calls.asking_kit import (
    asking_of,
    facts_of_call,
    in_seconds,
    picture,
    plain_question,
    profile_at,
    today,
)
from tests.factories.analysis import ModelCallFactory
from tests.simulators.openai.server import OpenAiSim

# Calls end in threads of their own, which see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = "A hollow bar."


@pytest.fixture
def sim(sim: OpenAiSim) -> OpenAiSim:
    sim.script("scripted", text=ANSWER)
    return sim


def put(asking: Asking, name: str = "one", seconds: float = 5.0) -> ModelCall:
    call, _ = call_put(asking, facts_of_call(name), plain_question(), in_seconds(seconds))
    return ModelCall.objects.get(pk=call.pk)


def no_answer(asking: Asking, seconds: float = 5.0) -> ModelCall:
    with pytest.raises(NoAnswer):
        put(asking, seconds=seconds)
    return ModelCall.objects.get()


def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.02)


def again(sim: OpenAiSim, mode: str, **args: Any) -> None:
    sim.clear_scripts()
    sim.script(mode, **args)


def test_answered_call_keeps_its_evidence(sim: OpenAiSim, asking: Asking) -> None:
    call = put(asking)
    assert (call.state, call.raw_answer, call.attempt) == (CallState.ACCEPTED, ANSWER, 1)
    assert (call.charged_to, call.symbol) == ("bot:1", "TESTUSDT")
    assert call.request["model"] == "sim-reader"
    assert call.answered_model
    assert call.response_id
    assert call.latency_ms is not None
    assert call.sent_at is not None
    assert call.finished_at is not None
    assert len(sim.calls) == 1


def test_cost_comes_from_usage_and_is_paid_by_every_purse(sim: OpenAiSim, asking: Asking) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100, "cached_tokens": 400}
    again(sim, "scripted", text=ANSWER, usage=usage)
    call = put(asking)
    assert call.cost == Decimal("0.0035")
    assert call.cost == cost_of(asking.profile, Usage(1000, 400, 100, 0))
    assert spent_today("bot:1", today()) == call.cost
    assert spent_today("account:1", today()) == call.cost
    assert call.reserved_cost > call.cost


def test_request_is_stored_with_pictures_by_their_hash(asking: Asking) -> None:
    png = picture()
    question = replace(plain_question(), images=(png,))
    call_put(asking, facts_of_call(), question, in_seconds(5))
    stored = json.dumps(ModelCall.objects.get().request)
    assert hashlib.sha256(png).hexdigest() in stored
    assert "base64" not in stored


def test_deadline_in_the_past_sends_nothing(sim: OpenAiSim, asking: Asking) -> None:
    with pytest.raises(AnalystUnavailable, match="deadline had passed"):
        put(asking, seconds=-1)
    assert not ModelCall.objects.exists()
    assert not Spend.objects.exists()
    assert not sim.calls


def test_profile_without_prices_asks_nothing(sim: OpenAiSim) -> None:
    asking = asking_of(profile_at(sim, input_price=Decimal(0)))
    with pytest.raises(AnalystUnavailable, match="no prices"):
        put(asking)
    assert not sim.calls


@pytest.mark.parametrize("cap", ["purse", "profile"])
def test_call_over_a_cap_is_not_made(sim: OpenAiSim, cap: str) -> None:
    limit = Decimal("0.0001") if cap == "profile" else Decimal(1)
    asking = asking_of(profile_at(sim, max_call_cost=limit), "10" if cap == "profile" else "0.0001")
    with pytest.raises(BudgetSpent):
        put(asking)
    assert not ModelCall.objects.exists()
    assert spent_today("account:1", today()) == 0
    assert not sim.calls


def test_pictures_count_towards_the_most_a_call_can_cost(asking: Asking) -> None:
    bare = plain_question()
    costs = [
        most_question_cost(asking.profile, replace(bare, images=images))
        for images in ((), (picture(800, 800),), (picture(), picture(800, 800)))
    ]
    assert costs[0] < costs[1] < costs[2]


def test_two_workers_asking_the_same_make_one_call(sim: OpenAiSim, asking: Asking) -> None:
    again(sim, "slow", s=0.3, answer="scripted", text=ANSWER)

    def work(_: int) -> tuple[int, str, bool]:
        try:
            found = call_obtain(asking, facts_of_call(), plain_question(), in_seconds(10))
            return found.call.pk, found.reply.text, found.fresh
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    assert len(sim.calls) == 1
    assert {(key, text) for key, text, _ in found} == {(ModelCall.objects.get().pk, ANSWER)}
    assert sum(fresh for _, _, fresh in found) == 1
    assert Spend.objects.get(key="bot:1").calls == 1


def test_workers_stop_at_the_cap(sim: OpenAiSim) -> None:
    profile = profile_at(sim, max_concurrency=8)
    most = most_question_cost(profile, plain_question())
    again(sim, "scripted", text=ANSWER, usage={"input_tokens": 100, "output_tokens": 5000})
    asking = asking_of(profile, str(3 * most))

    def work(number: int) -> bool:
        try:
            put(asking, f"question {number}", seconds=20)
        except BudgetSpent:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        made = sum(pool.map(work, range(24)))
    assert made == len(sim.calls)
    assert spent_today("bot:1", today()) <= 3 * most
    assert made >= 3


def test_being_turned_away_waits_and_costs_no_attempt(sim: OpenAiSim, asking: Asking) -> None:
    sim.clear_scripts()
    sim.script("rate_limited", retry_after=0.5, times=2)
    sim.script("scripted", text=ANSWER)
    call = put(asking, seconds=20)
    assert (call.state, call.attempt) == (CallState.ACCEPTED, 1)
    assert len(sim.calls) == 3
    assert spent_today("bot:1", today()) == call.cost


def test_storm_beyond_the_deadline_is_free_and_can_be_asked_again(
    sim: OpenAiSim, asking: Asking
) -> None:
    again(sim, "rate_limited", retry_after=30)
    with pytest.raises(AnalystPaused):
        put(asking, seconds=1)
    call = ModelCall.objects.get()
    assert (call.state, call.reason_code, call.cost) == (CallState.FAILED, "not_sent", 0)
    assert spent_today("bot:1", today()) == 0
    other = replace(asking, profile=profile_at(sim))
    again(sim, "scripted", text=ANSWER)
    revived = put(other)
    assert (revived.pk, revived.attempt, revived.state) == (call.pk, 1, CallState.ACCEPTED)
    assert spent_today("bot:1", today()) == revived.cost


@pytest.mark.parametrize(
    ("mode", "code", "paid"),
    [
        ("server_error", "server", True),
        ("reset", "connection", True),
        ("not_json", "server", True),
        ("refusing", "refused", True),
        ("truncated", "truncated", True),
        ("empty", "empty", True),
        ("quota", "authentication", False),
    ],
)
def test_failed_call_is_closed_with_its_reason(
    sim: OpenAiSim, asking: Asking, mode: str, code: str, paid: bool
) -> None:
    again(sim, mode)
    call = no_answer(asking)
    assert (call.state, call.reason_code) == (CallState.FAILED, code)
    assert 0 < len(call.reason) <= 300
    assert (call.cost > 0) is paid
    assert spent_today("bot:1", today()) == call.cost
    assert call.finished_at is not None


def test_answer_without_usage_counts_as_the_most_it_could_cost(
    sim: OpenAiSim, asking: Asking
) -> None:
    again(sim, "server_error", status=502)
    call = no_answer(asking)
    assert call.cost == call.reserved_cost


def test_absurd_usage_is_kept_within_bounds(sim: OpenAiSim, asking: Asking) -> None:
    again(sim, "scripted", text=ANSWER, usage={"input_tokens": 10**18, "output_tokens": 1})
    call = put(asking)
    assert call.input_tokens == 2_000_000_000
    assert spent_today("bot:1", today()) == call.cost
    with pytest.raises(BudgetSpent):
        put(asking, "another question")


def test_late_answer_is_kept_paid_and_not_used(sim: OpenAiSim, asking: Asking) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    again(sim, "slow", s=2.0, answer="scripted", text=ANSWER, usage=usage)
    call = no_answer(asking, seconds=1.5)
    assert (call.state, call.reason_code) == (CallState.FAILED, "timeout")
    assert spent_today("bot:1", today()) == call.reserved_cost
    until(lambda: ModelCall.objects.get().state == CallState.LATE)
    late = ModelCall.objects.get()
    assert (late.raw_answer, late.cost) == (ANSWER, Decimal("0.004"))
    assert "after its deadline" in late.reason
    assert spent_today("bot:1", today()) == late.cost
    with pytest.raises(NoAnswer, match="after its deadline"):
        put(asking)
    assert len(sim.calls) == 1


def test_no_call_takes_longer_than_its_profile_allows(sim: OpenAiSim, asking: Asking) -> None:
    asking.profile.timeout_s = 1
    again(sim, "slow", s=20)
    started = time.monotonic()
    call = no_answer(asking, seconds=60)
    assert call.reason_code == "timeout"
    assert time.monotonic() - started < 10


def test_answer_on_record_is_not_asked_for_again(sim: OpenAiSim, asking: Asking) -> None:
    first = put(asking)
    found = call_obtain(asking, facts_of_call(), plain_question(), in_seconds(5))
    assert (found.call.pk, found.reply.text, found.fresh) == (first.pk, ANSWER, False)
    assert found.reply.usage is not None
    assert len(sim.calls) == 1


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=5)


def test_row_of_a_sender_that_died_is_used_up_and_paid(sim: OpenAiSim, asking: Asking) -> None:
    dead = ModelCallFactory.create(
        question=facts_of_call().question,
        profile=asking.profile,
        state=CallState.SENT,
        sent_at=long_ago(),
    )
    call = no_answer(asking)
    assert call.pk == dead.pk
    assert (call.state, call.reason_code) == (CallState.FAILED, "sender_died")
    assert call.cost == call.reserved_cost
    assert not sim.calls


def test_row_that_a_dead_worker_never_sent_is_taken_over(sim: OpenAiSim, asking: Asking) -> None:
    dead = ModelCallFactory.create(question=facts_of_call().question, profile=asking.profile)
    ModelCall.objects.update(created_at=long_ago())
    call = put(asking)
    assert (call.pk, call.state, call.attempt) == (dead.pk, CallState.ACCEPTED, 1)
    assert call.charged_to == "bot:1"
    assert len(sim.calls) == 1


@pytest.mark.parametrize("state", [CallState.RESERVED, CallState.SENT])
def test_living_worker_is_waited_for_until_the_deadline(
    sim: OpenAiSim, asking: Asking, state: CallState
) -> None:
    sent = {"sent_at": datetime.now(UTC)} if state == CallState.SENT else {}
    ModelCallFactory.create(
        question=facts_of_call().question, profile=asking.profile, state=state, **sent
    )
    with pytest.raises(AnalystUnavailable, match="Another worker"):
        put(asking, seconds=0.3)
    assert ModelCall.objects.get().state == state
    assert not sim.calls


def test_safe_mode_sends_nothing_and_costs_nothing(sim: OpenAiSim, asking: Asking) -> None:
    health_failure(asking.profile, "authentication", "wrong key", datetime.now(UTC))
    with pytest.raises(AnalystPaused, match="safe mode"):
        put(asking)
    call = ModelCall.objects.get()
    assert (call.state, call.reason_code, call.cost) == (CallState.FAILED, "not_sent", 0)
    assert "safe mode" in call.reason
    assert not sim.calls


@pytest.mark.parametrize(("point", "calls"), [("K3", 0), ("K4", 1)])
def test_fault_after_sending_leaves_a_paid_and_closed_row(
    sim: OpenAiSim, asking: Asking, tmp_path: Path, point: str, calls: int
) -> None:
    fault_points.arm(tmp_path)
    (tmp_path / point).write_text("raise")
    try:
        with pytest.raises(FaultRaised):
            put(asking)
    finally:
        fault_points.arm(None)
    call = ModelCall.objects.get()
    assert (call.state, call.reason_code) == (CallState.FAILED, "error")
    assert call.reason == "The call failed with FaultRaised."
    assert call.cost == call.reserved_cost == spent_today("bot:1", today())
    assert len(sim.calls) == calls


def test_fault_points_of_a_call_are_listed() -> None:
    assert {"K3", "K4"} <= set(fault_points.POINTS)
