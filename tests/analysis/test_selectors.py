from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from analysis.choices import CallPurpose, ExamState, Grade
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, EyeTest, PromptVersion
from analysis.selectors import grade_of, grounding_rates, profile_refusal
from tests.factories import (
    AnalystProfileFactory,
    EyeTestFactory,
    ModelCallFactory,
    ModelProfileFactory,
    PromptVersionFactory,
)

pytestmark = pytest.mark.django_db

LIVE: dict[str, Any] = {"real_orders": True, "live": True, "speed": 1}
DEMO: dict[str, Any] = {"real_orders": True, "live": False, "speed": 1}
PAPER: dict[str, Any] = {"real_orders": False, "live": False, "speed": 1}


@pytest.fixture
def profile() -> AnalystProfile:
    return ModelProfileFactory.create(name="Reader one")


@pytest.fixture
def prompt() -> PromptVersion:
    return PromptVersionFactory.create()


def examined(profile: AnalystProfile, prompt: PromptVersion, grade: Grade, **more: Any) -> EyeTest:
    return EyeTestFactory.create(
        profile=profile,
        prompt_version=prompt,
        identity=reading_identity(profile, prompt),
        **{"state": ExamState.DONE, "grade": grade, **more},
    )


def test_without_an_eye_test_there_is_no_grade(
    profile: AnalystProfile, prompt: PromptVersion
) -> None:
    assert grade_of(profile, prompt) == Grade.NONE
    assert grade_of(profile, None) == Grade.NONE


def test_the_newest_finished_eye_test_counts(
    profile: AnalystProfile, prompt: PromptVersion
) -> None:
    examined(profile, prompt, Grade.VOTER)
    examined(profile, prompt, Grade.READER)
    examined(profile, prompt, Grade.ANALYST, state=ExamState.RUNNING)
    examined(profile, prompt, Grade.ANALYST, state=ExamState.FAILED)
    assert grade_of(profile, prompt) == Grade.READER


def test_any_change_of_model_prompt_or_server_asks_for_it_again(
    profile: AnalystProfile, prompt: PromptVersion
) -> None:
    examined(profile, prompt, Grade.VOTER)
    assert grade_of(profile, PromptVersionFactory.create(user_text="Other words.")) == Grade.NONE
    profile.model = "another"
    assert grade_of(profile, prompt) == Grade.NONE


def test_prices_and_limits_leave_the_grade(profile: AnalystProfile, prompt: PromptVersion) -> None:
    examined(profile, prompt, Grade.VOTER)
    profile.input_price, profile.timeout_s, profile.version = Decimal(9), 99, 2
    assert grade_of(profile, prompt) == Grade.VOTER


@pytest.mark.parametrize(
    ("earned", "left"),
    [(Grade.VOTER, Grade.READER), (Grade.READER, Grade.READER), (Grade.NONE, Grade.NONE)],
)
def test_a_canary_lowers_to_paper(
    profile: AnalystProfile, prompt: PromptVersion, earned: Grade, left: Grade
) -> None:
    examined(profile, prompt, earned, lowered_by="two canaries in a row")
    assert grade_of(profile, prompt) == left


@pytest.mark.parametrize(
    ("grade", "where", "may"),
    [
        (Grade.NONE, PAPER, True),
        (Grade.NONE, DEMO, False),
        (Grade.READER, DEMO, False),
        (Grade.ANALYST, DEMO, True),
        (Grade.ANALYST, LIVE, False),
        (Grade.VOTER, LIVE, True),
    ],
)
def test_grades_open_places(
    profile: AnalystProfile,
    prompt: PromptVersion,
    grade: Grade,
    where: dict[str, Any],
    may: bool,
) -> None:
    if grade != Grade.NONE:
        examined(profile, prompt, grade)
    assert (profile_refusal(profile, prompt, **where) == "") is may


def test_refusals_say_why(profile: AnalystProfile, prompt: PromptVersion) -> None:
    assert "no eye test" in profile_refusal(profile, prompt, **DEMO)
    exam = examined(profile, prompt, Grade.READER)
    assert "reader" in profile_refusal(profile, prompt, **DEMO)
    exam.lowered_by = "two canaries in a row: valid 3 of 40"
    exam.save()
    assert "two canaries" in profile_refusal(profile, prompt, **DEMO)


def test_a_profile_that_can_not_ask_is_refused_on_paper_too(prompt: PromptVersion) -> None:
    profile = ModelProfileFactory.create(model="")
    assert profile_refusal(profile, prompt, **PAPER) != ""


@pytest.mark.parametrize("speed", [None, 10, 120])
def test_fast_markets_take_answers_on_record_only(
    profile: AnalystProfile, prompt: PromptVersion, speed: int | None
) -> None:
    where: dict[str, Any] = {**PAPER, "speed": speed}
    assert "keep up" in profile_refusal(profile, prompt, **where)
    assert profile_refusal(profile, prompt, **where, from_record=True) == ""


def test_a_record_opens_no_real_account(profile: AnalystProfile, prompt: PromptVersion) -> None:
    assert profile_refusal(profile, prompt, **DEMO, from_record=True) != ""


def test_rules_of_code_trade_anywhere() -> None:
    rules = AnalystProfileFactory.create()
    assert profile_refusal(rules, None, real_orders=True, live=True, speed=None) == ""


def test_grounding_is_counted_per_model_prompt_and_renderer(prompt: PromptVersion) -> None:
    one, other = ModelProfileFactory.create(model="one"), ModelProfileFactory.create(model="other")
    seen = {"grounded": True, "reason": "", "errors": {"marker_1": "0.01", "marker_2": "0.004"}}
    missed = {"grounded": False, "reason": "", "errors": {"marker_1": "0.05", "marker_2": None}}
    shared = {"prompt_version": prompt, "renderer_version": "1"}
    ModelCallFactory.create(profile=one, grounding=seen, **shared)
    ModelCallFactory.create(profile=one, grounding=missed, **shared)
    ModelCallFactory.create(profile=one, grounding=None, **shared)
    ModelCallFactory.create(profile=one, grounding=missed, purpose=CallPurpose.EYE_TEST, **shared)
    ModelCallFactory.create(profile=other, grounding={**missed, "errors": {}}, **shared)
    rates = grounding_rates(timezone.now() - timedelta(hours=1))
    assert [(rate.model, rate.calls, rate.grounded_share, rate.mean_error) for rate in rates] == [
        ("one", 2, Decimal("0.5"), Decimal("0.03")),
        ("other", 1, Decimal(0), None),
    ]
    assert rates[0].prompt == str(prompt)
    assert grounding_rates(timezone.now() + timedelta(hours=1)) == []


def test_a_profile_that_was_switched_off_trades_nowhere_but_on_record(
    profile: AnalystProfile, prompt: PromptVersion
) -> None:
    profile.is_active = False
    assert profile_refusal(profile, prompt, **PAPER) == "Reader one is switched off."
    assert profile_refusal(profile, prompt, **PAPER, from_record=True) == ""
