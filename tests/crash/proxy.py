"""A TCP proxy that spoils connections on request, between a client and the real server."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

CHUNK = 65_536
START_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with the line.

    ``latency_s`` delays each piece in both directions; ``bandwidth`` is bytes per second and
    direction (0: no limit). While ``blackhole`` lasts nothing arrives, and afterwards what was
    held back, as TCP would send it again; ``half_open`` does that to the server's answers only,
    its goodbye included. ``refuse`` drops all connections and refuses new ones; ``rst`` resets
    them, new ones after they were accepted. ``cut_after_bytes`` resets a connection after so many
    bytes of answers, counted from when the fault was set.
    """

    latency_s: float = 0.0
    bandwidth: int = 0
    blackhole: bool = False
    half_open: bool = False
    refuse: bool = False
    rst: bool = False
    cut_after_bytes: int | None = None


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and forwards to ``target``: host and port, or the path
    of a unix socket. Its event loop has a thread of its own, so faults switch while it runs."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self._faults = Faults()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._changed = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._answered = 0
        self.port = 0
        self.accepted = 0

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_TIMEOUT_S)
        self._loop.close()

    def spoil(self, **changes: Any) -> None:
        """Set some faults; the others stay as they are."""
        self._call(self._become(replace(self._faults, **changes)))

    def heal(self) -> None:
        """A sound line again."""
        self._call(self._become(Faults()))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_TIMEOUT_S)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _become(self, faults: Faults) -> None:
        before, self._faults = self._faults, faults
        self._answered = 0
        self._changed.set()
        self._changed = asyncio.Event()
        if faults.refuse and self._listener is not None:
            self._listener.close()
            self._listener = None
        if faults.refuse or (faults.rst and not before.rst):
            self._drop_all()
        if not faults.refuse and self._listener is None:
            await self._listen()

    def _drop_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _shut(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._drop_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.accepted += 1
        try:
            if self._faults.rst:
                _reset(writer)
                return
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._target, str):
            answers, questions = await asyncio.open_unix_connection(self._target)
        else:
            answers, questions = await asyncio.open_connection(*self._target)
        self._writers.add(questions)
        pumps = [
            asyncio.create_task(self._pump(reader, questions, answers=False)),
            asyncio.create_task(self._pump(answers, writer, answers=True)),
        ]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            self._writers.discard(questions)
            for one in (questions, writer):
                one.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        """Carry one direction until its end, and the end too."""
        while True:
            data = await reader.read(CHUNK)
            await self._held_back(answers)
            if not data:
                break
            if self._faults.latency_s:
                await asyncio.sleep(self._faults.latency_s)
            await self._carry(data, writer, answers)
        if writer.can_write_eof():
            with suppress(OSError):
                writer.write_eof()

    async def _held_back(self, answers: bool) -> None:
        while self._faults.blackhole or (answers and self._faults.half_open):
            await self._changed.wait()

    async def _carry(self, data: bytes, writer: asyncio.StreamWriter, answers: bool) -> None:
        cut = self._faults.cut_after_bytes if answers else None
        if cut is not None:
            data = data[: max(0, cut - self._answered)]
            self._answered += len(data)
        while data:
            rate = self._faults.bandwidth
            # A twentieth of a second's worth at a time.
            piece = max(1, rate // 20) if rate else len(data)
            writer.write(data[:piece])
            await writer.drain()
            data = data[piece:]
            if rate:
                await asyncio.sleep(piece / rate)
        if cut is not None and self._answered >= cut:
            # What was written must leave before the reset discards it.
            await asyncio.sleep(0.05)
            raise ConnectionResetError("cut")


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
