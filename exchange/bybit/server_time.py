"""The venue's clock, measured from its answers."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exchange.ports import Clock

SLOWEST_ANSWER_S = 2.0
# A quartz clock is off by less than this share of the time since it was last set.
DRIFT = 0.0005
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Venue time ``server_ms`` at the monotonic second ``at``, right within ``doubt_s``."""

    server_ms: float
    at: float
    doubt_s: float

    def ms_at(self, monotonic: float) -> float:
        return self.server_ms + (monotonic - self.at) * 1000


class ServerTime:
    """Tells the venue's time from the best recent answer; thread-safe.

    It runs on the monotonic clock, so a step of this machine's wall clock changes ``offset_ms`` at
    once and signatures not at all. Before the first measurement it is this machine's time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._best: _Sample | None = None
        self._confirmed_at = -math.inf

    def note(self, server_ms: int, sent: float, received: float) -> None:
        """Learn from an answer that carried ``server_ms``; ``sent`` and ``received`` are monotonic
        seconds. The venue is taken to have spoken in the middle. Slow answers say nothing."""
        trip = received - sent
        if not 0 <= trip <= SLOWEST_ANSWER_S:
            return
        sample = _Sample(float(server_ms), (sent + received) / 2, trip / 2)
        with self._lock:
            if self._is_better(sample):
                self._best = sample
            self._confirmed_at = received

    def _is_better(self, sample: _Sample) -> bool:
        """Whether it is nearer to the truth, or shows that the old one has become wrong."""
        best = self._best
        if best is None:
            return True
        aged = best.doubt_s + (sample.at - best.at) * DRIFT
        apart_s = abs(sample.server_ms - best.ms_at(sample.at)) / 1000
        return sample.doubt_s <= aged or apart_s > sample.doubt_s + aged

    def forget(self) -> None:
        """The venue refused our time: measure anew before relying on it."""
        with self._lock:
            self._best = None
            self._confirmed_at = -math.inf

    def now(self) -> datetime:
        """The venue's time (UTC)."""
        return EPOCH + timedelta(milliseconds=self.now_ms())

    def now_ms(self) -> int:
        """The venue's time in milliseconds since 1970."""
        with self._lock:
            best = self._best
        if best is None:
            return self._ours_ms()
        return int(best.ms_at(self._clock.monotonic()))

    @property
    def offset_ms(self) -> int | None:
        """The venue's clock minus this machine's, None before the first measurement."""
        with self._lock:
            measured = self._best is not None
        return self.now_ms() - self._ours_ms() if measured else None

    @property
    def age_s(self) -> float:
        """Seconds since the last good measurement; infinite before the first."""
        with self._lock:
            return self._clock.monotonic() - self._confirmed_at

    def _ours_ms(self) -> int:
        return (self._clock.now() - EPOCH) // timedelta(milliseconds=1)
