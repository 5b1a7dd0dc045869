"""The channel layer that works across threads and loops."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from channels.exceptions import ChannelFull

from config.channels import EmbeddedLayer

Message = dict[str, Any]


def in_thread(work: Any) -> threading.Thread:
    thread = threading.Thread(target=lambda: asyncio.run(work))
    thread.start()
    return thread


def test_message_from_another_thread_wakes_an_idle_receiver() -> None:
    layer = EmbeddedLayer()

    async def scenario() -> Message:
        await layer.group_add("console", "here")
        waiting = asyncio.create_task(layer.receive("here"))
        await asyncio.sleep(0.05)
        in_thread(layer.group_send("console", {"type": "event", "id": 1})).join()
        return await asyncio.wait_for(waiting, 0.5)

    assert asyncio.run(scenario()) == {"type": "event", "id": 1}


def test_every_message_of_many_threads_arrives_once() -> None:
    layer = EmbeddedLayer()

    async def send_hundred(sender: int) -> None:
        for number in range(100):
            await layer.send("here", {"id": sender * 100 + number})

    async def scenario() -> list[int]:
        threads = [in_thread(send_hundred(sender)) for sender in range(4)]
        received = [(await layer.receive("here"))["id"] for _ in range(400)]
        for thread in threads:
            thread.join()
        return received

    received = asyncio.run(scenario())
    assert sorted(received) == list(range(400))
    assert [number for number in received if number < 100] == list(range(100))


def test_group_reaches_all_members_and_nobody_else() -> None:
    layer = EmbeddedLayer()

    async def scenario() -> list[Message]:
        for channel in ("one", "two", "gone"):
            await layer.group_add("console", channel)
        await layer.group_discard("console", "gone")
        await layer.group_send("console", {"id": 1})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(layer.receive("gone"), 0.05)
        return [await layer.receive("one"), await layer.receive("two")]

    assert asyncio.run(scenario()) == [{"id": 1}, {"id": 1}]


def test_members_do_not_share_one_message_object() -> None:
    layer = EmbeddedLayer()

    async def scenario() -> Message:
        await layer.group_add("console", "one")
        await layer.group_add("console", "two")
        await layer.group_send("console", {"list": [1]})
        (await layer.receive("one"))["list"].append(2)
        return await layer.receive("two")

    assert asyncio.run(scenario()) == {"list": [1]}


def test_full_channel_refuses_a_message_but_not_the_group() -> None:
    layer = EmbeddedLayer(capacity=1)

    async def scenario() -> Message:
        await layer.group_add("console", "full")
        await layer.group_add("console", "free")
        await layer.send("full", {"id": 1})
        with pytest.raises(ChannelFull):
            await layer.send("full", {"id": 2})
        await layer.group_send("console", {"id": 3})
        assert await layer.receive("full") == {"id": 1}
        return await layer.receive("free")

    assert asyncio.run(scenario()) == {"id": 3}


def test_cancelled_receiver_does_not_take_a_message_with_it() -> None:
    layer = EmbeddedLayer()

    async def scenario() -> Message:
        first = asyncio.create_task(layer.receive("here"))
        second = asyncio.create_task(layer.receive("here"))
        await asyncio.sleep(0)
        await layer.send("here", {"id": 1})
        first.cancel()
        return await asyncio.wait_for(second, 0.5)

    assert asyncio.run(scenario()) == {"id": 1}


def test_receiver_of_a_closed_loop_is_passed_over() -> None:
    layer = EmbeddedLayer()

    async def leave_waiting() -> None:
        asyncio.get_running_loop().call_later(0.01, asyncio.get_running_loop().stop)
        await layer.receive("here")

    abandoned = asyncio.new_event_loop()
    task = abandoned.create_task(leave_waiting())
    abandoned.run_forever()
    task.get_coro().close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    abandoned.close()

    async def scenario() -> Message:
        await layer.send("here", {"id": 1})
        return await asyncio.wait_for(layer.receive("here"), 0.5)

    assert asyncio.run(scenario()) == {"id": 1}


def test_flush_forgets_messages_and_groups() -> None:
    layer = EmbeddedLayer()

    async def scenario() -> None:
        await layer.group_add("console", "here")
        await layer.send("here", {"id": 1})
        await layer.flush()
        await layer.group_send("console", {"id": 2})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(layer.receive("here"), 0.05)

    asyncio.run(scenario())


def test_new_channels_differ() -> None:
    layer = EmbeddedLayer()
    assert asyncio.run(layer.new_channel()) != asyncio.run(layer.new_channel())
