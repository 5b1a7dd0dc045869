"""The record of every request for an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.simulators.openai.asks import Ask
from tests.simulators.openai.replies import Counted


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``images`` are SHA-256 names, ``sizes`` their widths and heights.

    ``body`` has no pictures and ``mode`` is empty where the request itself was refused.
    ``finished`` turns true when the last byte was given to the connection.
    """

    number: int
    at: datetime
    path: str
    model: str = ""
    mode: str = ""
    images: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    details: tuple[str, ...] = ()
    body: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    answer: str = ""
    counted: Counted = field(default_factory=Counted)
    finished: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


class CallLog:
    """Calls in the order in which they came. Bears any thread."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._open = 0
        self.most_at_once = 0

    def opened(self, path: str) -> int:
        """Note a request that begins; returns its number."""
        with self._lock:
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            self._calls.append(Call(len(self._calls), datetime.now(UTC), path))
            return len(self._calls) - 1

    def asked(self, number: int, ask: Ask, mode: str) -> None:
        pictures = ask.pictures
        self._change(
            number,
            lambda call: replace(
                call,
                model=ask.model.name,
                mode=mode,
                images=tuple(picture.sha256 for picture in pictures),
                sizes=tuple((picture.width, picture.height) for picture in pictures),
                details=tuple(picture.detail for picture in pictures),
                body=ask.body,
            ),
        )

    def answered(self, number: int, status: int, answer: str, counted: Counted) -> None:
        self._change(
            number, lambda call: replace(call, status=status, answer=answer, counted=counted)
        )

    def closed(self, number: int, *, finished: bool) -> None:
        self._change(number, lambda call: replace(call, finished=finished))
        with self._lock:
            self._open -= 1

    def all(self) -> tuple[Call, ...]:
        with self._lock:
            return tuple(self._calls)

    def totals(self) -> dict[str, int]:
        """Calls answered with a reading and what all of them counted."""
        done = [call for call in self.all() if call.status == 200]
        return {
            "calls": len(done),
            "input_tokens": sum(call.counted.input_tokens for call in done),
            "cached_tokens": sum(call.counted.cached_tokens for call in done),
            "output_tokens": sum(call.counted.output_tokens for call in done),
            "reasoning_tokens": sum(call.counted.reasoning_tokens for call in done),
        }

    def _change(self, number: int, change: Callable[[Call], Call]) -> None:
        with self._lock:
            self._calls[number] = change(self._calls[number])
