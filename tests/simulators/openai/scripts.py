"""Scripts: what to do with which question, and how often."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.openai.asks import Ask
from tests.simulators.openai.modes import MODES


@dataclass(slots=True)
class Script:
    """One mode with its arguments for the questions that match.

    ``model`` is a name, ``contains`` a part of the question's words, ``image`` the SHA-256 of a
    picture; each None matches all. ``left`` counts the questions still to come (None: no end).
    """

    mode: str
    args: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    contains: str | None = None
    image: str | None = None
    left: int | None = None
    used: int = 0
    first_at: float | None = None

    def matches(self, ask: Ask) -> bool:
        if self.model is not None and self.model != ask.model.name:
            return False
        if self.contains is not None and self.contains not in ask.text:
            return False
        return self.image is None or self.image in {picture.sha256 for picture in ask.pictures}

    def over(self, now: float) -> bool:
        """Whether its count is used up, or the time for which it holds."""
        if self.left == 0:
            return True
        for_s = self.args.get("for_s")
        return for_s is not None and self.first_at is not None and now - self.first_at >= for_s


class Scripts:
    """The queue: the oldest script that matches and isn't over has the question."""

    def __init__(self, mode: str) -> None:
        self._always = checked(Script(mode))
        self._queue: list[Script] = []
        self._lock = threading.Lock()

    def add(self, script: Script) -> None:
        with self._lock:
            self._queue.append(checked(script))

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()

    def pick(self, ask: Ask) -> tuple[Script, int]:
        """The script for a question and how many questions it had before."""
        now = time.monotonic()
        with self._lock:
            waiting = (each for each in self._queue if not each.over(now) and each.matches(ask))
            script = next(waiting, self._always)
            if script.first_at is None:
                script.first_at = now
            if script.left is not None:
                script.left -= 1
            script.used += 1
            return script, script.used - 1

    def waiting(self) -> list[Script]:
        """Scripts that are not over."""
        now = time.monotonic()
        with self._lock:
            return [script for script in self._queue if not script.over(now)]


def checked(script: Script) -> Script:
    """The script, if its modes exist. Raises ValueError."""
    for mode in (script.mode, script.args.get("answer", script.mode)):
        if mode not in MODES:
            raise ValueError(f"no mode {mode!r}; there are {', '.join(sorted(MODES))}")
    return script
