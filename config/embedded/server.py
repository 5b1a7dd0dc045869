"""The web server on the main thread, everything else beside it, and an orderly end in 5 s."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Protocol

import structlog
import uvicorn
from django.db import connections

STOP_TRADERS_S = 2.0
STOP_REQUESTS_S = 1
STOP_TASKS_S = 1.5
MAX_MESSAGE_BYTES = 4096

logger = structlog.get_logger(__name__)


class Part(Protocol):
    """Something that runs in threads of its own beside the server."""

    def start(self) -> None: ...

    def stop(self, timeout: float) -> object: ...


class _Server(uvicorn.Server):
    """A server that leaves signals alone: uvicorn would raise them again before our clean-up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Embedded:
    """Serve on ``listener``, start ``tasks`` and ``traders`` once it serves, stop on a signal."""

    def __init__(
        self, listener: socket.socket, tasks: Part, traders: Part, on_started: Callable[[], None]
    ) -> None:
        self.listener = listener
        self.tasks = tasks
        self.traders = traders
        self.on_started = on_started
        self.failed = False
        self._stopping = False
        self._started: list[Part] = []
        config = uvicorn.Config(
            "config.asgi:application",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            ws_per_message_deflate=False,
            ws_max_size=MAX_MESSAGE_BYTES,
            timeout_graceful_shutdown=STOP_REQUESTS_S,
        )
        self._server = _Server(config)

    def run(self) -> int:
        """Block until stopped; return the exit code."""
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self._serve())
        if self.tasks in self._started:
            self.tasks.stop(STOP_TASKS_S)
        return 1 if self.failed else 0

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        starting = asyncio.create_task(self._start_the_rest())
        await self._server.serve(sockets=[self.listener])
        starting.cancel()

    async def _start_the_rest(self) -> None:
        while not self._server.started:
            await asyncio.sleep(0.01)
        try:
            for part in (self.tasks, self.traders):
                self._started.append(part)
                await asyncio.to_thread(_call, part.start)
            await asyncio.to_thread(_call, self.on_started)
        except Exception:
            logger.exception("start_failed")
            self.failed = True
            await self._stop()

    def _on_signal(self) -> None:
        if self._stopping:
            leave_at_once(130)
        self._stopping = True
        self._stop_task = asyncio.get_running_loop().create_task(self._stop())

    async def _stop(self) -> None:
        """Traders first, so that no order is under way when the rest goes."""
        try:
            if self.traders in self._started:
                await asyncio.to_thread(_call, lambda: self.traders.stop(STOP_TRADERS_S))
        except Exception:
            logger.exception("stop_of_traders_failed")
        self._server.should_exit = True


def _call(work: Callable[[], object]) -> None:
    """Work in a thread that is not a request: its database connection ends with it."""
    try:
        work()
    finally:
        connections.close_all()


def leave_at_once(code: int) -> None:
    """End the process without joining threads: a task under way would hold the exit back."""
    logging.shutdown()
    os._exit(code)
