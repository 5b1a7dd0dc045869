"""One look and one subscription feed every socket of the process, on either channel layer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dashboard import hub as hub_module
from dashboard.feed import Feed
from dashboard.hub import Hub
from dashboard.live import LiveSnapshot
from trading.publish import publish

pytestmark = pytest.mark.broker

EVENT = {
    "type": "event",
    "id": 5,
    "kind": "trade.closed",
    "level": "info",
    "text": "BTCUSDT closed",
    "fragments": ["positions", "elsewhere"],
}
Sent = list[dict[str, Any]]


class Screen:
    """A hub with one open socket, and what arrived there."""

    def __init__(self, read: Callable[[], LiveSnapshot]) -> None:
        self.hub = Hub(read)
        self.sent: Sent = []

    async def _send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def until(self, key: str, count: int = 1) -> dict[str, Any]:
        """Wait for the ``count``-th message that has ``key``."""
        async with asyncio.timeout(5):
            while True:
                found = [message for message in self.sent if key in message]
                if len(found) >= count:
                    return found[count - 1]
                await asyncio.sleep(0.01)

    async def play(self, scenario: Callable[[Screen], Awaitable[None]]) -> None:
        await self.hub.start()
        feed = Feed(self._send)
        pump = asyncio.create_task(feed.run())
        self.hub.join(feed)
        try:
            await scenario(self)
        finally:
            pump.cancel()
            await self.hub.stop()


def shown(values: dict[str, str], versions: dict[str, str]) -> Callable[[], LiveSnapshot]:
    return lambda: LiveSnapshot(values, versions)


def test_new_socket_gets_all_values_and_versions() -> None:
    async def scenario(screen: Screen) -> None:
        first = await screen.until("v")
        assert first["seq"] == 1
        assert first["v"] == {"equity": "1,000.00"}
        assert first["ver"] == {"positions": "1"}

    asyncio.run(Screen(shown({"equity": "1,000.00"}, {"positions": "1"})).play(scenario))


def test_only_what_changed_is_sent_again() -> None:
    values = {"equity": "1", "free": "2"}
    versions = {"positions": "1", "decision": "1"}

    async def scenario(screen: Screen) -> None:
        await screen.until("v")
        values["equity"] = "3"
        versions["decision"] = "2"
        assert (await screen.until("v", 2))["v"] == {"equity": "3"}
        assert (await screen.until("f"))["f"] == ["decision"]

    read = lambda: LiveSnapshot(dict(values), dict(versions))  # noqa: E731
    asyncio.run(Screen(read).play(scenario))


def test_published_event_reaches_the_socket_within_a_quarter_second() -> None:
    async def scenario(screen: Screen) -> None:
        await screen.until("v")
        await asyncio.sleep(0.2)
        started = asyncio.get_running_loop().time()
        thread = threading.Thread(target=publish, args=(EVENT,))
        thread.start()
        message = await screen.until("event")
        assert asyncio.get_running_loop().time() - started < 0.25
        thread.join()
        assert message["event"] == {
            "id": 5,
            "kind": "trade.closed",
            "level": "info",
            "text": "BTCUSDT closed",
        }
        # "positions" is watched by its version, so only the unwatched part is announced.
        assert (await screen.until("f"))["f"] == ["elsewhere"]

    asyncio.run(Screen(shown({"a": "1"}, {"positions:3": "1"})).play(scenario))


def test_event_hastens_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def read() -> LiveSnapshot:
        looks.append(1)
        return LiveSnapshot({}, {})

    async def scenario(screen: Screen) -> None:
        await asyncio.sleep(0.2)
        before = len(looks)
        publish(EVENT)
        await screen.until("event")
        await asyncio.sleep(0.1)
        assert len(looks) > before

    monkeypatch.setattr(hub_module, "LOOK_INTERVAL_S", 60)
    asyncio.run(Screen(read).play(scenario))


def test_failing_look_stops_the_heartbeat_until_it_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "HEARTBEAT_INTERVAL_S", 0.1)
    monkeypatch.setattr(hub_module, "LOOK_INTERVAL_S", 0.05)
    broken = threading.Event()

    def read() -> LiveSnapshot:
        if broken.is_set():
            raise ConnectionError("database is away")
        return LiveSnapshot({"a": "1"}, {})

    async def scenario(screen: Screen) -> None:
        await screen.until("hb", 2)
        broken.set()
        await asyncio.sleep(0.3)
        beats = len(screen.sent)
        await asyncio.sleep(0.3)
        assert len(screen.sent) == beats
        broken.clear()
        await screen.until("hb", beats)

    asyncio.run(Screen(read).play(scenario))


def test_nobody_looks_while_no_socket_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LOOK_INTERVAL_S", 0.01)
    looks: list[int] = []

    def read() -> LiveSnapshot:
        looks.append(1)
        return LiveSnapshot({}, {})

    async def scenario() -> None:
        hub = Hub(read)
        await hub.start()
        await asyncio.sleep(0.1)
        await hub.stop()

    asyncio.run(scenario())
    assert looks == []
