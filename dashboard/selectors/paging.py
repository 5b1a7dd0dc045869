"""Pages by key: the next page starts after the last id seen, however many rows came since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

ROWS = 25
Row = TypeVar("Row")
Stored = TypeVar("Stored", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page; ``before`` is the id that starts the next, None on the last page."""

    rows: list[Row]
    before: int | None


def page_of(
    rows: QuerySet[Stored, Any], before: int | None, shape: Callable[[Stored], Row]
) -> Page[Row]:
    """The first page of ``rows`` (newest id first), or the one that starts before an id."""
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS + 1])
    more = len(found) > ROWS
    shown = found[:ROWS]
    return Page([shape(row) for row in shown], shown[-1].pk if more else None)
