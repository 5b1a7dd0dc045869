"""One call under a deadline: the line it runs on, which can be cut, and who gets the outcome."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

from analysis.calls.values import Outcome


class Line:
    """The connection of one call. Cutting it ends the call whatever the server does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._ended = False
        self.was_cut = False

    def watch(self, event: str, info: dict[str, Any]) -> None:
        """Take note of the connection; the HTTP library reports here what it does."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        with self._lock:
            self._socket = info["return_value"].get_extra_info("socket")
            if self.was_cut:
                self._shut_down()

    def cut(self) -> None:
        with self._lock:
            if not self._ended:
                self.was_cut = True
                self._shut_down()

    def cut_after(self, seconds: float) -> None:
        with self._lock:
            if not self._ended:
                self._timer = threading.Timer(seconds, self.cut)
                self._timer.daemon = True
                self._timer.start()

    def end(self) -> None:
        """The call is over: forget the connection, which is closed by now."""
        with self._lock:
            self._ended = True
            self._socket = None
            if self._timer is not None:
                self._timer.cancel()

    def _shut_down(self) -> None:
        # Shut down rather than closed, since only that wakes a thread that waits for bytes; and
        # past TLS, which is not safe to end while another thread reads.
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Handover:
    """Passes one outcome from the thread that calls to the one that waits, if it still waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._outcome: Outcome | None = None
        self._given_up = False

    def deliver(self, outcome: Outcome) -> bool:
        """Hand over; False when nobody waits any more."""
        with self._lock:
            if self._given_up:
                return False
            self._outcome = outcome
            self._arrived.set()
            return True

    def wait(self, seconds: float) -> Outcome | None:
        """The outcome, or None when it did not come in time and will never be taken."""
        self._arrived.wait(seconds)
        with self._lock:
            self._given_up = self._outcome is None
            return self._outcome
