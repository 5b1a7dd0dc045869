"""How often a client may ask: per account and endpoint in a second, per address in five."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

SECOND_MS = 1_000
IP_WINDOW_MS = 5_000
IP_REQUESTS = 600
BAN_MS = 600_000
WRITES_PER_SECOND = 10
READS_PER_SECOND = 50
PER_SECOND = {
    "/v5/account/transaction-log": 25,
    "/v5/account/fee-rate": 5,
    "/v5/account/set-margin-mode": 5,
    "/v5/user/query-api": 10,
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of an endpoint's budget; ``wait_ms`` > 0 means this request is one too many."""

    limit: int
    left: int
    wait_ms: int

    @property
    def refused(self) -> bool:
        return self.wait_ms > 0


class Limits:
    """Sliding windows on the clients' own pace (``pace_ms``), not on a market that runs faster."""

    def __init__(self, pace_ms: Callable[[], int], *, ip_requests: int = IP_REQUESTS) -> None:
        self._pace_ms = pace_ms
        self._ip_requests = ip_requests
        self._calls: dict[tuple[str, str], deque[int]] = defaultdict(deque)
        self._addresses: dict[str, deque[int]] = defaultdict(deque)
        self._banned_until: dict[str, int] = {}

    def take(self, uid: str, method: str, path: str) -> Allowance:
        """Count one request of an account; a refused one is not counted."""
        usual = WRITES_PER_SECOND if method == "POST" else READS_PER_SECOND
        limit = PER_SECOND.get(path, usual)
        now = self._pace_ms()
        calls = self._calls[uid, path]
        _forget(calls, now - SECOND_MS)
        if len(calls) >= limit:
            return Allowance(limit, 0, calls[0] + SECOND_MS - now)
        calls.append(now)
        return Allowance(limit, limit - len(calls), 0)

    def ban(self, ip: str, for_ms: int = BAN_MS) -> None:
        """Answer every request of this address with 403 for a while; 0 lifts it."""
        self._banned_until[ip] = self._pace_ms() + for_ms

    def is_banned(self, ip: str) -> bool:
        """Count one request of an address; too many ban it."""
        now = self._pace_ms()
        if now < self._banned_until.get(ip, 0):
            return True
        calls = self._addresses[ip]
        _forget(calls, now - IP_WINDOW_MS)
        calls.append(now)
        if len(calls) > self._ip_requests:
            self.ban(ip)
            return True
        return False


def _forget(calls: deque[int], until: int) -> None:
    while calls and calls[0] <= until:
        calls.popleft()
