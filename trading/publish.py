"""Tell the consoles that something happened. A hint: the database is the truth.

One thread with its own event loop sends to the Channels group ``console``, so callers never wait
for Redis and need no loop. When Redis is away the message is lost and the next one tries again.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from typing import Any

import structlog
from channels.layers import get_channel_layer

GROUP = "console"
MAX_WAITING = 1000
SEND_TIMEOUT_S = 2.0

logger = structlog.get_logger(__name__)


class Publisher:
    """Sends messages in the order they came; the oldest give way when it falls behind."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def publish(self, message: dict[str, Any]) -> None:
        with self._changed:
            self._waiting.append(message)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        failing = False
        with asyncio.Runner() as runner:
            while True:
                message = self._next()
                try:
                    runner.run(_send(message))
                except Exception as exc:
                    # Said once per outage: events come many times a second.
                    if not failing:
                        logger.warning("console_push_failed", error=repr(exc))
                    failing = True
                else:
                    failing = False

    def _next(self) -> dict[str, Any]:
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            return self._waiting.popleft()


async def _send(message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        await asyncio.wait_for(layer.group_send(GROUP, message), SEND_TIMEOUT_S)


_publisher = Publisher()


def publish(message: dict[str, Any]) -> None:
    """Send an event to every console, from any thread, at once and without waiting.

    ``message`` is ``{"type": "event", "id": int, "kind": str, "level": str, "text": str,
    "fragments": [names of console parts that changed]}``, made of what JSON can hold. Never
    raises: a console that misses it finds the row at its next look.
    """
    try:
        _publisher.publish(message)
    except RuntimeError as exc:
        # No new thread while the interpreter shuts down.
        logger.warning("console_push_failed", error=repr(exc))


def _start_afresh() -> None:
    global _publisher
    _publisher = Publisher()


# A forked worker has the parent's queue but not its thread.
os.register_at_fork(after_in_child=_start_afresh)
