"""The console's socket: tells what changed, takes no commands.

The client says only ``{"hidden": true}`` or ``false`` when its tab goes out of sight or comes
back. Close codes: 4001 sign in again, 4003 not allowed, 4008 too slow (fetch again, reconnect).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from dashboard.feed import Feed
from dashboard.hub import Hub
from dashboard.sessions import CLOSE_SIGNED_OUT, session_close_code

VALIDATE_INTERVAL_S = 30.0
CLOSE_BAD_DATA = 1003
CLOSE_INTERNAL = 1011


class ConsoleConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Joins the process's hub for as long as the socket is open and its user may look."""

    # The hub holds the only subscription; None keeps Channels from making one per socket.
    channel_layer_alias = None

    def __init__(self, *, hub: Hub) -> None:
        super().__init__()
        self.hub = hub
        self.tasks: list[asyncio.Task[None]] = []
        self.feed: Feed | None = None

    async def connect(self) -> None:
        # Accepted before it is refused, because only then does the browser see the code.
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.close(CLOSE_SIGNED_OUT)
            return
        self.feed = Feed(self.send)
        self.hub.join(self.feed)
        self._in_background(self._pump(self.feed))
        self._in_background(self._validate())

    async def disconnect(self, code: int) -> None:
        if self.feed is not None:
            self.hub.leave(self.feed)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            hidden = json.loads(text_data or "")["hidden"]
        except (ValueError, TypeError, KeyError):
            await self.close(CLOSE_BAD_DATA)
            return
        if self.feed is not None:
            self.feed.set_hidden(hidden is True)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def _pump(self, feed: Feed) -> None:
        try:
            code = await feed.run()
            self.hub.leave(feed)
            await self.close(code)
        except (OSError, RuntimeError):
            # The browser left between two messages; its disconnect is on the way.
            self.hub.leave(feed)

    async def _validate(self) -> None:
        check = database_sync_to_async(session_close_code)
        session_key, user_id = self.scope["session"].session_key, self.scope["user"].pk
        code = None
        while code is None:
            await asyncio.sleep(VALIDATE_INTERVAL_S)
            try:
                code = await check(session_key=session_key, user_id=user_id)
            except Exception:
                # Who can't be checked is not shown anything: unknown fails closed.
                code = CLOSE_INTERNAL
        if self.feed is not None:
            self.hub.leave(self.feed)
        await self.close(code)
