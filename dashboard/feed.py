"""What one open socket still has to be told, and the order and pace in which it is told.

Events are sent at once and never merged. Fragments and values are states: a newer one replaces
what was not sent yet, values at most four times a second and both once in 10 s in a hidden tab.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping

MAX_EVENTS = 200
SEND_TIMEOUT_S = 5.0
VALUES_INTERVAL_S = 0.25
HIDDEN_INTERVAL_S = 10.0
CLOSE_TOO_SLOW = 4008

Send = Callable[[str], Awaitable[None]]


class Feed:
    """Queue and sender of one socket. Belongs to one event loop.

    Messages carry ``seq``, counted per socket from 1, so that the client sees a gap.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._wake = asyncio.Event()
        self._events: deque[str] = deque()
        self._fragments: dict[str, None] = {}
        self._values: dict[str, str] = {}
        self._versions: dict[str, str] | None = None
        self._heartbeat: int | None = None
        self._seq = 0
        self._sent_state_at = float("-inf")
        self._hidden = False
        self._too_slow = False

    def put_event(self, body: str) -> None:
        """Queue an event. ``body`` is a JSON object without its opening brace."""
        if len(self._events) >= MAX_EVENTS:
            self._too_slow = True
        else:
            self._events.append(body)
        self._wake.set()

    def put_fragments(self, names: Iterable[str]) -> None:
        """Say which parts of the page the client has to fetch again."""
        self._fragments.update(dict.fromkeys(names))
        self._wake.set()

    def put_values(self, values: Mapping[str, str]) -> None:
        """Replace these values by newer ones."""
        self._values.update(values)
        self._wake.set()

    def put_all(self, values: Mapping[str, str], versions: Mapping[str, str]) -> None:
        """Tell a new page everything; it compares the versions with those it was rendered from."""
        self._versions = dict(versions)
        self.put_values(values)

    def put_heartbeat(self, read_at_ms: int) -> None:
        """Say when the values were last found current."""
        self._heartbeat = read_at_ms
        self._wake.set()

    def set_hidden(self, hidden: bool) -> None:
        self._hidden = hidden
        self._wake.set()

    async def run(self) -> int:
        """Send until the socket can't follow; return the close code. Cancel to end it before."""
        while not self._too_slow:
            self._wake.clear()
            body = self._next_body()
            if body is None:
                await self._wait()
                continue
            self._seq += 1
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._send(f'{{"seq":{self._seq},{body}')
            except TimeoutError:
                break
        return CLOSE_TOO_SLOW

    def _next_body(self) -> str | None:
        if self._events:
            return self._events.popleft()
        due = self._seconds_until_due() <= 0
        if self._fragments and (due or not self._hidden):
            names, self._fragments = list(self._fragments), {}
            return body_of({"f": names})
        if (self._values or self._versions is not None) and due:
            return self._values_body()
        if self._heartbeat is not None:
            read_at_ms, self._heartbeat = self._heartbeat, None
            return body_of({"hb": read_at_ms})
        return None

    def _values_body(self) -> str:
        payload: dict[str, object] = {"t": epoch_ms(), "v": self._values}
        if self._versions is not None:
            payload["ver"] = self._versions
        self._values, self._versions = {}, None
        self._sent_state_at = asyncio.get_running_loop().time()
        return body_of(payload)

    def _seconds_until_due(self) -> float:
        interval = HIDDEN_INTERVAL_S if self._hidden else VALUES_INTERVAL_S
        return self._sent_state_at + interval - asyncio.get_running_loop().time()

    async def _wait(self) -> None:
        state_waits = bool(self._values or self._fragments or self._versions is not None)
        timeout = max(0.0, self._seconds_until_due()) if state_waits else None
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return


def body_of(payload: Mapping[str, object]) -> str:
    """JSON without its opening brace: written once, then sent to every socket after its seq."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)[1:]


def epoch_ms() -> int:
    return time.time_ns() // 1_000_000
