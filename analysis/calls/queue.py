"""Turns at a model's server: few at once, first come first served, and none during a pause."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from analysis.errors import AnalystPaused

if TYPE_CHECKING:
    from datetime import datetime

    from analysis.models import AnalystProfile


class _Ticket:
    """A place in the queue. ``dismissed`` says why there will be no turn, if so."""

    def __init__(self) -> None:
        self.dismissed = ""


class CallQueue:
    """At most ``size`` calls at a time from all threads of this process. Seconds are monotonic."""

    def __init__(self, size: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._waiting: deque[_Ticket] = deque()
        self._active = 0
        self._paused_until = float("-inf")

    @contextmanager
    def turn(self, deadline_at: float) -> Iterator[None]:
        """Hold one of the places. Raise ``AnalystPaused`` when none comes before the deadline, at
        once where the pause outlasts it, or when everybody waiting is dismissed."""
        self._take(deadline_at)
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def _take(self, deadline_at: float) -> None:
        ticket = _Ticket()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while (wait_s := self._wait_for(ticket, deadline_at)) > 0:
                    self._changed.wait(wait_s)
                self._active += 1
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _wait_for(self, ticket: _Ticket, deadline_at: float) -> float:
        """Seconds until it is worth looking again, 0 when it is this ticket's turn."""
        now = self._monotonic()
        if ticket.dismissed:
            raise AnalystPaused(ticket.dismissed)
        if now >= deadline_at:
            raise AnalystPaused("No turn at the model came before the deadline.")
        if self._paused_until >= deadline_at:
            raise AnalystPaused("The server asked for a pause that outlasts the deadline.")
        if now < self._paused_until:
            return self._paused_until - now
        if self._waiting[0] is ticket and self._active < self._size:
            return 0
        return deadline_at - now

    def pause_until(self, moment: float) -> None:
        """Let nobody go before this moment. A pause is never shortened."""
        with self._changed:
            self._paused_until = max(self._paused_until, moment)
            self._changed.notify_all()

    def pause_for(self, seconds: float) -> None:
        self.pause_until(self._monotonic() + seconds)

    def dismiss(self, reason: str) -> None:
        """Tell everybody who waits now that no turn will come. Whoever comes later may wait."""
        with self._changed:
            for ticket in self._waiting:
                ticket.dismissed = reason
            self._changed.notify_all()

    def resize(self, size: int) -> None:
        """Allow another number of calls at once; those under way go on."""
        with self._changed:
            if size != self._size:
                self._size = size
                self._changed.notify_all()


_queues: dict[tuple[int, datetime], CallQueue] = {}
_queues_lock = threading.Lock()


def queue_for(profile: AnalystProfile) -> CallQueue:
    """The queue of this profile in this process, as wide as the profile says now."""
    key = (profile.pk, profile.created_at)
    with _queues_lock:
        queue = _queues.setdefault(key, CallQueue(profile.max_concurrency))
    queue.resize(profile.max_concurrency)
    return queue
