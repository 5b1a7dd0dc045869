"""The streams of the simulated exchange, heard by a plain WebSocket client."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.simulators.bybit.server import SimServer

Frame = dict[str, Any]
PRIVATE, PUBLIC = "/v5/private", "/v5/public/linear"
PRIVATE_TOPICS = ["order", "execution", "position", "wallet"]


@pytest.fixture(scope="module")
def running() -> Iterator[SimServer]:
    with SimServer(seed=4, usdt=1_000_000) as server:
        yield server


@pytest.fixture
def server(running: SimServer) -> Iterator[SimServer]:
    """The shared server, without faults before and after."""
    running.knobs.clear()
    yield running
    running.knobs.clear()


class Ear:
    """A connection and everything it heard."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def say(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def next(self, timeout: float = 2.0) -> Frame:
        frame: Frame = json.loads(self.socket.recv(timeout=timeout))
        return frame

    def until(self, fits: Callable[[Frame], bool], timeout: float = 2.0) -> Frame:
        """The first frame that fits; TimeoutError if none comes."""
        ends = time.monotonic() + timeout
        while True:
            frame = self.next(max(0.0, ends - time.monotonic()))
            if fits(frame):
                return frame

    def quiet(self, seconds: float) -> bool:
        """Whether nothing is said for a while."""
        try:
            self.next(seconds)
        except TimeoutError:
            return True
        return False


def signed(expires: int, secret: str = "sim-secret") -> str:
    return hmac.new(secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()


@contextmanager
def opened(server: SimServer, path: str) -> Iterator[Ear]:
    with connect(f"{server.ws_url}{path}", open_timeout=2) as socket:
        yield Ear(socket)


@contextmanager
def authenticated(server: SimServer, *topics: str) -> Iterator[Ear]:
    with opened(server, PRIVATE) as ear:
        expires = server.clock.now_ms() + 5_000
        ear.say(op="auth", args=["sim-key", expires, signed(expires)])
        assert ear.next()["success"]
        ear.say(op="subscribe", req_id="s1", args=list(topics or PRIVATE_TOPICS))
        assert ear.next()["success"]
        time.sleep(0.03)
        yield ear


@pytest.fixture
def private(server: SimServer) -> Iterator[Ear]:
    with authenticated(server) as ear:
        yield ear


@pytest.fixture
def public(server: SimServer) -> Iterator[Ear]:
    with opened(server, PUBLIC) as ear:
        yield ear


def trade(server: SimServer, qty: str = "0.001") -> None:
    server.exchange.user_order("BTCUSDT", "Buy", Decimal(qty))


def topics(frames: list[Frame]) -> list[str]:
    return [frame["topic"] for frame in frames]


def collected(ear: Ear, count: int) -> list[Frame]:
    return [ear.next() for _ in range(count)]


def test_one_match_is_told_as_order_execution_position_and_wallet(
    server: SimServer, private: Ear
) -> None:
    trade(server)
    frames = collected(private, 4)
    assert sorted(topics(frames)) == sorted(PRIVATE_TOPICS)
    by_topic = {frame["topic"]: frame for frame in frames}
    assert set(by_topic["order"]) == {"id", "topic", "creationTime", "data"}
    assert by_topic["order"]["id"] == by_topic["execution"]["id"]
    assert by_topic["order"]["data"][0]["orderStatus"] == "Filled"
    assert topics(frames).index("order") < topics(frames).index("execution")


def test_nothing_is_replayed_and_nothing_is_a_snapshot(server: SimServer, private: Ear) -> None:
    trade(server)
    collected(private, 4)
    private.socket.close()
    with authenticated(server) as again:
        assert again.quiet(0.3)


def test_only_what_was_subscribed_is_told(server: SimServer) -> None:
    with authenticated(server, "wallet") as ear:
        trade(server)
        assert ear.next()["topic"] == "wallet"
        assert ear.quiet(0.2)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (lambda now: ["sim-key", now - 1, signed(now - 1)], "expires"),
        (lambda now: ["sim-key", now + 9_000, signed(now)], "sign"),
        (lambda now: ["nobody", now + 9_000, signed(now + 9_000)], "API key"),
        (lambda now: ["sim-key"], "Params"),
    ],
)
def test_a_bad_login_is_refused(
    server: SimServer, args: Callable[[int], list[Any]], text: str
) -> None:
    with opened(server, PRIVATE) as ear:
        ear.say(op="auth", args=args(server.clock.now_ms()))
        answer = ear.next()
        assert answer["success"] is False
        assert text in answer["ret_msg"]
        ear.say(op="subscribe", args=["order"])
        assert ear.next()["success"] is False


