"""Let go of old evidence: the bytes of pictures, the texts of questions and answers, and candles.

Rows, costs, readings and verdicts stay for good. So does everything behind a trade, and what an
examination of a model as it is now was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from analysis.choices import CallPurpose
from analysis.identity import reading_identity
from analysis.models import (
    Analysis,
    AnalystProfile,
    CanaryRun,
    ChartImage,
    ChartUpload,
    EyeTest,
    ModelCall,
    PromptVersion,
)
from trading.events import record
from trading.models import MonitorCandle

EXAMINATIONS = (CallPurpose.EYE_TEST, CallPurpose.CANARY)
# A run is stored when it begins or when it ends; its first questions are no older than this.
LONGEST_EXAMINATION = timedelta(days=1)
BATCH = 200
# Two years of minutes that exit rules ran on: longer than any comparison of settings looks back.
CANDLES_KEPT = timedelta(days=730)
NOTHING = Q(pk__in=[])


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many pictures lost their bytes and how many calls their texts."""

    pictures: int
    calls: int


def evidence_expire(now: datetime) -> Dropped:
    """Drop what is older than ``settings.AI_EVIDENCE_DAYS`` (wall time) and may go, and candles
    that are older than two years."""
    candles_expire(now)
    before = now - timedelta(days=settings.AI_EVIDENCE_DAYS)
    kept = _kept_calls(before)
    calls = ModelCall.objects.exclude(kept).exclude(raw_answer="", request={})
    dropped_calls = _in_batches(
        calls, lambda rows: ModelCall.objects.filter(rows).update(raw_answer="", request={})
    )
    pictures = _pictures(before, kept)
    dropped_pictures = _in_batches(
        pictures, lambda rows: ChartImage.objects.filter(rows).update(png=None)
    )
    dropped = Dropped(dropped_pictures, dropped_calls)
    if dropped.pictures or dropped.calls:
        _tell(dropped)
    return dropped


def candles_expire(now: datetime) -> int:
    """Drop monitor candles from before the time that exits can be run again for."""
    old = MonitorCandle.objects.filter(open_time__lt=now - CANDLES_KEPT)
    return _in_batches(old, lambda rows: MonitorCandle.objects.filter(rows).delete()[0])


def _tell(dropped: Dropped) -> None:
    record(
        "evidence_dropped",
        f"{dropped.pictures} pictures and the texts of {dropped.calls} calls older than "
        f"{settings.AI_EVIDENCE_DAYS} days were dropped; what led to a trade was kept.",
        data={"pictures": dropped.pictures, "calls": dropped.calls},
    )


def _kept_calls(before: datetime) -> Q:
    """Calls that are young, led to a trade, or examined a model as it is now."""
    return Q(created_at__gte=before) | Q(analysis__in=_traded()) | _current_examinations()


def _traded() -> QuerySet[Analysis]:
    return Analysis.objects.filter(signals__trade__isnull=False)


def _current_examinations() -> Q:
    """Calls since the first examination of each profile and prompt as they are now."""
    found = NOTHING
    for profile_id, prompt_id in _examined():
        profile = AnalystProfile.objects.get(pk=profile_id)
        prompt = PromptVersion.objects.get(pk=prompt_id)
        since = _first_examined(profile, prompt)
        if since is not None:
            found |= Q(
                purpose__in=EXAMINATIONS,
                profile=profile,
                prompt_version=prompt,
                created_at__gte=since - LONGEST_EXAMINATION,
            )
    return found


def _examined() -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for rows in (EyeTest.objects, CanaryRun.objects):
        pairs |= set(rows.order_by().values_list("profile_id", "prompt_version_id").distinct())
    return pairs


def _first_examined(profile: AnalystProfile, prompt: PromptVersion) -> datetime | None:
    same: dict[str, Any] = {
        "profile": profile,
        "prompt_version": prompt,
        "identity": reading_identity(profile, prompt),
    }
    tests = EyeTest.objects.filter(**same).values_list("started_at", flat=True)
    runs = CanaryRun.objects.filter(**same).values_list("ran_at", flat=True)
    return min([*tests, *runs], default=None)


def _pictures(before: datetime, kept: Q) -> QuerySet[ChartImage]:
    """Old pictures with bytes that nothing that is kept refers to."""
    calls = ModelCall.objects.filter(kept, chart=OuterRef("pk"))
    analyses = Analysis.objects.filter(
        Q(created_at__gte=before) | Q(pk__in=_traded()), chart=OuterRef("pk")
    )
    uploads = ChartUpload.objects.filter(image=OuterRef("pk"), created_at__gte=before)
    return ChartImage.objects.filter(
        ~Exists(calls),
        ~Exists(analyses),
        ~Exists(uploads),
        png__isnull=False,
        created_at__lt=before,
    )


def _in_batches(rows: QuerySet[Any], drop: Callable[[Q], int]) -> int:
    """Drop in small writes, so that on SQLite a cycle never waits long for its turn."""
    return sum(drop(Q(pk__in=batch)) for batch in _batches(rows))


def _batches(rows: QuerySet[Any]) -> Iterator[list[int]]:
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]
