"""The one door to Bybit's REST interface: everything that leaves, leaves here.

A write is sent once in its life, whatever happens. Reads are repeated until their deadline. What
leaves when is decided by the rate budgets (``limits``), the circuit breaker and the refusals a
person must mend (``guard``); what an answer means, by one table (``retcodes``).
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from requests.adapters import BaseAdapter

from exchange.bybit.endpoints import Endpoint, Priority
from exchange.bybit.guard import Guard
from exchange.bybit.hosts import Hosts
from exchange.bybit.limits import (
    ENTRY_PATIENCE_S,
    Budget,
    BudgetSpent,
    Limits,
    address_budget,
)
from exchange.bybit.link import Link
from exchange.bybit.outcome import (
    OVERLOADED_STATUS,
    Outcome,
    Reply,
    judge,
    read_error,
    write_error,
)
from exchange.bybit.refusals import CircuitPaused, ReadRefused, halt_sentence, region_hint
from exchange.bybit.retcodes import Kind
from exchange.bybit.server_time import ServerTime
from exchange.bybit.session import Credentials, RawAnswer, Wire, wire_values
from exchange.choices import LinkState
from exchange.errors import ExchangeError, ExchangeUnavailable, OrderNotSent, RateLimited
from exchange.fault_points import fault_point
from exchange.market.clock import WallClock
from exchange.ports import Clock

__all__ = [
    "BybitRest",
    "Credentials",
    "Endpoint",
    "Priority",
    "ReadRefused",
    "Reply",
    "region_hint",
]

# Short, so that one question that is lost does not keep the next from being asked.
ATTEMPT_S = 2.0
FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 4.0
CLOCK_TOLERANCE_MS = 500
CLOCK_STALE_S = 90.0
CLOCK_PATIENCE_S = 2.0
CLOCK_RETRY_S = 10.0
PULSE_AFTER_S = 1.0
PULSE_S = 1.5

_addresses: dict[str, tuple[Budget, threading.Lock]] = {}
_addresses_lock = threading.Lock()


class BybitRest:
    """Calls of one account (or of the public market) on one host; thread-safe.

    ``session_adapter`` replaces the network below pybit's session, ``sleep`` the waiting: both for
    a venue in process on a clock of its own.
    """

    def __init__(
        self,
        hosts: Hosts,
        credentials: Credentials | None,
        *,
        clock: Clock,
        link: Link,
        recv_window_ms: int = 5000,
        session_adapter: BaseAdapter | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server_time = ServerTime(clock)
        self._credentials = credentials
        self._clock = clock
        self._link = link
        self._recv_window_ms = recv_window_ms
        self._sleep = sleep
        self._guard = Guard(clock, link)
        self._limits = Limits(clock.monotonic, sleep, *_address(hosts.rest, clock))
        self._wire = Wire(hosts.rest, credentials, self.server_time, clock, session_adapter)
        self._clock_tried_at = -math.inf

    def read(
        self,
        endpoint: Endpoint,
        *,
        priority: Priority = Priority.QUERY,
        deadline_s: float = 10.0,
        **params: Any,
    ) -> Reply:
        """Ask, and ask again with growing random pauses, until ``deadline_s`` has passed.

        Raises ``RateLimited``, ``ExchangeUnavailable`` (``ReadRefused`` where asking again is of no
        use) and ``ExchangeHalted``.
        """
        if endpoint.call.write:
            raise ValueError(f"{endpoint.name} is a write")
        values = wire_values(params)
        started, slept, attempt = self._clock.monotonic(), 0.0, 0
        while True:
            left_s = deadline_s - max(self._clock.monotonic() - started, slept)
            try:
                return self._read_once(endpoint, priority, values, left_s)
            except (ReadRefused, CircuitPaused):
                raise
            except ExchangeUnavailable as error:
                pause_s = _backoff_s(attempt)
                if isinstance(error, RateLimited):
                    pause_s += error.retry_after_s
                left_s = deadline_s - max(self._clock.monotonic() - started, slept)
                if pause_s >= left_s:
                    raise
            attempt += 1
            slept += pause_s
            self._sleep(pause_s)

    def pages(
        self,
        endpoint: Endpoint,
        *,
        priority: Priority = Priority.QUERY,
        deadline_s: float = 20.0,
        **params: Any,
    ) -> Iterator[dict[str, Any]]:
        """Rows of all pages of a list, in the venue's order, within one deadline.

        The cursor is passed on as it came. A page may be shorter than asked for and still not be
        the last; an empty one, or one that repeats itself, is.
        """
        started = self._clock.monotonic()
        seen: set[str] = set()
        before: list[Any] = []
        while True:
            left_s = deadline_s - (self._clock.monotonic() - started)
            if left_s <= 0:
                raise ExchangeUnavailable(f"{endpoint.name}: the pages did not end in time.")
            reply = self.read(endpoint, priority=priority, deadline_s=left_s, **params)
            rows = reply.result.get("list", [])
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ExchangeUnavailable(f"{endpoint.name}: the answer holds no list of rows.")
            cursor = str(reply.result.get("nextPageCursor") or "")
            if rows != before:
                yield from rows
            if not cursor or not rows or cursor in seen:
                return
            seen.add(cursor)
            before = rows
            params["cursor"] = cursor

    def write(
        self,
        endpoint: Endpoint,
        *,
        priority: Priority,
        timeout_s: float = 4.0,
        recv_window_ms: int | None = None,
        last_look: Callable[[], None] | None = None,
        **params: Any,
    ) -> Reply:
        """Send once. ``timeout_s`` spans everything from the connection to the last byte;
        ``last_look`` comes after every wait of ours, and what it raises is raised.

        Raises ``OrderNotSent`` (held back), ``OrderRejected`` or ``InsufficientBalance`` (certainly
        not done) and ``OrderOutcomeUnknown`` (look it up).
        """
        if not endpoint.call.write:
            raise ValueError(f"{endpoint.name} is a read")
        values = wire_values(params)
        self._guard.admit_write(priority)
        try:
            self._limits.wait_turn(endpoint, priority, _patience_s(priority, timeout_s))
        except BudgetSpent as spent:
            raise OrderNotSent(f"Not sent: {spent}.") from None
        if last_look is not None:
            self._set_clock()
            last_look()
        outcome = self._call(
            endpoint, values, timeout_s=timeout_s, window_ms=recv_window_ms, priority=priority
        )
        if outcome.reply is not None:
            return outcome.reply
        raise write_error(outcome)

    def measure_clock(self) -> None:
        """Ask for the venue's time; callers do so every 30 s. Raises as ``read`` does."""
        self.read(Endpoint.SERVER_TIME, priority=Priority.PROTECT, deadline_s=2 * CLOCK_PATIENCE_S)

    def feel_pulse(self) -> None:
        """Ask for a sign of life unless one came within a second; callers do so all the time, and
        from the first call on a silent venue is a doubt. With a key the question also shows that
        Bybit still takes it. Raises as ``read`` does."""
        if self._guard.listen() < PULSE_AFTER_S:
            return
        keyed = self._credentials is not None and not self.halted
        endpoint = Endpoint.ACCOUNT_INFO if keyed else Endpoint.SERVER_TIME
        self.read(endpoint, priority=Priority.PROTECT, deadline_s=PULSE_S)

    @property
    def halted(self) -> str:
        """The sentence a person must act on before this account can trade, or empty."""
        return self._guard.halted

    @property
    def circuit(self) -> LinkState:
        """How the connection stands."""
        return self._guard.state

    def health_doubts(self) -> tuple[str, ...]:
        """Reasons to send no entry now, in sentences; never blocks."""
        return (*self._guard.doubts(), *self._clock_doubts())

    def close(self) -> None:
        """Close the connections and leave the last notes in the database."""
        self._wire.close()
        self._link.flush(at_once=True)

    def _clock_doubts(self) -> tuple[str, ...]:
        offset_ms, age_s = self.server_time.offset_ms, self.server_time.age_s
        if offset_ms is None:
            return ("Bybit's clock has not been measured yet.",)
        if age_s > CLOCK_STALE_S:
            return (f"Bybit's clock was last measured {age_s:.0f} s ago.",)
        if abs(offset_ms) > CLOCK_TOLERANCE_MS:
            side = "behind" if offset_ms > 0 else "ahead of"
            return (
                f"This machine's clock is {abs(offset_ms):,} ms {side} Bybit's: synchronise it "
                f"(NTP). Entries wait until it is within {CLOCK_TOLERANCE_MS} ms.",
            )
        return ()

    def _read_once(
        self, endpoint: Endpoint, priority: Priority, values: dict[str, Any], left_s: float
    ) -> Reply:
        self._guard.admit_read(endpoint)
        try:
            self._limits.wait_turn(endpoint, priority, max(left_s, 0.0))
        except BudgetSpent as spent:
            message = f"{endpoint.name}: {spent}."
            raise RateLimited(message, retry_after_s=spent.wait_s) from None
        outcome = self._call(
            endpoint, values, timeout_s=min(ATTEMPT_S, max(left_s, 0.1)), priority=priority
        )
        if outcome.reply is not None:
            return outcome.reply
        raise read_error(outcome)

    def _call(
        self,
        endpoint: Endpoint,
        values: dict[str, Any],
        *,
        timeout_s: float,
        priority: Priority,
        window_ms: int | None = None,
    ) -> Outcome:
        if endpoint.call.private:
            if self._credentials is None:
                raise ValueError(f"{endpoint.name} needs an API key")
            self._set_clock()
        answer = self._wire.send(
            endpoint,
            values,
            timeout_s=timeout_s,
            recv_window_ms=window_ms or self._recv_window_ms,
        )
        if endpoint is Endpoint.PLACE_ORDER and priority is Priority.ENTRY:
            fault_point("K10")
        hide = self._credentials.untold if self._credentials else ()
        outcome = judge(endpoint, answer, now_ms=self.server_time.now_ms(), hide=hide)
        if isinstance(answer, RawAnswer):
            self._limits.learn(endpoint, answer.headers)
            if outcome.time_ms is not None:
                self.server_time.note(outcome.time_ms, answer.sent, answer.received)
        self._learn(endpoint, outcome)
        return outcome

    def _set_clock(self) -> None:
        """Signatures need the venue's time: measure it first where it is not known."""
        now = self._clock.monotonic()
        unknown = self.server_time.offset_ms is None
        if not unknown or now - self._clock_tried_at < CLOCK_RETRY_S:
            return
        self._clock_tried_at = now
        try:
            self._read_once(Endpoint.SERVER_TIME, Priority.PROTECT, {}, CLOCK_PATIENCE_S)
        except ExchangeError:
            # This machine's own time may do; if not, the venue says so and nothing has happened.
            return

    def _learn(self, endpoint: Endpoint, outcome: Outcome) -> None:
        """Let circuit, budgets, clock and link know."""
        kind = outcome.verdict.kind
        if outcome.answered:
            self._guard.heard()
        if outcome.banned:
            self._guard.banned()
        elif kind is Kind.THROTTLE or outcome.ret_code == OVERLOADED_STATUS:
            self._limits.hold(endpoint, outcome.retry_after_s)
        elif kind in (Kind.AUTHENTICATION, Kind.HALT):
            self._guard.halt(halt_sentence(outcome.ret_code), endpoint)
        elif not outcome.answered:
            self._guard.failed(outcome.reason)
        else:
            if outcome.verdict.code == "clock":
                self.server_time.forget()
                self._clock_tried_at = -math.inf
            self._link.note_clock(self.server_time.offset_ms)
            self._guard.answered(endpoint, good=kind is Kind.OK)


def _address(host: str, clock: Clock) -> tuple[Budget, threading.Lock]:
    """The address's budget, one for all connections of this process that keep real time."""
    if not isinstance(clock, WallClock):
        return address_budget(), threading.Lock()
    with _addresses_lock:
        return _addresses.setdefault(host, (address_budget(), threading.Lock()))


def _backoff_s(attempt: int) -> float:
    return random.uniform(0, min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt))


def _patience_s(priority: Priority, timeout_s: float) -> float:
    """How long a write may wait for its turn."""
    if priority is Priority.PROTECT:
        return math.inf
    return ENTRY_PATIENCE_S if priority is Priority.ENTRY else timeout_s
