"""pybit as Bybit's dictionary, over a transport of our own that sends each request once.

pybit knows the paths, the payloads and how to sign. What it would do around them (repeat requests,
follow this machine's clock, log and raise bodies) is replaced here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests
from pybit.unified_trading import HTTP  # type: ignore[import-untyped]
from requests.adapters import BaseAdapter

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.server_time import ServerTime
from exchange.ports import Clock

LARGEST_BODY = 32 * 1024 * 1024
CHUNK = 64 * 1024
# The transport's own timeout says more about what happened, so it may strike first.
GRACE_S = 0.1
# An empty set would mean pybit's own list of codes to repeat requests for.
_NO_RETRY_CODES = {-1}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key; the secret shows in no text."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4]}***)"

    @property
    def untold(self) -> tuple[str, str]:
        """What no message may repeat."""
        return self.api_secret, self.api_key


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back, unread. ``sent`` and ``received`` are monotonic seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: float
    received: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came back. ``connected`` is False where no connection came about."""

    reason: str
    connected: bool = True


def wire_values(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they leave: decimals as plain text, None left out. Floats: ``TypeError``."""
    values: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Decimal):
            if not value.is_finite():
                raise ValueError(f"{name} is not a number: {value}")
            values[name] = format(value, "f")
        elif isinstance(value, (bool, int, str)):
            values[name] = value
        elif value is not None:
            raise TypeError(f"{name} must be text, a whole number or a Decimal, not {type(value)}")
    return values


class _Session(HTTP):  # type: ignore[misc]
    """pybit's calls, each answered by one ``RawAnswer``; used by one thread at a time."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None,
        server_time: ServerTime,
        clock: Clock,
        adapter: BaseAdapter | None,
    ) -> None:
        super().__init__(
            api_key=credentials.api_key if credentials else None,
            api_secret=credentials.api_secret if credentials else None,
            force_retry=False,
            retry_codes=_NO_RETRY_CODES,
            max_retries=1,
        )
        # Where the root logger has no handler yet, pybit adds one of its own for each session.
        self.logger.handlers.clear()
        self.endpoint = base_url.rstrip("/")
        # No proxies, certificates or passwords from the environment.
        self.client.trust_env = False
        if adapter is not None:
            self.client.mount(self.endpoint, adapter)
        self._server_time = server_time
        self._clock = clock
        self._timeout_s = 0.0
        self.left = False

    def __repr__(self) -> str:
        return f"_Session({self.endpoint})"

    def ask(
        self, endpoint: Endpoint, values: dict[str, Any], timeout_s: float, recv_window_ms: int
    ) -> RawAnswer:
        """Send the call once; raises what the transport raises. ``left`` then says whether
        anything can have left."""
        self.left = False
        self._timeout_s = timeout_s
        self.recv_window = recv_window_ms
        answer: RawAnswer = getattr(self, endpoint.call.method)(**values)
        return answer

    def _submit_request(
        self,
        method: str | None = None,
        path: str | None = None,
        query: dict[str, Any] | None = None,
        auth: bool = False,
    ) -> RawAnswer:
        payload = self.prepare_payload(method, dict(query or {}))
        request = self._prepare_request(method, path, payload, {})
        if auth:
            # The query is signed as it goes over the wire, after any quoting.
            signed = urlsplit(request.url).query if method == "GET" else payload
            request.headers.update(self._signed_headers(signed))
        self.left = True
        sent = self._clock.monotonic()
        with self.client.send(
            request, timeout=self._timeout_s, allow_redirects=False, stream=True
        ) as response:
            body = self._body(response, sent + self._timeout_s)
            received = self._clock.monotonic()
            return RawAnswer(response.status_code, response.headers, body, sent, received)

    def _signed_headers(self, payload: str) -> dict[str, str]:
        timestamp = self._server_time.now_ms()
        return {
            "X-BAPI-API-KEY": self.api_key,
            "X-BAPI-SIGN": self._auth(payload, self.recv_window, timestamp),
            "X-BAPI-SIGN-TYPE": "2",
            "X-BAPI-TIMESTAMP": str(timestamp),
            "X-BAPI-RECV-WINDOW": str(self.recv_window),
        }

    def _body(self, response: requests.Response, give_up: float) -> bytes:
        """The whole body; one that drips in for ever or never ends is cut off."""
        parts, size = [], 0
        for part in response.iter_content(CHUNK):
            parts.append(part)
            size += len(part)
            if size > LARGEST_BODY or self._clock.monotonic() > give_up:
                raise requests.ReadTimeout("the answer did not end in time")
        return b"".join(parts)


class Wire:
    """Sends calls, each within its time from name look-up to the last byte; thread-safe.

    A call runs on a thread of its own, because a transport's timeouts bound single steps only. One
    that overruns is left to end by itself, and its session is not used again.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None,
        server_time: ServerTime,
        clock: Clock,
        adapter: BaseAdapter | None,
    ) -> None:
        self._new_session: Callable[[], _Session] = lambda: _Session(
            base_url, credentials, server_time, clock, adapter
        )
        # A venue in process keeps its own time, and answers on the caller's thread.
        self._in_process = adapter is not None
        self._lock = threading.Lock()
        self._idle: list[_Session] = []
        self._closed = False

    def send(
        self, endpoint: Endpoint, values: dict[str, Any], *, timeout_s: float, recv_window_ms: int
    ) -> RawAnswer | NoAnswer:
        """The answer to one call, sent exactly once; never raises for what the network does.

        ``ValueError``: a mistake of ours, pybit could not make a request of it and nothing left.
        """
        results: list[RawAnswer | NoAnswer | ValueError] = []

        def call() -> None:
            results.append(self._call(endpoint, values, timeout_s, recv_window_ms))

        if self._in_process:
            call()
        else:
            thread = threading.Thread(target=call, name=f"bybit-{endpoint.name}", daemon=True)
            thread.start()
            thread.join(timeout_s + GRACE_S)
        if not results:
            return NoAnswer(f"no answer within {timeout_s:.1f} s")
        result = results[0]
        if isinstance(result, ValueError):
            raise result
        return result

    def _call(
        self, endpoint: Endpoint, values: dict[str, Any], timeout_s: float, recv_window_ms: int
    ) -> RawAnswer | NoAnswer | ValueError:
        with self._lock:
            session = self._idle.pop() if self._idle else None
        session = session or self._new_session()
        try:
            answer = session.ask(endpoint, values, timeout_s, recv_window_ms)
        except Exception as error:
            # Only the kind is kept: these errors carry requests, and those carry signatures.
            session.client.close()
            if not session.left:
                kind = type(error).__name__
                return ValueError(f"{endpoint.name} can't be made into a request ({kind})")
            return _no_answer(error)
        with self._lock:
            if not self._closed:
                self._idle.append(session)
                return answer
        session.client.close()
        return answer

    def close(self) -> None:
        """Close idle connections; those in use close when their call ends."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for session in idle:
            session.client.close()


def _no_answer(error: Exception) -> NoAnswer:
    kind = type(error).__name__
    if isinstance(error, requests.ConnectTimeout):
        return NoAnswer("no connection in time", connected=False)
    if isinstance(error, requests.exceptions.SSLError):
        return NoAnswer("no secure connection (SSLError)", connected=False)
    if isinstance(error, requests.Timeout):
        return NoAnswer("no answer in time")
    if isinstance(error, requests.ConnectionError):
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        if type(reason).__name__ in ("NewConnectionError", "NameResolutionError"):
            return NoAnswer(f"no connection ({type(reason).__name__})", connected=False)
    return NoAnswer(f"the connection broke ({kind})")
