"""What Bybit announces: maintenance of its systems, and symbols it will take off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exchange.bybit.parse_values import Row

DERIVATIVES = 1
CANCELLED = frozenset({"canceled", "cancelled"})
# An announcement of maintenance often shows when it is displayed, not when the work is done.
LONGEST_MAINTENANCE = timedelta(days=1)
# A symbol that is announced for delisting is not entered any more; by then it is gone.
DELISTING = timedelta(days=90)
SYMBOL = re.compile(r"\b[A-Z0-9]{1,20}USDT\b")


@dataclass(frozen=True, slots=True)
class Notice:
    """A stretch of time in which Bybit can't be relied on for ``symbols`` (none named: all).
    ``key`` is its id there; ``cancelled`` notices do not count any more."""

    key: str
    title: str
    start: datetime
    end: datetime
    symbols: frozenset[str] = frozenset()
    cancelled: bool = False


def system_status(data: Mapping[str, Any]) -> Notice | None:
    """One row of system/status; None where it does not concern derivatives or has no length."""
    row = Row.of("system/status", data)
    products = row.fields.get("product") or []
    if isinstance(products, list) and products and DERIVATIVES not in map(_whole, products):
        return None
    start, end = row.time("begin"), row.time("end")
    if start is None or end is None or end <= start:
        return None
    return Notice(
        key=f"status:{row.needed_text('id')}",
        title=row.text("title") or "maintenance",
        start=start,
        end=end,
        cancelled=row.text("state") in CANCELLED,
    )


def maintenance(data: Mapping[str, Any]) -> Notice | None:
    """One announcement of type maintenance_updates; None where it names no hours of work."""
    row = Row.of("announcements", data)
    start, end = row.time("startDateTimestamp"), row.time("endDateTimestamp")
    if start is None or end is None or not start < end <= start + LONGEST_MAINTENANCE:
        return None
    return Notice(_key(row), row.needed_text("title"), start, end)


def delisting(data: Mapping[str, Any]) -> Notice | None:
    """One announcement of type delistings; None where it names no perpetual."""
    row = Row.of("announcements", data)
    title = row.needed_text("title")
    symbols = frozenset(SYMBOL.findall(f"{title} {row.text('description')}"))
    if not symbols:
        return None
    told = row.needed_time("publishTime", "dateTimestamp", "startDateTimestamp")
    planned = [row.time("startDateTimestamp"), row.time("endDateTimestamp")]
    latest = max([told, *(one for one in planned if one is not None)])
    return Notice(_key(row), title, told, latest + DELISTING, symbols)


def _key(row: Row) -> str:
    """Announcements have no id but their address."""
    return f"news:{row.needed_text('url').rstrip('/').rpartition('/')[2]}"[:90]


def _whole(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else 0
