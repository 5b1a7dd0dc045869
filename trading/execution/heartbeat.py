"""Tells a watcher outside this machine, once a minute, that trading is safe.

``HEARTBEAT_URL`` is a dead man's switch: silence alarms it, and so does a ping of ``URL/fail``. It
is pinged from a thread of its own, which no slow watcher can make wait for a trader. Whoever knows
the URL can silence the alarm, so it never reaches a log.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final
from urllib.parse import SplitResult, urlsplit

import structlog

from exchange.ports import Clock
from trading.execution.desk import Desk
from trading.models import Trade

logger = structlog.get_logger(__name__)

PING_EVERY_S = 60.0
PING_AGAIN_S = 10.0
# Two pings are at least so far apart, however quickly things change.
LEAST_PAUSE_S = 1.0
TIMEOUT_S = 5.0
# A trader that says nothing for so long is stuck.
SILENT_AFTER_S = 30.0
LOOK_EVERY_S = 0.25
BODY_LENGTH: Final = 2000


def unsafe_reasons(desk: Desk, open_trades: Iterable[Trade]) -> list[str]:
    """Sentences on why the trader of ``desk`` can't vouch for its positions; none is good."""
    reasons = []
    if desk.lease.seconds_left <= 0:
        reasons.append("the lease has run out")
    health = desk.client.health()
    reasons += [sentence for sentence in (health.halted, *health.doubts) if sentence]
    reasons += desk.market.doubts()
    if not desk.reconciled:
        reasons.append("tables and exchange are not reconciled")
    reasons += [
        f"{trade.symbol}: no stop since {trade.naked_since:%H:%M:%S} UTC"
        for trade in open_trades
        if trade.naked_since is not None
    ]
    return [f"{desk.account}: {reason}" for reason in reasons]


@dataclass(frozen=True, slots=True)
class _Told:
    reasons: tuple[str, ...]
    at: float


class Heartbeat:
    """Pings ``url`` for all traders of this process.

    Each calls ``tell`` in every round and ``forget`` when it ends. While nobody trades nothing is
    pinged: the watcher notices by itself.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = urlsplit(url)
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pinged_at = -inf
        self._due_at = -inf
        self._was_good: bool | None = None

    def start(self) -> None:
        """Ping from a thread of its own until ``stop``."""
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; at most the time-out of a ping is waited for."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S + 1)

    def tell(self, reasons: Sequence[str], *, of: str = "") -> None:
        """The trader ``of`` an account is safe, or not for these reasons; never blocks."""
        with self._lock:
            before = self._told.get(of)
            self._told[of] = _Told(tuple(reasons), self._clock.monotonic())
        if before is None or bool(before.reasons) != bool(reasons):
            self._wake.set()

    def forget(self, *, of: str = "") -> None:
        """This trader ended as it should: its silence is no alarm."""
        with self._lock:
            self._told.pop(of, None)

    def beat(self) -> None:
        """Ping if one is due: every minute, and at once when safe turns into unsafe or back."""
        now = self._clock.monotonic()
        with self._lock:
            told = dict(self._told)
        if not told or now - self._pinged_at < LEAST_PAUSE_S:
            return
        reasons = [reason for name, one in told.items() for reason in _reasons(name, one, now)]
        good = not reasons
        if good is self._was_good and now < self._due_at:
            return
        self._pinged_at, self._was_good = now, good
        problem = self._ping(reasons)
        self._due_at = now + (PING_AGAIN_S if problem else PING_EVERY_S)
        if problem:
            logger.warning("the heartbeat was not taken", reason=problem)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.beat()
            except Exception as exc:
                # Not the traceback: it may hold the address.
                logger.error("heartbeat failed", error=type(exc).__name__)
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()

    def _ping(self, reasons: Sequence[str]) -> str:
        """Send one ping. Returns "" or what went wrong, without the address."""
        body = "\n".join(reasons).encode()[:BODY_LENGTH]
        connection = _connect(self._url)
        try:
            if reasons:
                connection.request("POST", _target(self._url, "/fail"), body)
            else:
                connection.request("GET", _target(self._url, ""))
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as exc:
            return type(exc).__name__
        finally:
            connection.close()
        # A redirect is not followed: it might lead the address elsewhere.
        return "" if 200 <= status < 300 else f"answered {status}"


def _reasons(name: str, told: _Told, now: float) -> tuple[str, ...]:
    silent_s = now - told.at
    if silent_s < SILENT_AFTER_S:
        return told.reasons
    return (f"{name or 'the trader'}: nothing heard for {silent_s:.0f} s", *told.reasons)


def _connect(url: SplitResult) -> http.client.HTTPConnection:
    if url.scheme == "https":
        return http.client.HTTPSConnection(url.hostname or "", url.port, timeout=TIMEOUT_S)
    return http.client.HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_S)


def _target(url: SplitResult, ending: str) -> str:
    path = url.path.rstrip("/") + ending if ending else url.path
    return (path or "/") + (f"?{url.query}" if url.query else "")
