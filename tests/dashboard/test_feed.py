"""What one socket is told, in which order, and how often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dashboard import feed as feed_module
from dashboard.feed import CLOSE_TOO_SLOW, MAX_EVENTS, Feed, body_of

Sent = list[dict[str, Any]]


def tell(scenario: Callable[[Feed], Awaitable[None]]) -> Sent:
    """Run ``scenario`` against a feed whose socket takes everything; return what it got."""
    sent: Sent = []

    async def send(text: str) -> None:
        sent.append(json.loads(text))

    async def main() -> None:
        feed = Feed(send)
        task = asyncio.create_task(feed.run())
        await scenario(feed)
        await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(main())
    return sent


def test_values_within_a_quarter_second_are_merged_to_the_newest() -> None:
    async def scenario(feed: Feed) -> None:
        feed.put_values({"equity": "1"})
        await asyncio.sleep(0.02)
        for number in range(2, 50):
            feed.put_values({"equity": str(number), "day": "0"})
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)

    values = [message["v"] for message in tell(scenario) if "v" in message]
    assert values[0] == {"equity": "1"}
    assert values[-1] == {"equity": "49", "day": "0"}
    assert len(values) <= 4


def test_hidden_tab_gets_events_but_its_values_wait() -> None:
    async def scenario(feed: Feed) -> None:
        feed.set_hidden(True)
        feed.put_values({"equity": "1"})
        await asyncio.sleep(0.02)
        feed.put_values({"equity": "2"})
        feed.put_fragments(["positions"])
        feed.put_event(body_of({"event": {"id": 7}}))
        await asyncio.sleep(0.4)

    sent = tell(scenario)
    assert [sorted(set(message) - {"seq"}) for message in sent] == [["t", "v"], ["event"]]


def test_tab_that_comes_back_gets_what_waited_at_once() -> None:
    async def scenario(feed: Feed) -> None:
        feed.set_hidden(True)
        feed.put_values({"equity": "1"})
        await asyncio.sleep(0.3)
        feed.put_values({"equity": "2"})
        feed.put_fragments(["positions"])
        feed.set_hidden(False)

    sent = tell(scenario)
    assert sent[1]["f"] == ["positions"]
    assert sent[2]["v"] == {"equity": "2"}


def test_messages_are_counted_from_one_without_a_gap() -> None:
    async def scenario(feed: Feed) -> None:
        feed.put_values({"a": "1"})
        feed.put_fragments(["positions", "decision", "positions"])
        feed.put_event(body_of({"event": {"id": 1}}))
        feed.put_heartbeat(123)

    sent = tell(scenario)
    assert [message["seq"] for message in sent] == [1, 2, 3, 4]
    assert sent[1]["f"] == ["positions", "decision"]
    assert sent[3] == {"seq": 4, "hb": 123}


def test_new_page_is_told_all_versions_once_even_without_values() -> None:
    async def scenario(feed: Feed) -> None:
        feed.put_all({}, {"positions": "9"})
        await asyncio.sleep(0.02)
        feed.put_values({"a": "2"})
        await asyncio.sleep(0.3)

    first, second = tell(scenario)
    assert first["v"] == {}
    assert first["ver"] == {"positions": "9"}
    assert "ver" not in second


def test_socket_with_200_events_waiting_is_given_up() -> None:
    async def never(text: str) -> None:
        await asyncio.Event().wait()

    async def main() -> int:
        feed = Feed(never)
        for number in range(MAX_EVENTS + 1):
            feed.put_event(body_of({"event": {"id": number}}))
        return await asyncio.wait_for(feed.run(), 1)

    assert asyncio.run(main()) == CLOSE_TOO_SLOW


def test_socket_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "SEND_TIMEOUT_S", 0.05)

    async def never(text: str) -> None:
        await asyncio.Event().wait()

    async def main() -> int:
        feed = Feed(never)
        feed.put_heartbeat(1)
        return await asyncio.wait_for(feed.run(), 1)

    assert asyncio.run(main()) == CLOSE_TOO_SLOW
