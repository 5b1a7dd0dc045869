"""What a profile has shown that it can do, and how well it reads in production."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from analysis.choices import CallPurpose, ExamState, Grade
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, EyeTest, ModelCall, PromptVersion
from analysis.profiles import profile_problem

# From the least to the most that a grade allows.
GRADES = (Grade.NONE, Grade.READER, Grade.ANALYST, Grade.VOTER)
# What an alarm of the canary leaves: people may read on, orders above paper stop.
LOWERED_GRADE = Grade.READER
REAL_TIME = 1
# Examinations show pictures that cannot be read on purpose.
PRODUCTION = (CallPurpose.CYCLE, CallPurpose.ANALYZE)


def at_least(grade: Grade, needed: Grade) -> bool:
    """Whether ``grade`` allows all that ``needed`` allows."""
    return GRADES.index(grade) >= GRADES.index(needed)


def eye_test_current(
    profile: AnalystProfile, prompt_version: PromptVersion | None
) -> EyeTest | None:
    """The newest finished eye test of the profile as it is now, with this prompt."""
    if prompt_version is None:
        return None
    return EyeTest.objects.filter(
        profile=profile,
        identity=reading_identity(profile, prompt_version),
        state=ExamState.DONE,
    ).first()


def grade_of(profile: AnalystProfile, prompt_version: PromptVersion | None) -> Grade:
    """What the profile may do. NONE without an eye test of its current identity; at most READER
    once the canary has lowered it."""
    exam = eye_test_current(profile, prompt_version)
    if exam is None:
        return Grade.NONE
    earned = Grade(exam.grade)
    if exam.lowered_by and at_least(earned, LOWERED_GRADE):
        return LOWERED_GRADE
    return earned


def profile_refusal(
    profile: AnalystProfile,
    prompt_version: PromptVersion | None,
    *,
    real_orders: bool,
    live: bool,
    speed: int | None,
    from_record: bool = False,
) -> str:
    """Why this profile may not trade there, as one sentence, or "".

    ``real_orders`` are those of a demo, testnet or live account, ``live`` those with real money.
    ``speed`` is the market's, None for a stepped one; ``from_record`` says that answers come from
    storage only, which no market outruns and no server has to give. Rules of code need no
    examination.
    """
    if not profile.asks_a_model:
        return ""
    if not from_record and not profile.is_active:
        return f"{profile.name} is switched off."
    if not from_record and (speed is None or speed > REAL_TIME):
        pace = "a stepped market" if speed is None else f"a market at {speed}x"
        return f"{profile.name} can't keep up with {pace}: only answers on record can."
    problem = "" if from_record else profile_problem(profile)
    if problem:
        return problem
    if not (real_orders or live):
        return ""
    return _grade_refusal(profile, prompt_version, Grade.VOTER if live else Grade.ANALYST)


def _grade_refusal(
    profile: AnalystProfile, prompt_version: PromptVersion | None, needed: Grade
) -> str:
    if at_least(grade_of(profile, prompt_version), needed):
        return ""
    exam = eye_test_current(profile, prompt_version)
    if exam is None:
        return (
            f"{profile.name} has no eye test for its model, prompt and chart as they are now: "
            "it may trade on paper only."
        )
    if exam.lowered_by:
        return f"{profile.name} is down to paper: {exam.lowered_by}"
    if exam.grade == Grade.NONE:
        return (
            f"{profile.name} did not pass its eye test of {exam.started_at:%Y-%m-%d}: it may trade "
            "on paper only."
        )
    return (
        f"{profile.name} has the grade {Grade(exam.grade).label.lower()}; "
        f"{needed.label.lower()} is needed here."
    )


@dataclass(frozen=True, slots=True)
class GroundingRate:
    """How a model read the charts of production. ``grounded_share`` is 0..1; ``mean_error`` is
    the mean share of the visible range by which a call's worst read-back was off, None where
    nothing was read."""

    model: str
    prompt: str
    renderer: str
    calls: int
    grounded_share: Decimal
    mean_error: Decimal | None


def grounding_rates(since: datetime) -> list[GroundingRate]:
    """Grounding of all checked production calls since then, per model, prompt and renderer."""
    rows = (
        ModelCall.objects.filter(
            purpose__in=PRODUCTION, created_at__gte=since, grounding__isnull=False
        )
        .order_by("profile__model", "prompt_version_id", "renderer_version")
        .values_list(
            "profile__model",
            "prompt_version__prompt__name",
            "prompt_version__number",
            "renderer_version",
            "grounding",
        )
    )
    return [
        _rate(key, [row[4] or {} for row in group])
        for key, group in groupby(rows, key=lambda row: (row[0], row[1], row[2], row[3]))
    ]


def _rate(key: tuple[str, str, int, str], groundings: list[dict[str, Any]]) -> GroundingRate:
    model, prompt, number, renderer = key
    errors = [error for each in groundings if (error := worst_error(each)) is not None]
    grounded = sum(1 for each in groundings if each.get("grounded"))
    return GroundingRate(
        model=model,
        prompt=f"{prompt} v{number}" if prompt else "",
        renderer=renderer,
        calls=len(groundings),
        grounded_share=Decimal(grounded) / len(groundings),
        mean_error=_mean(errors),
    )


def worst_error(grounding: dict[str, Any]) -> Decimal | None:
    """The largest read-back error of a stored grounding, as a share of the visible range."""
    read = [Decimal(str(each)) for each in grounding.get("errors", {}).values() if each is not None]
    return max(read, default=None)


def _mean(values: Iterable[Decimal]) -> Decimal | None:
    found = list(values)
    return sum(found, Decimal(0)) / len(found) if found else None
