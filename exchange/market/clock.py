"""Clocks: wall time, and the market time of simulated and replayed markets."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from exchange.models import MarketSession
from exchange.ports import Clock

CACHE_S = 0.5
RESERVE_S = 3


class MarketClock(Protocol):
    """Tells market time (UTC); it never goes back within a process."""

    def now(self) -> datetime: ...


class WallClock:
    """The time of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SteppedClock:
    """Market time that moves only when its driver moves it."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Set market time; ``ValueError`` if that would be a step back."""
        if moment < self._now:
            raise ValueError(f"market time cannot go back from {self._now} to {moment}")
        self._now = moment


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A session's row: market time runs from ``market`` at ``wall`` and stops at ``reserved``."""

    market: datetime
    wall: datetime
    speed: int
    reserved: datetime
    end: datetime | None

    def running(self, wall_now: datetime) -> datetime:
        """Market time if nothing held it back."""
        return self.market + (wall_now - self.wall) * self.speed

    def capped(self, moment: datetime) -> datetime:
        return moment if self.end is None else min(moment, self.end)


class SessionClock:
    """Market time of one ``MarketSession``, the same in every process that reads its row.

    The running trader calls ``extend`` about once a wall second; without it time stands still
    at ``reserved_until``. Readers keep the row for half a second, so they cost few queries. A
    session that is gone raises ``MarketSession.DoesNotExist``.

    The lock guards memory only and is never held over a query: a caller of ``now`` may be inside
    a transaction that whoever holds the lock would have to wait for.
    """

    def __init__(self, session_id: int, wall: Clock) -> None:
        self._session_id = session_id
        self._wall = wall
        self._lock = threading.Lock()
        self._anchor: _Anchor | None = None
        self._read_at = 0.0
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Market time; never earlier than an answer given before."""
        with self._lock:
            anchor = self._anchor
            fresh = self._wall.monotonic() - self._read_at < CACHE_S
        if anchor is None or not fresh:
            anchor = self._read()
        return self._position(anchor, self._wall.now())

    def extend(self) -> None:
        """Let time run for three more wall seconds.

        Where the running time left the span between the newest answer and ``reserved_until``
        (the trader was away, the machine slept, the wall clock was set), it is anchored anew:
        time goes on from where it stood and never jumps.
        """
        anchor = self._read()
        wall_now = self._wall.now()
        position = self._position(anchor, wall_now)
        reserved = max(anchor.reserved, position + self._reserve(anchor))
        changes = {"reserved_until": anchor.capped(reserved)}
        if position != anchor.running(wall_now):
            changes |= {"anchor_market": position, "anchor_wall": wall_now}
        self._update(anchor, changes)

    def resume(self) -> None:
        """Start of a trader: go on exactly where the reservation of the last one ended."""
        anchor = self._read()
        moment = anchor.capped(anchor.reserved)
        self._update(anchor, {"anchor_market": moment, "anchor_wall": self._wall.now()})

    def freeze(self) -> None:
        """Clean stop of a trader: time stands still from now on."""
        anchor = self._read()
        wall_now = self._wall.now()
        moment = self._position(anchor, wall_now)
        self._update(
            anchor,
            {"anchor_market": moment, "anchor_wall": wall_now, "reserved_until": moment},
        )

    def _position(self, anchor: _Anchor, wall_now: datetime) -> datetime:
        # A wall clock behind the one that set the anchor must not lead into the past.
        running = max(anchor.market, min(anchor.running(wall_now), anchor.reserved))
        with self._lock:
            self._latest = max(self._latest, anchor.capped(running))
            return self._latest

    @staticmethod
    def _reserve(anchor: _Anchor) -> timedelta:
        return timedelta(seconds=RESERVE_S) * anchor.speed

    def _read(self) -> _Anchor:
        row = MarketSession.objects.get(pk=self._session_id)
        anchor = _Anchor(
            market=row.anchor_market,
            wall=row.anchor_wall,
            speed=row.speed,
            reserved=row.reserved_until,
            end=row.end,
        )
        with self._lock:
            self._anchor, self._read_at = anchor, self._wall.monotonic()
        return anchor

    def _update(self, anchor: _Anchor, changes: dict[str, datetime]) -> None:
        # If another trader took over since the row was read, its anchor stands and ours is void.
        MarketSession.objects.filter(
            pk=self._session_id, anchor_wall=anchor.wall, reserved_until=anchor.reserved
        ).update(**changes)
        with self._lock:
            self._anchor = None
