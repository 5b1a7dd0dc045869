"""One subscription per web process, one look at the database for all sockets, and the fan-out.

Values and versions come from ``dashboard.live.snapshot``, read every half second while a socket
is open and at once when an event arrives. Events only hasten that look, so losing one (Redis was
away) costs its line of text and nothing else. A heartbeat is sent only after a look that worked:
without one, the client rightly calls its figures stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.db import connections

from dashboard import live
from dashboard.feed import Feed, body_of, epoch_ms
from dashboard.live import LiveSnapshot
from trading.publish import GROUP

LOOK_INTERVAL_S = 0.5
LOOK_PAUSE_S = 0.05
HEARTBEAT_INTERVAL_S = 2.0
RETRY_S = (0.5, 5.0)

logger = structlog.get_logger(__name__)


class Hub:
    """Give every joined ``Feed`` what changes. ``start`` and ``stop`` in the loop that serves."""

    def __init__(self, read: Callable[[], LiveSnapshot] = live.snapshot) -> None:
        self._read = read
        self._feeds: set[Feed] = set()
        self._newcomers: set[Feed] = set()
        self._current: LiveSnapshot | None = None
        self._read_at = self._beaten_at = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._due = asyncio.Event()
        # A thread of its own: a slow look must not queue behind the requests' threads.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="hub")
        loops = (self._subscribe(), self._watch(), self._beat())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def join(self, feed: Feed) -> None:
        """Tell ``feed`` everything once, then what changes."""
        self._feeds.add(feed)
        self._newcomers.add(feed)
        self._due.set()

    def leave(self, feed: Feed) -> None:
        self._feeds.discard(feed)
        self._newcomers.discard(feed)

    async def _subscribe(self) -> None:
        pause = RETRY_S[0]
        while True:
            try:
                layer = get_channel_layer()
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                pause = RETRY_S[0]
                try:
                    while True:
                        self._take(await layer.receive(channel))
                finally:
                    await layer.group_discard(GROUP, channel)
            except Exception as exc:
                logger.warning("hub_subscription_lost", error=repr(exc), retry_s=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_S[1])

    def _take(self, message: dict[str, Any]) -> None:
        event = {name: message[name] for name in ("id", "kind", "level", "text")}
        body = body_of({"event": event})
        # A part whose version is watched is announced when the look finds it changed, not twice.
        watched = {key.partition(":")[0] for key in self._current.versions} if self._current else {}
        others = [name for name in message["fragments"] if name not in watched]
        for feed in self._feeds:
            feed.put_event(body)
            if others:
                feed.put_fragments(others)
        self._due.set()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        failing = False
        while True:
            await self._next_look()
            try:
                snapshot = await loop.run_in_executor(self._executor, self._look)
            except Exception:
                if not failing:
                    logger.exception("hub_look_failed")
                failing = True
            else:
                failing = False
                self._spread(snapshot)
            await asyncio.sleep(LOOK_PAUSE_S)

    async def _next_look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_INTERVAL_S if self._feeds else None):
                await self._due.wait()
        except TimeoutError:
            return
        finally:
            self._due.clear()

    def _look(self) -> LiveSnapshot:
        try:
            return self._read()
        finally:
            connections.close_all()

    def _spread(self, snapshot: LiveSnapshot) -> None:
        before, self._current = self._current, snapshot
        self._read_at = epoch_ms()
        newcomers, self._newcomers = self._newcomers, set()
        for feed in newcomers:
            feed.put_all(snapshot.values, snapshot.versions)
        if before is None:
            return
        values = _changed(before.values, snapshot.values)
        fragments = _changed(before.versions, snapshot.versions)
        for feed in self._feeds - newcomers:
            if fragments:
                feed.put_fragments(fragments)
            if values:
                feed.put_values(values)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)
            if self._read_at == self._beaten_at:
                continue
            self._beaten_at = self._read_at
            for feed in self._feeds:
                feed.put_heartbeat(self._beaten_at)


def _changed(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in now.items() if before.get(name) != text}


hub = Hub()