def test_an_acknowledgement_takes_twenty_milliseconds(public: Ear) -> None:
    began = time.monotonic()
    public.say(op="subscribe", req_id="r7", args=["tickers.BTCUSDT"])
    answer = public.next()
    assert time.monotonic() - began >= 0.02
    assert (answer["op"], answer["success"], answer["req_id"]) == ("subscribe", True, "r7")


@pytest.mark.parametrize(
    "topic", ["tickers.NOSUCH", "kline.2.BTCUSDT", "orderbook.50.BTCUSDT", "rain", "tickers.x.y"]
)
def test_an_unknown_topic_is_refused(public: Ear, topic: str) -> None:
    public.say(op="subscribe", args=[topic])
    answer = public.next()
    assert answer["success"] is False
    assert topic in answer["ret_msg"]


def test_both_pings_are_answered(private: Ear, public: Ear) -> None:
    private.say(op="ping", req_id="p")
    pong = private.next()
    assert (pong["op"], pong["req_id"]) == ("pong", "p")
    public.say(op="ping")
    assert public.next()["ret_msg"] == "pong"
    assert public.socket.ping().wait(2)


def test_nonsense_is_answered_not_fatal(public: Ear) -> None:
    public.socket.send("what?")
    assert public.next()["success"] is False
    public.say(op="dance")
    assert public.next()["success"] is False
    public.say(op="ping")
    assert public.next()["success"] is True


def test_tickers_are_a_snapshot_then_what_changed(server: SimServer, public: Ear) -> None:
    public.say(op="subscribe", args=["tickers.ETHUSDT"])
    first = public.until(lambda frame: frame.get("topic") == "tickers.ETHUSDT")
    assert first["type"] == "snapshot"
    assert {"lastPrice", "markPrice", "bid1Price", "fundingRate"} <= set(first["data"])
    server.exchange.jump("ETHUSDT", Decimal("4321"))
    moved = public.until(lambda frame: "lastPrice" in frame.get("data", {}))
    assert moved["type"] == "delta"
    assert Decimal(moved["data"]["lastPrice"]) == 4321
    assert "fundingRate" not in moved["data"]
    assert len(moved["data"]) < len(first["data"])
    server.exchange.jump("ETHUSDT", None)


def test_trades_and_quotes_can_be_watched(server: SimServer, public: Ear) -> None:
    public.say(op="subscribe", args=["publicTrade.SOLUSDT", "orderbook.1.SOLUSDT"])
    book = public.until(lambda frame: frame.get("topic") == "orderbook.1.SOLUSDT")
    assert Decimal(book["data"]["b"][0][0]) < Decimal(book["data"]["a"][0][0])
    told = public.until(lambda frame: frame.get("topic") == "publicTrade.SOLUSDT")
    second = told["data"][0]["T"]
    assert Decimal(told["data"][0]["p"]) == server.prices.last("SOLUSDT", second)


def test_a_closed_candle_is_told_with_confirm_and_equals_the_rest_one() -> None:
    def closed(frame: Frame) -> bool:
        return frame.get("topic") == "kline.1.BTCUSDT" and frame["data"][0]["confirm"] is True

    with SimServer(seed=4, speed=240.0) as fast, opened(fast, PUBLIC) as ear:
        ear.say(op="subscribe", args=["kline.1.BTCUSDT"])
        first, second = (ear.until(closed, 5.0)["data"][0] for _ in range(2))
        assert second["start"] == first["end"] + 1 == first["start"] + 60_000
        query = f"category=linear&symbol=BTCUSDT&interval=1&start={first['start']}&limit=1"
        answer = requests.get(f"{fast.url}/v5/market/kline?{query}", timeout=5).json()
    told = [first[name] for name in ("open", "high", "low", "close", "volume", "turnover")]
    assert answer["result"]["list"][0][1:] == told


def test_topics_can_be_left_again(public: Ear) -> None:
    public.say(op="subscribe", args=["orderbook.1.BTCUSDT"])
    public.until(lambda frame: frame.get("topic") == "orderbook.1.BTCUSDT")
    public.say(op="unsubscribe", args=["orderbook.1.BTCUSDT"])
    public.until(lambda frame: frame.get("op") == "unsubscribe")
    assert public.quiet(1.2)


