"""The models that read charts: may they trade, how do they see, how are they doing, what do they
cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from analysis.choices import AnalystKind, CallPurpose, CallState, ExamState, HealthState
from analysis.models import AnalystHealth, AnalystProfile, CanaryRun, EyeTest, ModelCall, Spend
from analysis.profiles import profile_problem
from analysis.prompts.versions import prompt_default
from analysis.selectors import GroundingRate, eye_test_current, grade_of, grounding_rates
from dashboard import format as fmt
from dashboard.selectors.readings import CallRow, call_list, dollars
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.models import Bot

LOOK_BACK = timedelta(days=1)
RATES_BACK = timedelta(days=30)
REFUSED_SHOWN = 12
OPENAI_HOST = "api.openai.com"
# An examination holds pictures that must be refused.
WORK = (CallPurpose.CYCLE, CallPurpose.ANALYZE, CallPurpose.UPLOAD)
UNHAPPY = (CallState.REJECTED, CallState.FAILED, CallState.LATE)


@dataclass(frozen=True, slots=True)
class ExamPart:
    """One part of an eye test. ``outcome`` is passed, failed, or none where it was not asked."""

    name: str
    n: int
    text: str
    mark: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Exam:
    """The newest eye test of a profile; ``current`` while model, prompt and chart are the same."""

    taken_at: datetime
    state: str
    grade: str
    current: bool
    short: bool
    cost: str
    note: str
    parts: tuple[ExamPart, ...]


@dataclass(frozen=True, slots=True)
class AnalystShown:
    """One model. ``calls`` counts those of the last day by how they ended; ``health`` is empty
    where a ``problem`` keeps it from being asked at all."""

    name: str
    profile_name: str
    model: str
    host: str
    problem: str
    grade: str
    health: str
    health_words: str
    calls: tuple[tuple[str, int], ...]
    median: str
    spent: str
    bots: tuple[str, ...]
    exam: Exam | None
    canary: str


@dataclass(frozen=True, slots=True)
class RateRow:
    """How well one model reads with one prompt and renderer."""

    model: str
    prompt: str
    renderer: str
    calls: int
    grounded: str
    error: str


@dataclass(frozen=True, slots=True)
class Purse:
    """What one purse has spent today; ``name`` says in words whose or what for it is."""

    name: str
    amount: str
    calls: int


@dataclass(frozen=True, slots=True)
class AnalystsPage:
    analysts: tuple[AnalystShown, ...]
    rates: tuple[RateRow, ...]
    purses: tuple[Purse, ...]
    refused: tuple[CallRow, ...]


def analysts_read(now: datetime) -> AnalystsPage:
    """Everything about the models, as of wall time ``now``."""
    profiles = AnalystProfile.objects.exclude(kind=AnalystKind.TECHNICAL).filter(is_active=True)
    recent = ModelCall.objects.filter(created_at__gte=now - LOOK_BACK)
    spends = Spend.objects.filter(day=now.astimezone(UTC).date())
    unhappy = ModelCall.objects.filter(state__in=UNHAPPY, purpose__in=WORK).order_by("-id")
    return AnalystsPage(
        analysts=tuple(
            _analyst(profile, list(recent.filter(profile=profile)), now) for profile in profiles
        ),
        rates=tuple(_rate(rate) for rate in grounding_rates(now - RATES_BACK)),
        purses=_purses(spends),
        refused=call_list(unhappy[:REFUSED_SHOWN]),
    )


def _analyst(profile: AnalystProfile, calls: Sequence[ModelCall], now: datetime) -> AnalystShown:
    bots = list(Bot.objects.filter(analyst_profile=profile).select_related("prompt_version"))
    prompt = next((bot.prompt_version for bot in bots if bot.prompt_version), None)
    prompt = prompt or prompt_default()
    problem = profile_problem(profile)
    health = AnalystHealth.objects.filter(profile=profile).first()
    state = health.state if health else HealthState.OK.value
    counts = Counter(call.state for call in calls)
    spent = sum((call.cost or ZERO for call in calls), ZERO)
    exam = EyeTest.objects.filter(profile=profile).first()
    current = eye_test_current(profile, prompt)
    canary = CanaryRun.objects.filter(profile=profile).first()
    return AnalystShown(
        name=str(profile),
        profile_name=profile.name,
        model=profile.model,
        host=urlsplit(profile.base_url).netloc or OPENAI_HOST,
        problem=problem,
        grade=str(grade_of(profile, prompt)),
        health="" if problem else state,
        health_words=_health_words(health, now),
        calls=tuple((CallState(state).label, n) for state, n in sorted(counts.items())),
        median=_median(calls),
        spent=dollars(spent),
        bots=tuple(bot.name for bot in bots),
        exam=_exam(exam, current) if exam else None,
        canary=_canary_words(canary),
    )


def _health_words(health: AnalystHealth | None, now: datetime) -> str:
    if health is None or health.state == HealthState.OK:
        return ""
    waits = health.open_until is not None and health.open_until > now
    until = f" Next try {fmt.clock_time(health.open_until)} UTC." if waits else ""
    return f"{fmt.one_stop(health.reason)}{until}"


def _median(calls: Sequence[ModelCall]) -> str:
    took = sorted(call.latency_ms for call in calls if call.latency_ms is not None)
    return fmt.duration_ms(took[len(took) // 2]) if took else fmt.UNKNOWN


def _exam(exam: EyeTest, current: EyeTest | None) -> Exam:
    return Exam(
        taken_at=exam.started_at,
        state=ExamState(exam.state).label,
        grade=exam.grade,
        current=current is not None and current.pk == exam.pk,
        short=exam.short,
        cost=dollars(exam.cost),
        note=exam.lowered_by or exam.note,
        parts=tuple(_part(part) for part in exam.results),
    )


def _purses(spends: Iterable[Spend]) -> tuple[Purse, ...]:
    names = {f"bot:{pk}": f"bot {name}" for pk, name in Bot.objects.values_list("pk", "name")}
    accounts = ExchangeAccount.objects.values_list("pk", "name")
    names |= {f"account:{pk}": f"account {name}" for pk, name in accounts}
    for pk, name in AnalystProfile.objects.values_list("pk", "name"):
        names |= {f"probe:{pk}": f"probe of {name}", f"canary:{pk}": f"canary of {name}"}
    return tuple(
        Purse(_purse_name(row.key, names), dollars(row.amount), row.calls) for row in spends
    )


def _purse_name(key: str, names: Mapping[str, str]) -> str:
    """An eye test's purse is named by the hash of what was examined and a seed."""
    return "eye test" if key.startswith("eye_test:") else names.get(key, key)


def _part(part: Mapping[str, Any]) -> ExamPart:
    examined = int(part["n"])
    outcome = "passed" if part["passed"] else "failed"
    return ExamPart(
        name=f"{part['part']} {part['title']}",
        n=examined,
        text=fmt.one_stop(str(part.get("text", ""))),
        mark=str(part["mark"]) if examined else "",
        outcome=outcome if examined else "none",
    )


def _canary_words(run: CanaryRun | None) -> str:
    if run is None:
        return "never asked"
    when = fmt.day_and_time(run.ran_at)
    if run.is_baseline:
        return f"baseline of {when}"
    return f"{when}: {run.alarm or 'answers as before'}"


def _rate(rate: GroundingRate) -> RateRow:
    return RateRow(
        model=rate.model,
        prompt=rate.prompt,
        renderer=rate.renderer,
        calls=rate.calls,
        grounded=fmt.percent(rate.grounded_share, 1),
        error=fmt.percent(rate.mean_error, 2),
    )
