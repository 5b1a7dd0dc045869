"""How a connection to the venue stands, kept in its ``VenueLink`` row."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from django.db import connection
from django.utils import timezone

from exchange.choices import LinkState
from exchange.models import VenueLink

log = structlog.get_logger(__name__)

WRITE_EVERY_S = 1.0
# A database that refused a write is left alone for a while: the venue matters more.
AFTER_ERROR_S = 15.0
OFFSET_STEP_MS = 50


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the row holds."""

    reason: str = ""
    failures: int = 0
    open_until: datetime | None = None
    halted: str = ""
    clock_offset_ms: int | None = None
    streams: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> LinkState:
        if self.halted:
            return LinkState.HALTED
        if self.open_until is not None:
            return LinkState.OPEN
        return LinkState.DEGRADED if self.failures else LinkState.OK

    def columns(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "reason": (self.halted or self.reason)[:300],
            "failures": self.failures,
            "open_until": self.open_until,
            "clock_offset_ms": self.clock_offset_ms,
            "streams": self.streams,
        }


class Link:
    """Notes about one connection, written on change and at most once a second; thread-safe.

    The REST door's calls write; streams only leave their notes, since their threads have no
    business with the database. Nothing is written inside an open transaction, and a database that
    is away stops nobody. With an empty ``name`` nothing is ever read or written.
    """

    def __init__(self, name: str, account_id: int | None, host: str) -> None:
        self._name = name
        self._account_id = account_id
        self._host = host
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._facts = _Facts()
        self._written: _Facts | None = None
        self._next_write = -math.inf

    def stored_open_until(self) -> datetime | None:
        """Until when any connection to this host was told to pause; None if none, or unreadable."""
        if not self._name or connection.in_atomic_block:
            return None
        try:
            return (
                VenueLink.objects.filter(host=self._host, open_until__gt=timezone.now())
                .order_by("-open_until")
                .values_list("open_until", flat=True)
                .first()
            )
        except Exception:
            log.warning("venue link not readable", link=self._name, exc_info=True)
            return None

    def note_success(self) -> None:
        """The venue answered as it should."""
        self._change(reason="", failures=0, open_until=None)
        self.flush()

    def note_failure(self, reason: str) -> None:
        """A call got no answer, or none that counts."""
        with self._lock:
            failures = self._facts.failures + 1
        self._change(reason=reason, failures=failures)
        self.flush()

    def open_until(self, moment: datetime, reason: str) -> None:
        """The circuit stays open until ``moment`` (wall time); written at once."""
        self._change(open_until=moment, reason=reason)
        self.flush(at_once=True)

    def note_halt(self, sentence: str) -> None:
        """A person must act; an empty sentence ends that. Written at once."""
        if self._change(halted=sentence):
            self.flush(at_once=True)

    def note_clock(self, offset_ms: int | None) -> None:
        """The venue's clock minus ours; small wavering is not worth a write."""
        with self._lock:
            known = self._facts.clock_offset_ms
        if known is None or offset_ms is None or abs(offset_ms - known) >= OFFSET_STEP_MS:
            self._change(clock_offset_ms=offset_ms)

    def stream_state(self, stream: str, state: str) -> None:
        """One stream's state in words; written with the next call of the REST door."""
        with self._lock:
            streams = {**self._facts.streams, stream: state}
            self._facts = replace(self._facts, streams=streams)

    def streams(self, states: dict[str, str]) -> None:
        """The states of all streams in words."""
        self._change(streams=dict(states))

    def flush(self, *, at_once: bool = False) -> None:
        """Write what changed, if it is due or ``at_once``."""
        if not self._name or not self._writing.acquire(blocking=False):
            return
        try:
            with self._lock:
                facts = self._facts
            due = at_once or time.monotonic() >= self._next_write
            if facts != self._written and due and not connection.in_atomic_block:
                self._write(facts)
        finally:
            self._writing.release()

    def _write(self, facts: _Facts) -> None:
        columns = {**facts.columns(), "host": self._host, "updated_at": timezone.now()}
        try:
            VenueLink.objects.update_or_create(
                name=self._name, defaults={**columns, "account_id": self._account_id}
            )
        except Exception:
            self._next_write = time.monotonic() + AFTER_ERROR_S
            log.warning("venue link not written", link=self._name, exc_info=True)
        else:
            self._written = facts
            self._next_write = time.monotonic() + WRITE_EVERY_S

    def _change(self, **changes: Any) -> bool:
        with self._lock:
            before = self._facts
            self._facts = replace(before, **changes)
            return self._facts != before
