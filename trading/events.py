"""Events: rows first, news second.

``record`` is called last in the transaction of what happened. Its id is taken under a lock that
is held to the commit, so ids become visible in order and a reader that remembers the newest id
misses nothing. Publishing comes after the commit and may fail: the rows are the truth.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from exchange.models import ExchangeAccount
from trading.choices import EventLevel
from trading.models import Event
from trading.publish import publish

EVENT_LOCK = 7_301_001
TEXT_LENGTH = 300

# Which parts of the console show each kind of event.
FRAGMENTS: dict[str, list[str]] = {
    "cycle": ["cycles", "decision", "approvals", "header"],
    "approval": ["approvals", "decision"],
    "order": ["positions", "decision"],
    "trade": ["positions", "decision", "header"],
    "stop": ["positions"],
    "command": ["positions"],
    "engine": ["header"],
    "state": ["header"],
    "bot": ["header"],
    "kill": ["header", "positions"],
}


def record(
    kind: str,
    text: str,
    *,
    account: ExchangeAccount | None = None,
    level: EventLevel = EventLevel.INFO,
    data: dict[str, Any] | None = None,
    market_time: datetime | None = None,
) -> Event:
    """Store an event and publish it after the commit.

    ``kind`` is ``group_what``, for example ``trade_opened``; ``data`` holds ids and numbers.
    """
    with transaction.atomic():
        _take_turn()
        event = Event.objects.create(
            account=account,
            mode=account.mode if account else "",
            kind=kind,
            level=level,
            text=text[:TEXT_LENGTH],
            data=data or {},
            market_time=market_time,
            created_at=timezone.now(),
        )
    message = {
        "type": "event",
        "id": event.pk,
        "kind": kind,
        "level": str(level),
        "text": event.text,
        "fragments": _fragments(kind, level),
    }
    transaction.on_commit(lambda: publish(message))
    return event


def _take_turn() -> None:
    """SQLite has one writer at a time anyway; PostgreSQL needs a lock that the commit frees."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [EVENT_LOCK])


def _fragments(kind: str, level: EventLevel) -> list[str]:
    found = list(FRAGMENTS.get(kind.split("_", 1)[0], []))
    if level in (EventLevel.WARNING, EventLevel.CRITICAL):
        found.append("alerts")
    return found
