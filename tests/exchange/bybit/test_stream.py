from __future__ import annotations

import hashlib
import hmac
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from exchange.bybit.rest import Credentials
from exchange.bybit.server_time import ServerTime
from exchange.bybit.stream import PrivateStream, PublicStream
from exchange.bybit.stream_pace import ConnectBudget, Timing
from exchange.bybit.stream_supervisor import GARBAGE_LIMIT, SupervisedStream
from exchange.market.clock import WallClock
from tests.exchange.bybit.stream_venue import Client, Script, StreamVenue

FAST = Timing(
    connect_s=1.0,
    reply_s=0.3,
    ping_every_s=0.4,
    probe_after_s=0.1,
    silent_after_s=0.6,
    first_pause_s=0.02,
    longest_pause_s=0.1,
    settled_after_s=0.2,
)
ORDER = {"topic": "order", "id": "1", "data": [{"orderId": "a"}]}
EXECUTION = {"topic": "execution", "id": "2", "data": [{"execId": "b"}]}
TICKERS, KLINE = "tickers.BTCUSDT", "kline.1.BTCUSDT"
TICK = {"topic": TICKERS, "type": "snapshot", "data": {"lastPrice": "1"}}

Start = Callable[[SupervisedStream], SupervisedStream]


@pytest.fixture
def venue() -> Iterator[Callable[..., StreamVenue]]:
    open_venues: list[StreamVenue] = []

    def opened(*scripts: Script, port: int = 0) -> StreamVenue:
        open_venues.append(StreamVenue(*scripts, port=port))
        return open_venues[-1]

    yield opened
    for one in open_venues:
        one.close()


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[SupervisedStream] = []

    def begin(stream: SupervisedStream) -> SupervisedStream:
        started.append(stream)
        stream.start()
        return stream

    yield begin
    for stream in started:
        stream.stop()


def private(url: str, *, limit: int = 1000, budget: ConnectBudget | None = None) -> PrivateStream:
    clock = WallClock()
    return PrivateStream(
        url,
        Credentials("a-key", "a-secret"),
        ServerTime(clock),
        clock=clock,
        timing=FAST,
        limit=limit,
        budget=budget,
    )


def public(url: str, *topics: str, period_s: float = 60.0) -> PublicStream:
    stream = PublicStream(
        url, clock=WallClock(), timing=FAST, periods_s={"tickers": period_s, "kline": period_s}
    )
    stream.watch(topics)
    return stream


