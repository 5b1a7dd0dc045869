"""A WebSocket server on this machine that does what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

Script = Callable[["Client"], None]


class Client:
    """A stream that has connected, as the server sees it."""

    def __init__(self, venue: StreamVenue, connection: ServerConnection) -> None:
        self.venue = venue
        self._connection = connection

    def send(self, *frames: Any) -> None:
        for frame in frames:
            self._connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    def receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self._connection.recv())
        self.venue.asked[frame["op"]] += 1
        return frame

    def answer(self, frame: dict[str, Any], **changes: Any) -> None:
        """What Bybit says to a request when it agrees."""
        op = "pong" if frame["op"] == "ping" else frame["op"]
        self.send({"req_id": frame.get("req_id"), "op": op, "success": True, **changes})

    def serve(self, rounds: int = 1_000_000) -> None:
        """Agree to everything that is asked."""
        for _ in range(rounds):
            self.answer(self.receive())

    def serve_until_subscribed(self) -> dict[str, Any]:
        while True:
            frame = self.receive()
            self.answer(frame)
            if frame["op"] == "subscribe":
                return frame

    def drop(self) -> None:
        """Cut the connection without a word."""
        self._connection.close_socket()


class StreamVenue:
    """Runs the next of ``scripts`` for each connection, the last one for all others."""

    def __init__(self, *scripts: Script, port: int = 0) -> None:
        self.scripts = list(scripts) or [Client.serve]
        self.connects = 0
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: set[ServerConnection] = set()
        self._server: Server = serve(self._serve, "127.0.0.1", port, ping_interval=None)
        self.port: int = self._server.socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/v5/private"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        assert urlsplit(self.url).port == self.port

    def close(self) -> None:
        self._server.shutdown()
        with self._lock:
            left = list(self._open)
        for connection in left:
            connection.close_socket()
        self._thread.join()

    def _serve(self, connection: ServerConnection) -> None:
        with self._lock:
            script = self.scripts[min(self.connects, len(self.scripts) - 1)]
            self.connects += 1
            self._open.add(connection)
        try:
            script(Client(self, connection))
        except (ConnectionClosed, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
