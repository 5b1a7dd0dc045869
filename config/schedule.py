"""What beat sends and how often: rows of django-celery-beat, written before anything runs.

Beat's own way to install a schedule swallows errors and goes on without the entry.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask


class Entry(NamedTuple):
    """``expire_s``: a message that waited longer is dropped, because the next one does more."""

    name: str
    task: str
    every_s: int
    expire_s: int


HOUR_S = 3_600
DAY_S = 86_400

ENTRIES = (
    Entry("cycles due", "trading.tasks.cycles_due", every_s=1, expire_s=5),
    Entry("beat alive", "trading.tasks.beat_alive", every_s=10, expire_s=30),
    Entry("counterfactuals", "trading.tasks.counterfactuals", every_s=300, expire_s=240),
    Entry("notices", "trading.tasks.notices", every_s=HOUR_S, expire_s=HOUR_S // 2),
    Entry("canaries", "trading.tasks.canaries", every_s=DAY_S, expire_s=DAY_S // 2),
    Entry("old evidence", "trading.tasks.old_evidence", every_s=DAY_S, expire_s=DAY_S // 2),
)


@transaction.atomic
def schedule_ensure() -> None:
    """Write the entries; an operator's switch of ``enabled`` is kept."""
    for entry in ENTRIES:
        interval, _ = IntervalSchedule.objects.get_or_create(
            every=entry.every_s, period=IntervalSchedule.SECONDS
        )
        PeriodicTask.objects.update_or_create(
            name=entry.name,
            defaults={
                "task": entry.task,
                "interval": interval,
                "expire_seconds": entry.expire_s,
            },
        )