def test_executions_can_come_before_their_order(server: SimServer, private: Ear) -> None:
    server.knobs.add("ws:private", "execution_first", times=-1)
    trade(server)
    order = topics(collected(private, 4))
    assert order.index("execution") < order.index("order")


def test_a_silent_connection_stays_open_without_a_pong(server: SimServer, private: Ear) -> None:
    server.knobs.add("ws:private", "silent")
    time.sleep(0.1)
    trade(server)
    private.say(op="ping")
    assert not private.socket.ping().wait(0.2)
    assert private.quiet(0.1)
    with authenticated(server) as other:
        trade(server)
        assert other.next()["topic"] == "order"


@pytest.mark.parametrize(("fault", "code"), [("close", 1001), ("reset", 1006)])
def test_a_connection_can_end(server: SimServer, private: Ear, fault: str, code: int) -> None:
    server.knobs.add("ws:private", fault, code=code)
    with pytest.raises(ConnectionClosed) as ended:
        private.next()
    received = ended.value.rcvd
    assert (received.code if received else 1006) == code
    with authenticated(server) as again:
        trade(server)
        assert again.next()["topic"] == "order"


def test_a_handshake_can_be_refused_or_swallowed(server: SimServer) -> None:
    server.knobs.add("ws:public", "refuse")
    with pytest.raises(InvalidStatus) as refused, opened(server, PUBLIC):
        pass
    assert refused.value.response.status_code == 502
    server.knobs.add("ws:public", "blackhole")
    with pytest.raises(TimeoutError), connect(f"{server.ws_url}{PUBLIC}", open_timeout=0.2):
        pass
    with opened(server, PUBLIC) as ear:
        ear.say(op="ping")
        assert ear.next()["success"] is True


def test_a_login_can_fail_on_order(server: SimServer) -> None:
    server.knobs.add("ws:private", "auth_fail")
    with opened(server, PRIVATE) as ear:
        expires = server.clock.now_ms() + 5_000
        ear.say(op="auth", args=["sim-key", expires, signed(expires)])
        assert ear.next()["success"] is False


def test_frames_nobody_can_use(server: SimServer, private: Ear) -> None:
    server.knobs.add("ws:private", "unknown_topic")
    assert private.next()["topic"] == "weather.tomorrow"
    server.knobs.add("ws:private", "garbage")
    with pytest.raises(json.JSONDecodeError):
        private.next()


def test_a_message_can_double_or_vanish(server: SimServer, private: Ear) -> None:
    server.knobs.add("ws:private", "duplicate", match={"orderStatus": "Filled"})
    server.knobs.add("ws:private", "gap", match={"execType": "Trade"})
    trade(server)
    frames = collected(private, 4)
    assert topics(frames).count("order") == 2
    assert "execution" not in topics(frames)
    assert private.quiet(0.1)


def test_a_message_can_swap_places_with_the_next(server: SimServer, private: Ear) -> None:
    trade(server)
    usual = topics(collected(private, 4))
    server.knobs.add("ws:private", "reorder")
    trade(server)
    swapped = topics(collected(private, 4))
    assert swapped == [usual[1], usual[0], *usual[2:]]


def test_a_late_message_is_overtaken_a_delay_holds_all(server: SimServer, private: Ear) -> None:
    server.knobs.add("ws:private", "late", ms=200)
    trade(server)
    assert topics(collected(private, 4))[-1] == "order"
    server.knobs.add("ws:private", "delay", ms=300)
    began = time.monotonic()
    trade(server)
    assert topics(collected(private, 4))[0] == "order"
    assert time.monotonic() - began >= 0.3


def test_all_faults_at_once_spare_the_server_itself() -> None:
    with SimServer(seed=4, usdt=1_000_000) as server:
        server.knobs.low_rates(0.05, 9)
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            with (
                suppress(OSError, InvalidHandshake, ConnectionClosed, AssertionError, ValueError),
                authenticated(server) as ear,
            ):
                for _ in range(5):
                    trade(server)
                    ear.next(0.05)
            with suppress(requests.exceptions.RequestException):
                query = "category=linear&symbol=BTCUSDT"
                requests.get(f"{server.url}/v5/market/tickers?{query}", timeout=0.05)
        server.knobs.clear()
        with authenticated(server) as ear:
            trade(server)
            assert ear.next()["topic"] == "order"
        assert server.failure is None
