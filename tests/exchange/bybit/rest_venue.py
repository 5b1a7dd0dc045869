"""A local HTTP server that answers as scripted, and clocks that tests move."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.rest import BybitRest, Credentials
from exchange.market.clock import WallClock
from exchange.ports import Clock

KEY, SECRET = "key-of-this-test", "secret-of-this-test"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived, byte for byte; ``port`` is the caller's."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    port: int

    @property
    def sent_json(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)
        return data


Act = Callable[[BaseHTTPRequestHandler], None]


def envelope(result: Any = None, *, code: int = 0, text: str = "OK", ahead_ms: int = 0) -> bytes:
    """An answer of the venue, whose clock is ``ahead_ms`` before this machine's."""
    now_ms = int(time.time() * 1000) + ahead_ms
    body = {"retCode": code, "retMsg": text, "result": result or {}, "time": now_ms}
    return json.dumps(body).encode()


def answer(body: bytes = b"", *, status: int = 200, headers: dict[str, str] | None = None) -> Act:
    """A whole answer; without a body, a good envelope."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        content = body or envelope()
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return act


def refuse(code: int, text: str = "refused", headers: dict[str, str] | None = None) -> Act:
    """An envelope with a retCode."""
    return answer(envelope(code=code, text=text), headers=headers)


def silence(seconds: float) -> Act:
    """No answer for a while, then the connection ends."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return act


def drip(seconds: float) -> Act:
    """The head of an answer, one letter at a time: no single wait is long."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(b"H")
            time.sleep(0.05)
        handler.close_connection = True

    return act


def reset(handler: BaseHTTPRequestHandler) -> None:
    """The connection is reset after the request was read."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def truncated(handler: BaseHTTPRequestHandler) -> None:
    """Half an answer."""
    content = envelope()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what these tests are about."""


class RestVenue:
    """Answers each path by its script, oldest first, and well when the script is over."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.scripts: dict[str, deque[Act]] = defaultdict(deque)
        self.ahead_ms = 0
        venue = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                venue.serve(self)

            def do_POST(self) -> None:
                venue.serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        parts = urlsplit(handler.path)
        self.seen.append(
            Seen(
                handler.command,
                parts.path,
                parts.query,
                {name.lower(): value for name, value in handler.headers.items()},
                body.decode(),
                handler.client_address[1],
            )
        )
        script = self.scripts[parts.path]
        act = script.popleft() if script else answer(envelope(ahead_ms=self.ahead_ms))
        act(handler)

    def then(self, path: str, *acts: Act) -> None:
        """What the next calls of a path get."""
        self.scripts[path].extend(acts)

    def count(self, path: str) -> int:
        return sum(1 for each in self.seen if each.path == path)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class AheadClock(WallClock):
    """This machine's clock, wrong by some seconds."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return super().now() + self._ahead


class HandClock:
    """Both clocks stand until a test, or a wait, moves them."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.pass_by(seconds)


def open_door(
    venue: RestVenue, *, clock: Clock | None = None, link: Link | None = None, keys: bool = True
) -> BybitRest:
    """A door to the venue; one on a hand clock waits on it too."""
    clock = clock or WallClock()
    return BybitRest(
        Hosts(venue.url, "", ""),
        Credentials(KEY, SECRET) if keys else None,
        clock=clock,
        link=link or Link("", None, venue.url),
        sleep=clock.sleep if isinstance(clock, HandClock) else time.sleep,
    )
