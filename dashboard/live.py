"""What the console's socket pushes: texts that tick, and versions of the parts of a page."""

from __future__ import annotations

from dataclasses import dataclass

from trading.models import Event


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """All pushed texts by their ``data-b`` key, formatted, and a version per fragment.

    A fragment is fetched again when its version changes; the text of a version means nothing.
    """

    values: dict[str, str]
    versions: dict[str, str]


def snapshot() -> LiveSnapshot:
    """Read what the console shows, in a few queries. Called from a thread of the hub."""
    newest = Event.objects.values_list("id", flat=True).first()
    return LiveSnapshot(values={}, versions={"events": str(newest)})
