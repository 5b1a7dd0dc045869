"""Pages, cursors, time windows and lagging views of histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from tests.simulators.bybit.params import Params, whole, word
from tests.simulators.bybit.rules import WEEK_MS, Refused

Row = dict[str, Any]
Views = Sequence[tuple[int, Row]]


def page(rows: list[tuple[int, Row]], params: Params, default: int, most: int) -> Row:
    """Give one page of (number, row) pairs, newest first, as `nextPageCursor` and `list`.

    The cursor of a page that is not empty is never empty, the last page's included: clients must
    stop at a short or empty page.
    """
    limit = whole(params, "limit", default)
    if not 1 <= limit <= most:
        raise Refused(10001, f"params error: limit must be 1 to {most}")
    ordered = sorted(rows, key=lambda pair: pair[0], reverse=True)
    before = _cursor(word(params, "cursor"))
    if before is not None:
        ordered = [pair for pair in ordered if pair[0] < before]
    shown = ordered[:limit]
    cursor = quote(f"page_args={shown[-1][0]}&", safe="") if shown else ""
    return {"nextPageCursor": cursor, "category": "linear", "list": [row for _, row in shown]}


def _cursor(sent: str) -> int | None:
    """Read a cursor, whether the client sent it as returned or escaped it once more."""
    if not sent:
        return None
    number = unquote(unquote(sent)).removeprefix("page_args=").rstrip("&")
    if not number.isdigit():
        raise Refused(10001, "params error: cursor invalid")
    return int(number)


def window(params: Params, now_ms: int, default_ms: int = WEEK_MS) -> tuple[int, int]:
    """Give the asked time range, both ends included; at most seven days."""
    start, end = whole(params, "startTime", 0), whole(params, "endTime", 0)
    if start and end:
        if end < start or end - start > WEEK_MS:
            raise Refused(10001, "The time range between startTime and endTime exceeds 7 days")
        return start, end
    if start:
        return start, start + default_ms
    if end:
        return end - default_ms, end
    return now_ms - default_ms, now_ms


def view_at(views: Views, ms: int) -> Row | None:
    """Give what a reader could see at `ms`, None when nothing yet."""
    return next((row for seen_ms, row in reversed(views) if seen_ms <= ms), None)
