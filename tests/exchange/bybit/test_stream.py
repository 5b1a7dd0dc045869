from __future__ import annotations

import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from exchange.bybit.rest import Credentials
from exchange.bybit.server_time import ServerTime
from exchange.bybit.stream import PrivateStream
from exchange.bybit.stream_supervisor import GARBAGE_LIMIT
from exchange.market.clock import WallClock
from tests.exchange.bybit.stream_venue import Client, Script, StreamVenue
from tests.exchange.bybit.streaming import (
    EXECUTION,
    FAST,
    ORDER,
    Start,
    Taken,
    dropping,
    private,
    refusing_auth,
    wait_for,
    with_messages,
)


def closing(client: Client) -> None:
    client.serve_until_subscribed()


def silent(client: Client) -> None:
    client.serve_until_subscribed()
    while True:
        client.receive()


def refusing_subscribe(client: Client) -> None:
    client.answer(client.receive())
    client.answer(client.receive(), success=False, ret_msg="no")
    client.serve()


def ignoring_auth(client: Client) -> None:
    while True:
        frame = client.receive()
        if frame["op"] == "ping":
            client.answer(frame)


def babbling(client: Client) -> None:
    client.serve_until_subscribed()
    client.send(*["<html>"] * (GARBAGE_LIMIT + 1))
    client.serve()


def test_the_stream_is_ready_when_auth_and_subscription_are_confirmed(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    go_on = threading.Event()

    def slow(client: Client) -> None:
        client.answer(client.receive())
        subscription = client.receive()
        go_on.wait(5)
        client.answer(subscription)
        client.serve()

    stream = start(private(venue(slow).url))
    assert not stream.wait_ready(0.15)
    assert "is not connected" in stream.doubts()[0]
    assert stream.take().opened == 0
    go_on.set()
    assert stream.wait_ready(5)
    assert stream.doubts() == ()
    assert stream.take().opened == 1


def test_the_key_is_proven_by_a_signature_on_venue_time(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    asked: list[dict[str, object]] = []

    def noting(client: Client) -> None:
        for _ in range(2):
            asked.append(client.receive())
            client.answer(asked[-1])
        client.serve()

    clock = WallClock()
    server_time = ServerTime(clock)
    now_s = clock.monotonic()
    venue_ms = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)
    server_time.note(venue_ms, now_s, now_s)
    stream = start(
        PrivateStream(
            venue(noting).url,
            Credentials("a-key", "a-secret"),
            server_time,
            clock=clock,
            timing=FAST,
        )
    )
    assert stream.wait_ready(5)
    auth, subscription = asked
    arguments = auth["args"]
    assert isinstance(arguments, list)
    key, expires, signature = arguments
    assert key == "a-key"
    assert venue_ms + 9_000 < expires < venue_ms + 20_000
    text = f"GET/realtime{expires}".encode()
    assert signature == hmac.new(b"a-secret", text, hashlib.sha256).hexdigest()
    assert subscription["args"] == ["execution", "order", "position", "wallet"]


def test_messages_come_once_and_in_order(venue: Callable[..., StreamVenue], start: Start) -> None:
    taken = Taken(start(private(venue(with_messages(ORDER, EXECUTION, ORDER)).url)))
    wait_for(lambda: taken.has(messages=3))
    time.sleep(0.1)
    assert taken.has()
    assert taken.messages == [ORDER, EXECUTION, ORDER]


@pytest.mark.parametrize(
    "failing",
    [
        dropping,
        closing,
        silent,
        refusing_auth,
        refusing_subscribe,
        ignoring_auth,
        babbling,
    ],
)
def test_every_end_is_noticed_and_mended(
    venue: Callable[..., StreamVenue], start: Start, failing: Script
) -> None:
    place = venue(failing, with_messages(ORDER))
    taken = Taken(start(private(place.url)))
    wait_for(lambda: taken.has(messages=1, opened=1))
    assert taken.messages == [ORDER]
    assert place.connects == 2


@pytest.mark.parametrize(
    "frame",
    [
        "<html>",
        "[1, 2]",
        '{"topic": "order", "data": [NaN]}',
        '{"topic": "greeks", "data": []}',
        '{"topic": "order"}',
        '{"topic": "order", "data": "x"}',
        "{}",
    ],
)
def test_one_frame_that_cannot_be_read_asks_for_a_comparison(
    venue: Callable[..., StreamVenue], start: Start, frame: str
) -> None:
    place = venue(with_messages(frame, ORDER))
    taken = Taken(start(private(place.url)))
    wait_for(lambda: taken.has(messages=1, opened=2))
    assert taken.messages == [ORDER]
    assert place.connects == 1


def test_a_venue_that_is_away_is_found_when_it_returns(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    stream = start(private(f"ws://127.0.0.1:{port}/v5/private"))
    wait_for(lambda: "refused" in stream.doubts()[0])
    venue(port=port)
    assert stream.wait_ready(5)


def test_a_black_hole_is_given_up(venue: Callable[..., StreamVenue], start: Start) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        port = hole.getsockname()[1]
        stream = start(private(f"ws://127.0.0.1:{port}/v5/private"))
        wait_for(lambda: "timed out" in stream.doubts()[0])
    venue(port=port)
    assert stream.wait_ready(5)


def test_the_key_is_not_carried_to_another_host(start: Start) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        answer = b"HTTP/1.1 302 Found\r\nLocation: ws://localhost:9/v5/private\r\n\r\n"

        def redirect() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=redirect)
        thread.start()
        stream = start(private(f"ws://127.0.0.1:{port}/v5/private"))
        thread.join()
        wait_for(lambda: "redirect" in stream.doubts()[0])
        assert not stream.wait_ready(0)


def test_private_messages_are_never_dropped(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    orders = [{"topic": "order", "id": str(number), "data": []} for number in range(15)]
    place = venue(with_messages(*orders), Client.serve)
    stream = start(private(place.url, limit=10))
    wait_for(lambda: "not being taken" in "".join(stream.doubts()))
    batch = stream.take()
    assert list(batch.messages) == orders[:10]
    assert stream.wait_ready(5)
    assert stream.take().opened == 1
