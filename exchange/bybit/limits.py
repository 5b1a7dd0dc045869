"""Bybit's rate limits, kept on our side: budgets per endpoint, and one per address.

A part of each budget is only for protective calls, so that no burst of queries can hold up an exit.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping

from exchange.bybit.endpoints import Endpoint, Priority

# Longer than the venue's second: requests arrive closer together than they left.
WINDOW_S = 1.1
RESERVED_SHARE = 0.3
ENTRY_PATIENCE_S = 0.5
ADDRESS_CALLS = 600
ADDRESS_SPAN_S = 5.0
# However odd a header, no endpoint is held longer than this.
LONGEST_HOLD_S = 10.0


class BudgetSpent(Exception):
    """The call would have to wait longer than it may; ``wait_s`` says how long."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"the rate budget is used up for another {wait_s:.1f} s")
        self.wait_s = wait_s


class _Window:
    """At most ``size`` calls in any ``span_s``; a slot may be taken ahead of its time."""

    def __init__(self, size: int, span_s: float) -> None:
        self.size = size
        self._span_s = span_s
        self._taken: deque[float] = deque()

    def free_at(self, now: float) -> float:
        """When the next slot is free."""
        if len(self._taken) < self.size:
            return now
        return max(now, self._taken[-self.size] + self._span_s)

    def take(self, at: float) -> None:
        self._taken.append(at)
        while len(self._taken) > self.size:
            self._taken.popleft()


class Budget:
    """Calls per span, ``RESERVED_SHARE`` of them only for ``Priority.PROTECT``. Not thread-safe."""

    def __init__(self, calls: int, span_s: float) -> None:
        self._span_s = span_s
        self._held_until = -math.inf
        self._common_held_until = -math.inf
        self.calls = calls
        self._resize(calls)

    def _resize(self, calls: int) -> None:
        reserved = max(1, math.ceil(calls * RESERVED_SHARE))
        self.calls = calls
        self._common = _Window(max(1, calls - reserved), self._span_s)
        self._reserved = _Window(reserved, self._span_s)

    def free_at(self, now: float, priority: Priority) -> float:
        """When a call of this priority may leave."""
        return self._choose(now, priority)[0]

    def take(self, now: float, priority: Priority) -> None:
        """Use up the slot that ``free_at`` told of."""
        at, window = self._choose(now, priority)
        window.take(at)

    def _choose(self, now: float, priority: Priority) -> tuple[float, _Window]:
        common = max(self._common.free_at(now), self._held_until, self._common_held_until)
        if priority is not Priority.PROTECT:
            return common, self._common
        reserved = max(self._reserved.free_at(now), self._held_until)
        # What others may not use goes last, while there is room in the common part.
        return (common, self._common) if common <= reserved else (reserved, self._reserved)

    def correct(self, now: float, limit: int | None, left: int | None) -> None:
        """Follow the venue's own count: its limit, and what others with our key have left of it."""
        if limit is not None and 0 < limit != self.calls:
            self._resize(limit)
        if left is not None and left <= self.calls * RESERVED_SHARE:
            self._common_held_until = max(self._common_held_until, now + self._span_s)

    def hold(self, until: float) -> None:
        """Let nothing out before ``until``: the venue said so."""
        self._held_until = max(self._held_until, until)


def address_budget() -> Budget:
    """The budget of one address, whatever the account or endpoint."""
    return Budget(ADDRESS_CALLS, ADDRESS_SPAN_S)


class Limits:
    """The budgets of one connection; thread-safe.

    ``address`` is shared by all connections of the process to one host, with its ``address_lock``.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        address: Budget,
        address_lock: threading.Lock,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._address = address
        self._address_lock = address_lock
        self._lock = threading.Lock()
        self._budgets = {each: Budget(each.call.per_second, WINDOW_S) for each in Endpoint}

    def wait_turn(self, endpoint: Endpoint, priority: Priority, patience_s: float) -> None:
        """Return when the call may leave; raises ``BudgetSpent`` if that is over ``patience_s``."""
        budget = self._budgets[endpoint]
        with self._lock, self._address_lock:
            now = self._monotonic()
            free = max(budget.free_at(now, priority), self._address.free_at(now, priority))
            wait_s = free - now
            if wait_s > patience_s:
                raise BudgetSpent(wait_s)
            budget.take(free, priority)
            self._address.take(free, priority)
        if wait_s > 0:
            self._sleep(wait_s)

    def learn(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """Take over what an answer's headers say of its limit."""
        limit = _whole(headers.get("X-Bapi-Limit"))
        left = _whole(headers.get("X-Bapi-Limit-Status"))
        with self._lock:
            self._budgets[endpoint].correct(self._monotonic(), limit, left)

    def hold(self, endpoint: Endpoint, seconds: float) -> None:
        """The venue refused a call for its rate: wait before the next."""
        with self._lock:
            until = self._monotonic() + min(max(seconds, 0.0), LONGEST_HOLD_S)
            self._budgets[endpoint].hold(until)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
