"""Whole examinations of simulated readers, over HTTP, in a small form."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from analysis.budget import Purse
from analysis.chart_style import ChartStyle
from analysis.choices import CallPurpose, CallState, ExamState, Grade
from analysis.eye_test.marks import grade_from
from analysis.eye_test.plan import exam_plan
from analysis.eye_test.prepare import Examiner
from analysis.eye_test.run import Progress, eye_test_estimate, eye_test_run
from analysis.models import AnalystProfile, EyeTest, ModelCall, PromptVersion
from analysis.profiles import api_key_set
from analysis.prompts.versions import prompt_default
from exchange.market.clock import WallClock
from tests.analysis.eye_test.planted import truths_of
from tests.factories import EyeTestFactory, ModelProfileFactory
from tests.simulators.openai.server import OpenAiSim

SEED = 7
TINY = 0.01
PURSE = Purse("exam", Decimal(100))

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def prompt_version() -> PromptVersion:
    return prompt_default()


@pytest.fixture(scope="module")
def truths(examiner: Examiner) -> dict[str, dict[str, Any]]:
    return truths_of(examiner, exam_plan(SEED, TINY, ChartStyle(), recall=False))


@pytest.fixture
def sim(truths: dict[str, dict[str, Any]]) -> Iterator[OpenAiSim]:
    with OpenAiSim() as running:
        for name, truth in truths.items():
            running.plant(name, truth)
        yield running


def reader(sim: OpenAiSim, **fields: Any) -> AnalystProfile:
    profile = ModelProfileFactory.create(base_url=sim.url, timeout_s=30, **fields)
    api_key_set(profile, sim.key)
    return profile


def examine(profile: AnalystProfile, prompt_version: PromptVersion, **more: Any) -> EyeTest:
    return eye_test_run(
        profile=profile,
        prompt_version=prompt_version,
        seed=SEED,
        short=True,
        purses=more.pop("purses", (PURSE,)),
        clock=WallClock(),
        share=TINY,
        **more,
    )


def passed(exam: EyeTest) -> dict[str, bool | None]:
    return {row["part"]: row["passed"] for row in exam.results}


def test_a_perfect_reader_passes(sim: OpenAiSim, prompt_version: PromptVersion) -> None:
    profile = reader(sim, max_concurrency=3)
    told: list[Progress] = []
    exam = examine(profile, prompt_version, progress=told.append)
    assert exam.state == ExamState.DONE
    assert {part for part, good in passed(exam).items() if good is False} == set()
    assert exam.done_calls == exam.planned_calls == len(told)
    assert exam.cost == sum(call.cost or 0 for call in ModelCall.objects.all())
    estimate = eye_test_estimate(
        profile=profile, prompt_version=prompt_version, seed=SEED, short=True, share=TINY
    )
    assert exam.cost < estimate.cost == exam.estimate
    assert told[-1].cost == exam.cost
    calls = ModelCall.objects.filter(purpose=CallPurpose.EYE_TEST, prompt_version=prompt_version)
    # What a spoilt picture or its id makes code refuse is on record as refused.
    assert calls.filter(state=CallState.ACCEPTED).count() >= exam.planned_calls - 2
    assert sim.most_at_once <= 3
    # A form smaller than the two that count earns nothing.
    assert exam.grade == Grade.NONE


def test_who_copies_text_fails_on_the_markers(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    sim.script("copycat")
    result = passed(examine(reader(sim), prompt_version))
    assert result["P0"]
    assert not result["P2"]
    good = {part for part, fine in result.items() if fine}
    assert grade_from(good, short=False) == Grade.NONE


def test_who_always_says_long_fails_on_the_mirror(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    sim.script("always_long")
    result = passed(examine(reader(sim), prompt_version))
    assert not result["P8"]
    assert not result["P10"]
    assert not result["P11"]
    good = {part for part, fine in result.items() if fine}
    assert grade_from(good, short=False) == Grade.READER


def test_a_spent_purse_stops_it_and_nothing_is_asked_twice(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    profile = reader(sim, max_concurrency=1, output_price=Decimal(1), max_output_tokens=1000)
    stopped = examine(profile, prompt_version, purses=(Purse("small", Decimal("0.05")),))
    assert stopped.state == ExamState.FAILED
    assert "small has spent" in stopped.note
    assert stopped.grade == Grade.NONE
    assert stopped.results == []
    assert 0 < stopped.done_calls < stopped.planned_calls
    asked_before = len(sim.calls)
    done = examine(profile, prompt_version)
    assert done.pk == stopped.pk
    assert done.state == ExamState.DONE
    assert done.done_calls == done.planned_calls
    # Nothing that was answered before is asked again.
    assert len(sim.calls) == ModelCall.objects.filter(state__in=("accepted", "rejected")).count()
    assert len(sim.calls) > asked_before
    assert done.cost == sum(call.cost or 0 for call in ModelCall.objects.all())
    asked_in_all = len(sim.calls)
    again = examine(profile, prompt_version)
    assert again.pk != done.pk
    assert again.results == done.results
    assert again.cost == 0
    assert len(sim.calls) == asked_in_all


def test_answers_of_the_wrong_form_are_asked_for_once_more(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    sim.script("scripted", times=1, text="I see a chart.")
    exam = examine(reader(sim, max_concurrency=1), prompt_version)
    assert exam.state == ExamState.DONE
    assert ModelCall.objects.filter(attempt=2).count() == 1
    assert ModelCall.objects.filter(reason_code="not_json", state=CallState.REJECTED).exists()
    assert passed(exam)["P15"]


def test_a_server_that_fails_breaks_it_off_without_a_grade(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    sim.script("server_error")
    exam = examine(reader(sim, max_concurrency=1, safe_mode_after=6), prompt_version)
    assert exam.state == ExamState.FAILED
    assert exam.note
    assert exam.grade == Grade.NONE
    assert len(sim.calls) == 6


def test_what_the_server_left_unanswered_is_asked_again_later(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    sim.script("server_error", times=2)
    profile = reader(sim, max_concurrency=1)
    exam = examine(profile, prompt_version)
    assert exam.state == ExamState.FAILED
    assert exam.note == "the server left 1 unanswered"
    answered = len(sim.calls)
    # Both attempts at that question are used up, but the model has not failed at it.
    done = examine(profile, prompt_version)
    assert done.pk == exam.pk
    assert done.state == ExamState.DONE
    assert len(sim.calls) == answered + 1
    assert False not in passed(done).values()


def test_a_lowered_grade_is_not_earned_again_from_the_record(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    profile = reader(sim)
    first = examine(profile, prompt_version)
    assert passed(first)["P2"]
    EyeTest.objects.filter(pk=first.pk).update(lowered_by="two canaries in a row")
    asked_before = len(sim.calls)
    sim.script("copycat")
    second = examine(profile, prompt_version)
    assert len(sim.calls) > asked_before
    assert not passed(second)["P2"]


def test_an_older_pass_does_not_come_back_over_a_newer_failure(
    sim: OpenAiSim, prompt_version: PromptVersion
) -> None:
    profile = reader(sim)
    first = examine(profile, prompt_version)
    EyeTestFactory.create(
        profile=profile,
        prompt_version=prompt_version,
        identity=first.identity,
        seed=SEED + 1,
        state=ExamState.DONE,
    )
    sim.script("copycat")
    assert not passed(examine(profile, prompt_version))["P2"]
