"""A simulator as a server: in a thread of its own for tests, or alone until a signal."""

from __future__ import annotations

import asyncio
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


class Served(ABC):
    """``start`` returns when it listens, ``stop`` leaves nothing behind.

    ``failure`` is the first thing that went wrong inside.
    """

    thread_name = "simulator"
    stop_grace_s = 0.1

    def __init__(self, port: int) -> None:
        self.port = port
        self.failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._listening = threading.Event()

    def start(self) -> Self:
        """Listen. Raises what kept it from listening."""
        self._thread = threading.Thread(target=self._run, name=self.thread_name, daemon=True)
        self._thread.start()
        if not self._listening.wait(START_TIMEOUT_S):
            raise TimeoutError("the simulator does not start")
        if self.failure is not None:
            raise self.failure
        return self

    def stop(self) -> None:
        """End every connection and the thread. Raises what went wrong inside meanwhile."""
        if self._thread is None:
            return
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise TimeoutError("the simulator does not stop")
        self._thread = None
        if self.failure is not None:
            raise self.failure

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def serve(self, stopping: asyncio.Event) -> None:
        """Listen until told to stop, in the loop of the caller."""
        self._loop, self._stopping = asyncio.get_running_loop(), stopping
        runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=self.stop_grace_s
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self.port = runner.addresses[0][1]
            async with self._meanwhile():
                self._listening.set()
                await stopping.wait()
        finally:
            await runner.cleanup()

    async def serve_alone(self, greeting: Callable[[], str]) -> None:
        """Serve until SIGINT or SIGTERM; says the greeting once it listens."""
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        serving = asyncio.create_task(self.serve(stopping))
        listening = asyncio.create_task(self.listening())
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            print(greeting(), flush=True)
        listening.cancel()
        await serving
        if self.failure is not None:
            raise self.failure

    async def listening(self) -> None:
        """Return once it listens."""
        while not self._listening.is_set():
            await asyncio.sleep(0.01)

    def _run(self) -> None:
        try:
            asyncio.run(self.serve(asyncio.Event()))
        except Exception as exc:
            self.failure = exc
        finally:
            self._listening.set()

    @abstractmethod
    def _application(self) -> web.Application:
        """What answers the requests."""

    @asynccontextmanager
    async def _meanwhile(self) -> AsyncIterator[None]:
        """What goes on in the loop while it listens."""
        yield
