"""How fast a stream may be opened again."""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import dataclass

BUDGET_SPAN_S = 300.0
# Bybit allows 500 new connections in five minutes for all that this address does.
BUDGET_CONNECTS = 300


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds a stream waits for what.

    A connection that was silent for ``silent_after_s`` is given up; it is probed with a ping after
    ``probe_after_s`` without a frame, and every ``ping_every_s`` in any case. ``settled_after_s``
    of health let the pauses between attempts start small again. An attempt that began just before
    the venue's return, and the pause after it, together stay within five seconds.
    """

    connect_s: float = 2.5
    reply_s: float = 2.0
    ping_every_s: float = 10.0
    probe_after_s: float = 1.5
    silent_after_s: float = 4.5
    first_pause_s: float = 0.25
    longest_pause_s: float = 1.5
    settled_after_s: float = 10.0


class Backoff:
    """Pauses that double from ``first_s``; each is shortened by chance to 50 to 90 %, so that
    many clients do not come back in step and a venue's return is noticed within ``longest_s``."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def pause(self) -> float:
        """Seconds to wait before the next attempt."""
        pause_s = self._next_s
        self._next_s = min(self._next_s * 2, self._longest_s)
        return pause_s * random.uniform(0.5, 0.9)

    def reset(self) -> None:
        self._next_s = self._first_s


class ConnectBudget:
    """At most ``limit`` connections in ``span_s`` seconds."""

    def __init__(self, limit: int = BUDGET_CONNECTS, span_s: float = BUDGET_SPAN_S) -> None:
        self._limit = limit
        self._span_s = span_s
        self._lock = threading.Lock()
        self._times: deque[float] = deque()

    def take(self, now_s: float) -> float:
        """Count a connection and answer 0, or the seconds until there is room for one."""
        with self._lock:
            while self._times and now_s - self._times[0] >= self._span_s:
                self._times.popleft()
            if len(self._times) >= self._limit:
                return self._span_s - (now_s - self._times[0])
            self._times.append(now_s)
            return 0.0


_budgets: dict[str, ConnectBudget] = {}
_budgets_lock = threading.Lock()


def budget_of(host: str) -> ConnectBudget:
    """The budget that all streams of this process to ``host`` share."""
    with _budgets_lock:
        return _budgets.setdefault(host, ConnectBudget())
