"""Pieces of an answer that both interfaces share. Servers are not trusted to keep to types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.domain import Usage

# What the columns hold. A server that counts higher is out of its mind, and costly all the same.
MOST_TOKENS = 2_000_000_000


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def mappings_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, whatever else is in it."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def usage_of(usage: Any, *, input_name: str, output_name: str) -> Usage | None:
    """The tokens as the server counted them, never too few; None unless both sums are
    there and say that something was read."""
    if not isinstance(usage, Mapping):
        return None
    input_tokens = _count(usage.get(input_name))
    output_tokens = _count(usage.get(output_name))
    if not input_tokens or output_tokens is None:
        return None
    cached = _detail(usage, input_name, "cached_tokens")
    reasoning = _detail(usage, output_name, "reasoning_tokens")
    total = _count(usage.get("total_tokens"))
    # Some servers count what was thought beside the output instead of in it.
    if reasoning > output_tokens or total == input_tokens + output_tokens + reasoning:
        output_tokens = min(output_tokens + reasoning, MOST_TOKENS)
    return Usage(input_tokens, min(cached, input_tokens), output_tokens, reasoning)


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int:
    details = usage.get(f"{group}_details")
    return (_count(details.get(name)) or 0) if isinstance(details, Mapping) else 0


def _count(value: Any) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, MOST_TOKENS)