def wait_for(condition: Callable[[], bool], timeout_s: float = 8.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


class Taken:
    """Everything a stream has given so far."""

    def __init__(self, stream: SupervisedStream) -> None:
        self._stream = stream
        self.messages: list[object] = []
        self.opened = 0

    def has(self, *, messages: int = 0, opened: int = 0) -> bool:
        batch = self._stream.take()
        self.messages += batch.messages
        self.opened += batch.opened
        return len(self.messages) >= messages and self.opened >= opened


def with_messages(*frames: object) -> Script:
    def script(client: Client) -> None:
        client.serve_until_subscribed()
        client.send(*frames)
        client.serve()

    return script


def dropping(client: Client) -> None:
    client.serve_until_subscribed()
    client.drop()


def closing(client: Client) -> None:
    client.serve_until_subscribed()


def silent(client: Client) -> None:
    client.serve_until_subscribed()
    while True:
        client.receive()


def refusing_auth(client: Client) -> None:
    client.answer(client.receive(), success=False, ret_msg="expired")
    client.serve()


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


def test_two_hundred_reconnects_leave_nothing_behind(
    venue: Callable[..., StreamVenue],
) -> None:
    place = venue(dropping)
    clock = WallClock()
    timing = Timing(first_pause_s=0.001, longest_pause_s=0.001)
    stream = PrivateStream(
        place.url,
        Credentials("a-key", "a-secret"),
        ServerTime(clock),
        clock=clock,
        timing=timing,
        budget=ConnectBudget(limit=10_000),
    )
    stream.start()
    wait_for(lambda: place.connects >= 20, 20)
    files = len(os.listdir("/proc/self/fd"))
    wait_for(lambda: place.connects >= 220, 40)
    assert len(os.listdir("/proc/self/fd")) <= files + 6
    stream.stop()
    assert "bybit-private" not in {thread.name for thread in threading.enumerate()}


def test_nothing_is_left_after_a_stop(venue: Callable[..., StreamVenue]) -> None:
    place = venue()
    stream = private(place.url)
    before = threading.active_count()
    stream.start()
    assert stream.wait_ready(5)
    started = time.monotonic()
    stream.stop()
    assert time.monotonic() - started < 1.5
    wait_for(lambda: threading.active_count() <= before)
    assert "it was stopped" in stream.doubts()[0]
    stream.stop()


def test_a_stopped_stream_can_be_started_again(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    stream = start(private(venue().url))
    assert stream.wait_ready(5)
    stream.stop()
    stream.start()
    assert stream.wait_ready(5)


def test_a_listener_hears_the_states_and_cannot_end_the_stream(
    venue: Callable[..., StreamVenue],
) -> None:
    heard: list[str] = []

    def listener(state: str, reason: str) -> None:
        heard.append(state)
        raise RuntimeError(reason)

    clock = WallClock()
    stream = PrivateStream(
        venue(dropping, Client.serve).url,
        Credentials("a-key", "a-secret"),
        ServerTime(clock),
        clock=clock,
        timing=FAST,
        on_state=listener,
    )
    stream.start()
    wait_for(lambda: heard.count("ready") == 2)
    stream.stop()
    assert heard == ["connecting", "ready", "lost", "connecting", "ready", "stopped"]


def test_connections_are_rationed(venue: Callable[..., StreamVenue], start: Start) -> None:
    place = venue(dropping)
    start(private(place.url, budget=ConnectBudget(limit=3)))
    wait_for(lambda: place.connects == 3)
    time.sleep(0.4)
    assert place.connects == 3


def test_a_topic_that_went_quiet_is_noticed_though_the_others_talk(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    kline = {"topic": KLINE, "type": "snapshot", "data": [{"start": 1}]}

    def half_silent(client: Client) -> None:
        client.serve_until_subscribed()
        for _ in range(100):
            client.send(kline)
            time.sleep(0.02)

    def lively(client: Client) -> None:
        client.serve_until_subscribed()
        while True:
            client.send(kline, TICK)
            time.sleep(0.02)

    place = venue(half_silent, lively)
    stream = start(public(place.url, TICKERS, KLINE, period_s=0.3))
    wait_for(lambda: place.connects == 2)
    assert stream.wait_ready(5)
    wait_for(lambda: any(one["topic"] == TICKERS for one in stream.take().messages))
    assert stream.doubts() == ()


def test_topics_are_added_while_the_stream_runs(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    def script(client: Client) -> None:
        client.serve_until_subscribed()
        frame = client.serve_until_subscribed()
        client.send({**TICK, "topic": frame["args"][0]})
        client.serve()

    place = venue(script)
    stream = public(place.url, TICKERS)
    start(stream)
    assert stream.wait_ready(5)
    stream.watch(["tickers.ETHUSDT"])
    taken = Taken(stream)
    wait_for(lambda: taken.has(messages=1))
    assert taken.messages == [{**TICK, "topic": "tickers.ETHUSDT"}]
    assert place.connects == 1


def test_a_symbol_that_is_refused_does_not_keep_the_others_out(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    def script(client: Client) -> None:
        while True:
            frame = client.receive()
            client.answer(frame, success="tickers.GONEUSDT" not in frame.get("args", []))

    stream = start(public(venue(script).url, TICKERS, "tickers.GONEUSDT"))
    assert stream.wait_ready(5)
    assert stream.doubts() == ("Bybit's public stream refuses tickers.GONEUSDT.",)
