"""Keyset paging in the query string."""

from __future__ import annotations

from django.http import HttpRequest


def before_of(request: HttpRequest) -> int | None:
    """The id that the page asked for starts before."""
    text = request.GET.get("before", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def next_url(request: HttpRequest, before: int | None) -> str:
    """Address of the next page with the same filters, empty on the last."""
    if before is None:
        return ""
    query = request.GET.copy()
    query["before"] = str(before)
    return f"?{query.urlencode()}"
