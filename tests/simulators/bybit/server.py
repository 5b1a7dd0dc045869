"""The simulated exchange as a server: REST, both streams and the controls on one port."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.simulators.bybit.auth import Keyring
from tests.simulators.bybit.control import Control, NoSuchControl
from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.feed import PublicFeed
from tests.simulators.bybit.knobs import Knobs
from tests.simulators.bybit.limits import IP_REQUESTS, Limits
from tests.simulators.bybit.prices import SeededPrices
from tests.simulators.bybit.respond import Fate, RawAnswer, Request, Responder
from tests.simulators.bybit.rules import Refused
from tests.simulators.bybit.sockets import PRIVATE, PUBLIC, Hub, hold_silent, reset_connection
from tests.simulators.served import Served

TICK_S = 0.05


class VenueClock:
    """Wall time from a start, ``speed`` times as fast, ``skew_ms`` off; in ms."""

    def __init__(self, speed: float = 1.0, start_ms: int | None = None) -> None:
        self.speed = speed
        self.skew_ms = 0
        self._start_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        self._started_at = time.monotonic()

    def now_ms(self) -> int:
        """The venue's time."""
        passed_ms = (time.monotonic() - self._started_at) * 1000 * self.speed
        return self._start_ms + int(passed_ms) + self.skew_ms


class SimServer(Served):
    """A local Bybit. ``start`` returns when it listens, ``stop`` leaves nothing behind.

    It runs in a thread of its own; ``exchange``, ``knobs`` and ``control`` bear any thread.
    With ``speed`` over 1 the timestamp rule is off; limits always count in wall time.
    """

    thread_name = "bybit-simulator"
    stop_grace_s = 0.2

    def __init__(
        self,
        port: int = 0,
        *,
        seed: int = 1,
        usdt: Decimal | int = 10_000,
        key: str = "sim-key",
        secret: str = "sim-secret",
        accounts: int = 1,
        duplicate_ids: str = "reject",
        profile: str = "demo2026",
        speed: float = 1.0,
        start_ms: int | None = None,
        volatility: float = 1.0,
        ledger_file: Path | None = None,
        knobs: Knobs | None = None,
        ip_requests: int = IP_REQUESTS,
    ) -> None:
        super().__init__(port)
        self.clock = VenueClock(speed, start_ms)
        now_ms = self.clock.now_ms
        self.prices = SeededPrices(seed, now_ms(), volatility=volatility, clock=now_ms)
        self.exchange = SimExchange(
            now_ms, self.prices, profile=profile, usdt=Decimal(usdt), duplicate_ids=duplicate_ids
        )
        self.knobs = knobs or Knobs(seed)
        self.keyring = Keyring.for_accounts(accounts, key, secret)
        self.limits = Limits(lambda: time.monotonic_ns() // 1_000_000, ip_requests=ip_requests)
        self.responder = Responder(
            self.exchange, self.keyring, self.knobs, self.limits, now_ms, strict_time=speed == 1
        )
        self.hub = Hub(self.responder, PublicFeed(self.exchange, self.prices, now_ms), now_ms)
        self.control = Control(self.responder, self.exchange, self.prices, self.clock)
        self.control.sockets = self.hub.count
        self.exchange.on_push = self._on_push
        self._ledger_file = ledger_file
        self._ledger_written = 0

    @property
    def url(self) -> str:
        """Base of the REST interface."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Base of the streams: ``/v5/public/linear`` and ``/v5/private`` follow."""
        return f"ws://127.0.0.1:{self.port}"

    async def serve(self, stopping: asyncio.Event) -> None:
        """Listen until told to stop, in the loop of the caller."""
        try:
            await super().serve(stopping)
        finally:
            self._write_ledger()

    @asynccontextmanager
    async def _meanwhile(self) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            await self.hub.close()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 22)
        app.router.add_get("/v5/private", self._private)
        app.router.add_get("/v5/public/linear", self._public)
        app.router.add_route("*", "/__sim/{act:.*}", self._controls)
        app.router.add_route("*", "/{path:.*}", self._rest)
        return app

    async def _private(self, request: web.Request) -> web.StreamResponse:
        return await self.hub.connect(request, PRIVATE)

    async def _public(self, request: web.Request) -> web.StreamResponse:
        return await self.hub.connect(request, PUBLIC)

    async def _controls(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            params = json.loads(body) if body else dict(request.query)
            done = self.control.act(request.method, request.match_info["act"], params)
        except NoSuchControl as exc:
            return web.json_response({"error": str(exc)}, status=404)
        except (LookupError, TypeError, ValueError, ArithmeticError, Refused) as exc:
            return web.json_response({"error": str(exc)}, status=400)
        return web.json_response(done, dumps=_json)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path, _, raw_query = request.raw_path.partition("?")
        asked = Request(
            method=request.method,
            path=path,
            raw_query=raw_query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            ip=request.remote or "",
        )
        plan = self.responder.plan(asked)
        if plan.before_ms:
            await asyncio.sleep(plan.before_ms / 1000)
        answer = self.responder.carry_out(asked, plan)
        if answer.after_ms:
            await asyncio.sleep(answer.after_ms / 1000)
        return await _sent(request, answer)

    async def _tick(self) -> None:
        """Bring the exchange to the present and tell the streams, until cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(TICK_S)
            turn += 1
            try:
                with self.responder.lock:
                    self.exchange.advance()
                    if turn % 2 == 0:
                        self.hub.push_public()
                self.hub.tick()
                self._write_ledger()
            except Exception as exc:
                if self.failure is None:
                    traceback.print_exception(exc)
                    self.failure = exc

    def _on_push(self, uid: str, topic: str, rows: list[dict[str, Any]], message_id: str) -> None:
        """Pushes come from the loop's own thread or from a test's."""
        if self._loop is None or self._loop.is_closed():
            return
        if threading.current_thread() is self._thread or _in(self._loop):
            self.hub.push_private(uid, topic, rows, message_id)
        else:
            self._loop.call_soon_threadsafe(self.hub.push_private, uid, topic, rows, message_id)

    def _write_ledger(self) -> None:
        if self._ledger_file is None:
            return
        rows = self.exchange.ledger.since(self._ledger_written)
        if not rows:
            return
        with self._ledger_file.open("a") as file:
            file.writelines(f"{_json(row)}\n" for row in rows)
        self._ledger_written += len(rows)


async def _sent(request: web.Request, answer: RawAnswer) -> web.StreamResponse:
    """Send an answer the way its fate wants it."""
    if answer.fate is Fate.LOST:
        await hold_silent(request)
    if answer.fate in (Fate.LOST, Fate.RESET):
        reset_connection(request.transport)
        return web.Response()
    if answer.fate is Fate.TRUNCATED:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def _in(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _json(value: object) -> str:
    return json.dumps(value, default=str, separators=(",", ":"))
