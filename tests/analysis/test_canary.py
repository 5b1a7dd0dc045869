from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from analysis.budget import Purse
from analysis.canary import GOLDEN_SEED, alarm_of, canary_run, canary_store
from analysis.chart_style import ChartStyle
from analysis.choices import ExamState, Grade
from analysis.errors import AnalystUnavailable, BudgetSpent
from analysis.eye_test.plan import golden_plan
from analysis.eye_test.prepare import Examiner
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, CanaryRun
from analysis.profiles import api_key_set
from analysis.prompts.versions import prompt_default
from analysis.selectors import grade_of
from exchange.market.clock import WallClock
from tests.analysis.eye_test.planted import plant_exam
from tests.factories import EyeTestFactory, ModelProfileFactory, PromptVersionFactory
from tests.simulators.openai.server import OpenAiSim

BASELINE: dict[str, Any] = {
    "shares": {
        "valid": [40, 40],
        "grounded": [20, 20],
        "long": [6, 20],
        "short": [6, 20],
        "none": [8, 20],
        "setup quality 0.5": [12, 20],
        "setup quality 0.75": [8, 20],
    },
    "mean_error": 0.004,
}


def alarm(mean_error: float | None = 0.004, shares: dict[str, list[int]] | None = None) -> str:
    results = deepcopy(BASELINE)
    results["mean_error"] = mean_error
    results["shares"] |= shares or {}
    return alarm_of(results, BASELINE)


def test_the_same_again_raises_nothing() -> None:
    assert alarm() == ""


@pytest.mark.parametrize(
    ("shares", "raised"),
    [
        ({"grounded": [12, 20]}, True),
        ({"grounded": [14, 20]}, False),
        ({"long": [20, 20]}, True),
        ({"long": [10, 20]}, False),
        ({"none": [0, 20]}, True),
    ],
)
def test_a_share_must_shift_by_three_standard_errors(
    shares: dict[str, list[int]], raised: bool
) -> None:
    assert bool(alarm(shares=shares)) is raised


def test_better_than_before_is_no_alarm() -> None:
    worse = deepcopy(BASELINE)
    worse["shares"]["grounded"] = [8, 20]
    assert alarm_of(BASELINE, worse) == ""


def test_scores_that_are_given_no_more_or_newly_are_noticed() -> None:
    results = deepcopy(BASELINE)
    for score in ("0.5", "0.75"):
        del results["shares"][f"setup quality {score}"]
    results["shares"]["setup quality 1"] = [20, 20]
    text = alarm_of(results, BASELINE)
    assert "setup quality 1 20 of 20, 0 of 20 before" in text
    assert "setup quality 0.5 0 of 20, 12 of 20 before" in text


@pytest.mark.parametrize(
    ("error", "raised"), [(0.007, False), (0.0099, False), (0.011, True), (None, False)]
)
def test_errors_must_double_and_matter(error: float | None, raised: bool) -> None:
    assert bool(alarm(error)) is raised


def test_the_alarm_says_what_shifted() -> None:
    assert alarm(0.03, {"grounded": [4, 20]}) == (
        "grounded 4 of 20, 20 of 20 before; mean read-back error 3.0% of the range, 0.4% before"
    )


@pytest.fixture
def sim(transactional_db: None) -> Iterator[OpenAiSim]:
    with OpenAiSim() as running:
        plant_exam(
            running, Examiner(prompt_default(), GOLDEN_SEED), golden_plan(GOLDEN_SEED, ChartStyle())
        )
        yield running


@pytest.fixture
def profile(sim: OpenAiSim) -> AnalystProfile:
    found = ModelProfileFactory.create(base_url=sim.url, timeout_s=30)
    api_key_set(found, sim.key)
    return found


def run(profile: AnalystProfile, cap: str = "100") -> CanaryRun:
    return canary_run(
        profile=profile,
        prompt_version=prompt_default(),
        purses=(Purse("canary", Decimal(cap)),),
        clock=WallClock(),
    )


def test_the_golden_set_is_asked_again_and_compared(
    sim: OpenAiSim, profile: AnalystProfile
) -> None:
    baseline = run(profile)
    assert baseline.is_baseline
    assert baseline.alarm == ""
    assert baseline.results["shares"]["grounded"] == [20, 20]
    assert baseline.results["shares"]["flipped"] == [6, 6]
    assert baseline.results["mean_error"] < 0.001
    assert baseline.cost > 0
    sim.script("copycat")
    again = run(profile)
    # It was asked again, not taken from the record.
    assert len(sim.calls) >= 80
    assert not again.is_baseline
    assert "grounded 0 of 20, 20 of 20 before" in again.alarm


def test_a_run_that_was_not_paid_for_leaves_no_row(sim: OpenAiSim, profile: AnalystProfile) -> None:
    profile.max_concurrency = 1
    with pytest.raises(BudgetSpent):
        run(profile, "0.12")
    assert not CanaryRun.objects.exists()
    assert len(sim.calls) > 0


def test_an_outage_is_no_alarm(sim: OpenAiSim, profile: AnalystProfile) -> None:
    sim.script("server_error", times=2)
    profile.max_concurrency = 1
    with pytest.raises(AnalystUnavailable, match="1 questions"):
        run(profile)
    assert not CanaryRun.objects.exists()
    answered = len(sim.calls)
    assert run(profile).results["shares"]["valid"] == [40, 40]
    # Only what had no answer was asked again.
    assert len(sim.calls) == answered + 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("alarms", "grade"),
    [
        ((False, True), Grade.VOTER),
        ((True, False, True), Grade.VOTER),
        ((True, True), Grade.READER),
        ((True, True, False), Grade.READER),
    ],
)
def test_two_alarms_in_a_row_lower_the_grade(alarms: tuple[bool, ...], grade: Grade) -> None:
    profile, prompt = ModelProfileFactory.create(), PromptVersionFactory.create()
    exam = EyeTestFactory.create(
        profile=profile,
        prompt_version=prompt,
        identity=reading_identity(profile, prompt),
        state=ExamState.DONE,
        grade=Grade.VOTER,
    )
    for raised in (False, *alarms):
        results = deepcopy(BASELINE)
        if raised:
            results["shares"]["grounded"] = [3, 20]
        canary_store(profile=profile, prompt_version=prompt, results=results, cost=Decimal(0))
    assert grade_of(profile, prompt) == grade
    exam.refresh_from_db()
    assert bool(exam.lowered_by) is (grade == Grade.READER)
    assert CanaryRun.objects.filter(is_baseline=True).count() == 1


@pytest.mark.django_db
def test_another_identity_has_its_own_baseline() -> None:
    profile = ModelProfileFactory.create()
    for prompt in (PromptVersionFactory.create(), PromptVersionFactory.create(user_text="Other.")):
        stored = canary_store(
            profile=profile, prompt_version=prompt, results=BASELINE, cost=Decimal(0)
        )
        assert stored.is_baseline
