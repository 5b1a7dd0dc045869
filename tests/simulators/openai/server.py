"""The simulated model server: both interfaces and a control door on one port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.simulators.openai.calls import Call
from tests.simulators.openai.control import Control, NoSuchControl
from tests.simulators.openai.desk import Desk, Packed
from tests.simulators.openai.errors import ApiError
from tests.simulators.openai.families import MODELS, Model
from tests.simulators.openai.scripts import Script, Scripts
from tests.simulators.openai.truths import Truths
from tests.simulators.served import Served

DRIP_PIECES = 20
LARGEST_REQUEST = 64 * 1024 * 1024


class OpenAiSim(Served):
    """A local OpenAI. ``start`` returns when it listens, ``stop`` leaves nothing behind.

    It runs in a thread of its own; every method bears any thread. ``mode`` answers the questions
    for which no script is queued. ``url`` is what clients take as ``base_url``.
    """

    thread_name = "openai-simulator"

    def __init__(
        self,
        port: int = 0,
        *,
        seed: int = 1,
        key: str = "sim-key",
        mode: str = "perfect",
        models: Mapping[str, Model] = MODELS,
        requests_per_minute: int = 10_000,
    ) -> None:
        super().__init__(port)
        self.key = key
        self._truths = Truths()
        self._scripts = Scripts(mode)
        self._desk = Desk(
            key=key,
            seed=seed,
            models=models,
            scripts=self._scripts,
            truths=self._truths,
            requests_per_minute=requests_per_minute,
        )
        self._control = Control(self)

    @property
    def url(self) -> str:
        """Base of both interfaces: ``/responses`` and ``/chat/completions`` follow."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every request so far, refused ones too."""
        return self._desk.log.all()

    @property
    def usage(self) -> dict[str, int]:
        """Calls answered and the sums of their tokens."""
        return self._desk.log.totals()

    @property
    def most_at_once(self) -> int:
        """The most requests that were open at the same time."""
        return self._desk.log.most_at_once

    def plant(self, png_sha256: str, truth: Mapping[str, Any]) -> None:
        """Tell what a picture shows: flat field names with their values."""
        self._truths.plant(png_sha256, truth)

    def script(
        self,
        mode: str,
        *,
        model: str | None = None,
        times: int | None = None,
        contains: str | None = None,
        image: str | None = None,
        **args: Any,
    ) -> None:
        """Queue a mode for the next ``times`` questions that match (None: for all to come).

        The oldest script that matches goes first. Arguments by mode: ``s`` (slow, drip; with
        ``answer``, the mode that answers then), ``share`` (truncated, ungrounded), ``filtered``
        (refusing), ``for_s`` and ``retry_after`` (rate_limited), ``status`` (server_error),
        ``seed`` (mutated, generated), ``n`` (injected), ``text`` or ``texts`` (scripted); for any
        mode ``usage``, counts that override the true ones, and ``for_s``, how long it holds.
        """
        self._scripts.add(
            Script(mode, args, model=model, contains=contains, image=image, left=times)
        )

    def clear_scripts(self) -> None:
        """Drop every queued script."""
        self._scripts.clear()

    def scripts(self) -> list[Script]:
        """Scripts that are not over."""
        return self._scripts.waiting()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_post("/v1/responses", self._answer)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/v1/models", self._models)
        app.router.add_route("*", "/_sim/{act:.*}", self._controls)
        app.router.add_route("*", "/{path:.*}", self._unknown)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        number = self._desk.log.opened(request.path)
        finished = False
        try:
            raw = await request.read()
            authorization = request.headers.get("Authorization", "")
            # Decoding and looking at pictures takes too long for the loop of all connections.
            packed = await asyncio.to_thread(
                self._desk.answer, number, request.path, authorization, raw
            )
            response = await _sent(request, packed)
            finished = not packed.reset
            return response
        except web.HTTPException:
            raise
        except ConnectionError:
            # The client gave up on a slow answer, as slow answers are there to make it do.
            return web.Response()
        except Exception as exc:
            self.failure = self.failure or exc
            raise
        finally:
            self._desk.log.closed(number, finished=finished)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        packed = self._desk.model_list(request.headers.get("Authorization", ""))
        return await _sent(request, packed)

    async def _controls(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            params = json.loads(body) if body else dict(request.query)
            done = self._control.act(request.match_info["act"], params)
        except NoSuchControl as exc:
            return web.json_response({"error": str(exc)}, status=404)
        except (LookupError, TypeError, ValueError) as exc:
            return web.json_response({"error": str(exc)}, status=400)
        return web.json_response(done)

    async def _unknown(self, request: web.Request) -> web.Response:
        refused = ApiError(404, f"Invalid URL ({request.method} {request.path})")
        return web.json_response(refused.body(), status=404)


async def _sent(request: web.Request, packed: Packed) -> web.StreamResponse:
    """Send an answer at the pace and in the way that it asks for."""
    if packed.before_s:
        await asyncio.sleep(packed.before_s)
    if packed.reset:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if not packed.drip_s:
        return web.Response(
            status=packed.status,
            body=packed.body,
            headers=packed.headers,
            content_type=packed.content_type,
        )
    response = web.StreamResponse(status=packed.status, headers=packed.headers)
    response.content_type = packed.content_type
    response.content_length = len(packed.body)
    await response.prepare(request)
    step = max(1, -(-len(packed.body) // DRIP_PIECES))
    starts = range(0, len(packed.body), step)
    for start in starts:
        await asyncio.sleep(packed.drip_s / len(starts))
        await response.write(packed.body[start : start + step])
    await response.write_eof()
    return response
