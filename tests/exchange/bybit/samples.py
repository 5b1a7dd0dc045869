"""Payloads that Bybit publishes or really sent, by folder and name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.services import SHARED_DATA

BYBIT = SHARED_DATA / "bybit"
OFFICIAL, RECORDED, LIBRARY = "official-samples", "recorded-ws", "http-and-ws-exchanges"
NOW = datetime(2026, 11, 22, tzinfo=UTC)

NEEDS_SAMPLES = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not BYBIT.is_dir(), reason="no real payloads: ../shared/data is absent"),
]


def payload(folder: str, name: str) -> dict[str, Any]:
    """The one JSON object of a file; text files have lines of their own before it."""
    (path,) = (BYBIT / folder).glob(f"{name}.*")
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".txt":
        # Request lines come first, in frames of a stream after one of these signs.
        lines = [line for line in text.splitlines() if not line.startswith((">", "<", "="))]
        text = "\n".join(lines[lines.index("{") :])
    read, _ = json.JSONDecoder().raw_decode(text)
    assert isinstance(read, dict)
    return read


def rows(folder: str, name: str) -> list[Any]:
    """The rows of an answer or a frame."""
    read = payload(folder, name)
    found = read["data"] if "data" in read else read["result"]["list"]
    return found if isinstance(found, list) else [found]


def row(folder: str, name: str) -> Any:
    (only,) = rows(folder, name)
    return only


def at(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
