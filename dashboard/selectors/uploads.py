"""Charts that people brought, with what a model said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from analysis.choices import AnalystKind
from analysis.models import AnalystProfile, ChartUpload
from analysis.profiles import profile_problem
from dashboard import format as fmt
from dashboard.selectors.readings import dollars

SHOWN = 20


@dataclass(frozen=True, slots=True)
class UploadShown:
    """One picture. ``waiting`` until there is a reading or a problem."""

    id: int
    file_name: str
    brought_at: datetime
    waiting: bool
    problem: str
    shown: str
    direction: str
    environment: str
    observations: tuple[str, ...]
    case_long: tuple[str, ...]
    case_short: tuple[str, ...]
    objection: str
    quality: str
    call_id: int | None
    cost: str


def upload_list(user: User) -> tuple[UploadShown, ...]:
    """The newest pictures of ``user``; nobody else's."""
    rows = ChartUpload.objects.filter(user=user).select_related("call")[:SHOWN]
    return tuple(_upload(row) for row in rows)


def profile_choices() -> tuple[tuple[int, str], ...]:
    """Models that can be asked now."""
    rows = AnalystProfile.objects.exclude(kind=AnalystKind.TECHNICAL).filter(is_active=True)
    return tuple((row.pk, str(row)) for row in rows if not profile_problem(row))


def _upload(row: ChartUpload) -> UploadShown:
    reading: Mapping[str, Any] = row.reading
    return UploadShown(
        id=row.pk,
        file_name=row.file_name or "chart",
        brought_at=row.created_at,
        waiting=not reading and not row.problem,
        problem=row.problem,
        shown=str(reading.get("shown", "")),
        direction=str(reading.get("direction", "")),
        environment=str(reading.get("environment", "")).replace("_", " "),
        observations=tuple(reading.get("observations", ())),
        case_long=tuple(reading.get("case_long", ())),
        case_short=tuple(reading.get("case_short", ())),
        objection=fmt.one_stop(str(reading.get("strongest_objection", ""))),
        quality=str(reading.get("setup_quality", "")),
        call_id=row.call_id,
        cost=dollars(row.call.cost) if row.call else fmt.UNKNOWN,
    )
