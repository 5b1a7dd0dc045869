"""The exchange in process: a transport for ``requests`` on a clock that only tests move."""

from __future__ import annotations

import heapq
import io
import itertools
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from tests.simulators.bybit.respond import Fate, RawAnswer, Request, Responder

PATIENCE_MS = 60_000


class VirtualClock:
    """Time in ms that stands still until somebody advances it. Thread-safe."""

    def __init__(self, start_ms: int) -> None:
        self._now_ms = start_ms
        self._lock = threading.RLock()
        self._due: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def now_ms(self) -> int:
        """The present."""
        with self._lock:
            return self._now_ms

    def advance(self, ms: int) -> None:
        """Let time pass; what is due on the way happens at its own instant."""
        if ms < 0:
            raise ValueError("time doesn't run backwards")
        until = self.now_ms() + ms
        while (act := self._next_due(until)) is not None:
            act()
        with self._lock:
            self._now_ms = max(self._now_ms, until)

    def call_at(self, ms: int, act: Callable[[], object]) -> None:
        """Do this when the clock gets there."""
        with self._lock:
            heapq.heappush(self._due, (ms, next(self._numbers), act))

    def _next_due(self, until: int) -> Callable[[], object] | None:
        """What is due next; it runs outside the lock, for it may ask the time from elsewhere."""
        with self._lock:
            if not self._due or self._due[0][0] > until:
                return None
            at_ms, _, act = heapq.heappop(self._due)
            self._now_ms = max(self._now_ms, at_ms)
            return act


class SimAdapter(BaseAdapter):
    """Answers in process; a call takes ``latency_ms`` of the virtual clock, half of it each way.

    A lost answer costs the read timeout and raises ReadTimeout, a delayed request still arrives
    later, a reset raises ConnectionError, a truncated body ChunkedEncodingError.
    """

    def __init__(self, responder: Responder, clock: VirtualClock, *, latency_ms: int = 5) -> None:
        super().__init__()
        self.responder = responder
        self.clock = clock
        self.latency_ms = latency_ms

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Carry a request there and its answer back."""
        asked = _request_of(request)
        plan = self.responder.plan(asked)
        patience_ms = _patience_ms(timeout)
        there_ms = self.latency_ms // 2 + plan.before_ms
        if there_ms > patience_ms:
            self.clock.call_at(
                self.clock.now_ms() + there_ms, lambda: self.responder.carry_out(asked, plan)
            )
            self._give_up(request, patience_ms)
        self.clock.advance(there_ms)
        answer = self.responder.carry_out(asked, plan)
        back_ms = self.latency_ms - self.latency_ms // 2 + answer.after_ms
        left_ms = patience_ms - there_ms
        if answer.fate is Fate.LOST or back_ms > left_ms:
            self._give_up(request, left_ms)
        self.clock.advance(back_ms)
        if answer.fate is Fate.RESET:
            raise requests.exceptions.ConnectionError(
                ConnectionResetError(104, "Connection reset by peer"), request=request
            )
        if answer.fate is Fate.TRUNCATED:
            raise requests.exceptions.ChunkedEncodingError("IncompleteRead", request=request)
        return _response_of(request, answer)

    def close(self) -> None:
        """Nothing is open."""

    def _give_up(self, request: requests.PreparedRequest, after_ms: int) -> None:
        self.clock.advance(after_ms)
        raise requests.exceptions.ReadTimeout("Read timed out.", request=request)


def _request_of(request: requests.PreparedRequest) -> Request:
    parts = urlsplit(request.url or "")
    body = request.body or b""
    return Request(
        method=request.method or "GET",
        path=parts.path,
        raw_query=parts.query,
        headers={str(name).lower(): _text(value) for name, value in request.headers.items()},
        body=body.encode() if isinstance(body, str) else bytes(body),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _patience_ms(timeout: float | tuple[float, float | None] | None) -> int:
    seconds = timeout[1] if isinstance(timeout, tuple) else timeout
    return PATIENCE_MS if seconds is None else round(seconds * 1000)


def _response_of(request: requests.PreparedRequest, answer: RawAnswer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(answer.headers)
    response.raw = io.BytesIO(answer.body)
    response.url = request.url or ""
    response.request = request
    response.encoding = "utf-8"
    return response
