"""One WebSocket connection to Bybit: JSON out, JSON in, and an end that is always noticed."""

from __future__ import annotations

import json
import logging
import socket
import time
from typing import Any, NoReturn
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

# The library would log every frame at the level of debugging, that with the key included.
_frames_logger = logging.getLogger("exchange.bybit.socket.frames")
_frames_logger.setLevel(logging.WARNING)

CLOSE_TIMEOUT_S = 0.5
MAX_FRAME_BYTES = 4 * 2**20
MAX_QUEUED_FRAMES = 1024


class SocketBroken(Exception):
    """There is no usable connection; the words say why."""


class FrameUnreadable(Exception):
    """A frame came that is no JSON object. The connection itself goes on."""


class BybitSocket:
    """A connection that was opened within ``deadline_s`` seconds or raised ``SocketBroken``.

    It is used by one thread. Keys are shown to the host of ``url`` alone, so redirects to another
    host are refused, and so are proxies.
    """

    def __init__(self, url: str, *, deadline_s: float) -> None:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        due = time.monotonic() + deadline_s
        try:
            # A socket of our own is what makes the library refuse redirects.
            raw = socket.create_connection((parts.hostname or "", port), timeout=deadline_s)
            raw.settimeout(None)
            self._connection = connect(
                url,
                sock=raw,
                proxy=None,
                compression=None,
                open_timeout=max(due - time.monotonic(), 0.1),
                ping_interval=None,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=MAX_FRAME_BYTES,
                max_queue=MAX_QUEUED_FRAMES,
                logger=_frames_logger,
                legacy=True,
            )
        except (OSError, WebSocketException, ValueError) as error:
            raise SocketBroken(f"no connection: {_words(error)}") from error

    def send(self, frame: dict[str, Any]) -> None:
        """Raises ``SocketBroken``."""
        try:
            self._connection.send(json.dumps(frame))
        except (OSError, WebSocketException) as error:
            raise SocketBroken(f"the connection ended: {_words(error)}") from error

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next frame, None where none came in time.

        Raises ``SocketBroken`` and ``FrameUnreadable``.
        """
        try:
            text = self._connection.recv(timeout=timeout_s)
        except TimeoutError:
            return None
        except (OSError, WebSocketException) as error:
            raise SocketBroken(f"the connection ended: {_words(error)}") from error
        return _parsed(text)

    def close(self) -> None:
        """End the connection, its thread and its socket; waits half a second at most."""
        try:
            self._connection.close()
        except (OSError, WebSocketException):
            # It had ended already.
            pass
        finally:
            self._connection.close_socket()
            self._connection.wait_closed(CLOSE_TIMEOUT_S)


def _parsed(text: str | bytes) -> dict[str, Any]:
    try:
        frame = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FrameUnreadable("a frame that is no JSON") from error
    if not isinstance(frame, dict):
        raise FrameUnreadable("a frame that is no object")
    return frame


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _words(error: Exception) -> str:
    if isinstance(error, ConnectionClosed) and error.rcvd is None:
        return "it was cut off"
    return str(error)[:200] or type(error).__name__
