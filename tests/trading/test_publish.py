"""Publishing is a hint: from anywhere, never in the way, back when Redis is back."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import pytest
from channels.layers import get_channel_layer
from pytest_django.fixtures import Settings

from tests.servers import start_redis
from trading.publish import GROUP, MAX_WAITING, Publisher, publish

pytestmark = pytest.mark.broker


def event(number: int) -> dict[str, Any]:
    return {"type": "event", "id": number, "kind": "test", "level": "info", "text": "-"}


async def listen() -> tuple[Any, str]:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(GROUP, channel)
    return layer, channel


def test_messages_arrive_in_order_from_inside_a_running_loop() -> None:
    async def scenario() -> list[int]:
        layer, channel = await listen()
        for number in range(20):
            publish(event(number))
        async with asyncio.timeout(5):
            received = [(await layer.receive(channel))["id"] for _ in range(20)]
        await layer.group_discard(GROUP, channel)
        return received

    assert asyncio.run(scenario()) == list(range(20))


def test_messages_arrive_from_threads_without_a_loop() -> None:
    async def scenario() -> set[int]:
        layer, channel = await listen()
        threads = [threading.Thread(target=publish, args=(event(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        async with asyncio.timeout(5):
            received = {(await layer.receive(channel))["id"] for _ in range(8)}
        await layer.group_discard(GROUP, channel)
        return received

    assert asyncio.run(scenario()) == set(range(8))


def test_falling_behind_drops_the_oldest() -> None:
    publisher = Publisher()
    publisher._thread = threading.current_thread()  # Nobody sends.
    for number in range(MAX_WAITING + 5):
        publisher.publish(event(number))
    assert publisher._next()["id"] == 5


def test_publishing_goes_on_in_a_forked_process() -> None:
    publish(event(0))
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        publish(event(1))
        names = [thread.name for thread in threading.enumerate()]
        os.write(writing, b"y" if "publisher" in names else b"n")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 1) == b"y"
    os.close(reading)
    os.close(writing)


@pytest.mark.services
def test_publishing_and_listening_recover_when_redis_comes_back(settings: Settings) -> None:
    server = start_redis()
    hosts = [{"address": server.url, "socket_timeout": None}]
    layer = {**settings.CHANNEL_LAYERS["default"], "CONFIG": {"hosts": hosts}}
    settings.CHANNEL_LAYERS = {"default": layer}

    async def scenario() -> dict[str, Any]:
        layer, channel = await listen()
        publish(event(1))
        assert (await asyncio.wait_for(layer.receive(channel), 5))["id"] == 1
        server.process.kill()
        server.process.wait()
        started = time.monotonic()
        publish(event(2))
        assert time.monotonic() - started < 0.1
        revived = start_redis(server.folder)
        try:
            return await hear_again(layer, channel)
        finally:
            await layer.flush()
            revived.stop()

    assert asyncio.run(scenario())["id"] == 3


async def hear_again(layer: Any, channel: str) -> dict[str, Any]:
    """Publish until a message comes through, as events do."""
    waiting = asyncio.create_task(layer.receive(channel))
    async with asyncio.timeout(10):
        while not waiting.done():
            publish(event(3))
            await asyncio.wait([waiting], timeout=0.5)
    return dict(waiting.result())
