"""The canary: a golden set asked again on a schedule, to notice what a provider changes silently.

The first run of an identity is its baseline. One alarm lowers nothing; two in a row do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from analysis.answer.grounding import ground
from analysis.budget import Purse
from analysis.calls.asking import Asking
from analysis.chart_style import style_of
from analysis.choices import CallPurpose, ExamState
from analysis.copies import flipped
from analysis.domain import Direction
from analysis.errors import AnalystUnavailable
from analysis.eye_test.ask import Asked
from analysis.eye_test.parts_reading import axis_errors
from analysis.eye_test.plan import Group, Question, golden_plan
from analysis.eye_test.prepare import Examiner
from analysis.eye_test.run import cost_charged
from analysis.eye_test.sitting import Sitting, ask_all
from analysis.eye_test.statistics import mean, two_proportion_z
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, CanaryRun, EyeTest, PromptVersion
from exchange.ports import Clock

GOLDEN_SEED = 4040
# A share that lies this many standard errors from the baseline's has shifted.
ALARM_Z = 3.0
# Read-backs alarm when their mean error doubled and is more than this share of the range.
ERROR_FLOOR = 0.01
ERROR_GROWTH = 2.0
ALARM_LENGTH = 300
# Shares that may only get worse to raise an alarm; all others alarm in both directions.
BETTER_UP = ("valid", "exact", "relations", "grounded", "flipped")

Share = list[int]


def canary_run(
    *,
    profile: AnalystProfile,
    prompt_version: PromptVersion,
    purses: Sequence[Purse],
    clock: Clock,
) -> CanaryRun:
    """Ask the golden set, compare with the baseline, and store both.

    Raises ``AnalystUnavailable`` where the set could not be asked whole: nothing is stored, and
    the next run goes on with what was answered.
    """
    identity = reading_identity(profile, prompt_version)
    count = CanaryRun.objects.filter(profile=profile, identity=identity).count()
    charged_to = f"canary:{profile.pk}:{identity[:12]}:{count}"
    asking = Asking(
        profile=profile,
        prompt_version=prompt_version,
        purses=tuple(purses),
        purpose=CallPurpose.CANARY,
        charged_to=charged_to,
        clock=clock,
    )
    examiner = Examiner(prompt_version, GOLDEN_SEED)
    sitting = Sitting(asking, examiner, identity, salt=f"canary {count}")
    asked: list[Asked] = []
    ask_all(sitting, golden_plan(GOLDEN_SEED, style_of(profile.image_family)), asked.append)
    unanswered = sum(1 for each in asked if each.unanswered)
    if unanswered:
        # An outage is no change of the model.
        raise AnalystUnavailable(f"The server left {unanswered} questions of the set unanswered.")
    return canary_store(
        profile=profile,
        prompt_version=prompt_version,
        results=results_of(asked),
        cost=cost_charged(charged_to),
    )


def canary_store(
    *,
    profile: AnalystProfile,
    prompt_version: PromptVersion,
    results: dict[str, Any],
    cost: Decimal,
) -> CanaryRun:
    """Compare ``results`` with the baseline of the same identity, and store the run.

    The second alarm in a row takes the grade down to paper.
    """
    identity = reading_identity(profile, prompt_version)
    earlier = list(CanaryRun.objects.filter(profile=profile, identity=identity))
    baseline = next((run for run in earlier if run.is_baseline), None)
    run = CanaryRun.objects.create(
        profile=profile,
        prompt_version=prompt_version,
        identity=identity,
        is_baseline=baseline is None,
        results=results,
        alarm=alarm_of(results, baseline.results)[:ALARM_LENGTH] if baseline else "",
        cost=cost,
    )
    # Newest first.
    if run.alarm and earlier[0].alarm:
        _lower(profile, identity, run.alarm)
    return run


def results_of(asked: Sequence[Asked]) -> dict[str, Any]:
    """Shares as [hits, count], the mean read-back error of the range, and the scores given."""
    production = [each for each in asked if each.item.question is Question.PRODUCTION]
    directions = Counter(each.direction for each in production)
    errors = [abs(error) for error in axis_errors(production) if error is not None]
    scores = Counter(
        str(each.answer.setup_quality.normalize()) for each in production if each.answer
    )
    shares = {
        "valid": _share([each.valid for each in asked]),
        "exact": _share(_printed(asked)),
        "relations": _share(_relations(asked)),
        "grounded": _share([_grounded(each) for each in production]),
        "flipped": _share(_flips(production)),
    }
    shares |= {name: [directions[name], len(production)] for name in Direction}
    shares |= {
        f"setup quality {score}": [count, scores.total()] for score, count in sorted(scores.items())
    }
    return {"shares": shares, "mean_error": round(mean(errors), 5) if errors else None}


def _share(hits: Sequence[bool]) -> Share:
    return [sum(hits), len(hits)]


def _printed(asked: Sequence[Asked]) -> list[bool]:
    return [
        each.number(name) == value
        for each in asked
        if each.item.group is Group.READING and each.truth
        for name, value in each.truth.printed.items()
    ]


def _relations(asked: Sequence[Asked]) -> list[bool]:
    return [
        each.word(name) == relation.word
        for each in asked
        if each.item.group is Group.READING and each.truth
        for name, relation in each.truth.relations.items()
        if relation.clear
    ]


def _grounded(asked: Asked) -> bool:
    if asked.answer is None or asked.facts is None:
        return False
    return ground(asked.answer, asked.facts).grounded


def _flips(production: Sequence[Asked]) -> list[bool]:
    """For each pair with a side, whether the answer turned with the mirror."""
    mirrors = {
        (each.item.group, each.item.number): each.direction
        for each in production
        if each.item.mirrored
    }
    pairs = [
        (each.direction, mirrors[each.item.group, each.item.number])
        for each in production
        if not each.item.mirrored
    ]
    return [flipped(one) is other for one, other in pairs if {one, other} != {Direction.NONE}]


def alarm_of(results: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """What has shifted against the baseline, in one sentence, or ""."""
    names = dict.fromkeys((*baseline["shares"], *results["shares"]))
    found = [text for name in names if (text := _shifted(name, results, baseline))]
    error, before = results["mean_error"], baseline["mean_error"]
    if error is not None and error > ERROR_FLOOR and error > ERROR_GROWTH * (before or 0):
        found.append(f"mean read-back error {error:.1%} of the range, {before or 0:.1%} before")
    return "; ".join(found)


def _shifted(name: str, results: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """One share against the baseline's; a score that one of both never gave counts as none of
    all scores given there."""
    now = results["shares"].get(name) or _never(results)
    before = baseline["shares"].get(name) or _never(baseline)
    z = two_proportion_z(now[0], now[1], before[0], before[1])
    if abs(z) <= ALARM_Z or (name in BETTER_UP and z > 0):
        return ""
    return f"{name} {now[0]} of {now[1]}, {before[0]} of {before[1]} before"


def _never(results: Mapping[str, Any]) -> Share:
    scores = [
        count for name, count in results["shares"].items() if name.startswith("setup quality")
    ]
    return [0, scores[0][1] if scores else 0]


def _lower(profile: AnalystProfile, identity: str, alarm: str) -> None:
    """Take the grade of the newest eye test down to paper."""
    exam = EyeTest.objects.filter(profile=profile, identity=identity, state=ExamState.DONE).first()
    if exam is not None and not exam.lowered_by:
        exam.lowered_by = f"two canaries in a row: {alarm}"[:200]
        exam.save(update_fields=("lowered_by",))
