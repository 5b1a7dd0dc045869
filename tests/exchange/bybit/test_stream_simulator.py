"""Both streams, as they run in production, on the simulated exchange."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from exchange.bybit.rest import Credentials
from exchange.bybit.server_time import ServerTime
from exchange.bybit.stream import PrivateStream, PublicStream
from exchange.bybit.stream_supervisor import SupervisedStream
from exchange.market.clock import WallClock
from tests.simulators.bybit.server import SimServer

SYMBOL = "ETHUSDT"
# What is noticed at once, and a first pause of a quarter of a second.
AT_ONCE_S = 2.0


class Running:
    """A stream on a simulated exchange, and all that it has given."""

    def __init__(self, server: SimServer, stream: SupervisedStream, kind: str) -> None:
        self.server = server
        self.stream = stream
        self.kind = kind
        self.messages: list[dict[str, Any]] = []
        self.opened = 0

    def look(self) -> None:
        batch = self.stream.take()
        self.messages += batch.messages
        self.opened += batch.opened

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 8.0) -> float:
        """Seconds until it was so."""
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < timeout_s, f"not in time: {self.stream.doubts()}"
            time.sleep(0.01)
            self.look()
        return time.monotonic() - started


def private_stream(server: SimServer, secret: str = "sim-secret") -> PrivateStream:
    clock = WallClock()
    return PrivateStream(
        f"{server.ws_url}/v5/private",
        Credentials("sim-key", secret),
        ServerTime(clock),
        clock=clock,
    )


@pytest.fixture
def server() -> Iterator[SimServer]:
    with SimServer() as running:
        yield running


@pytest.fixture
def private(server: SimServer) -> Iterator[Running]:
    stream = private_stream(server)
    stream.start()
    assert stream.wait_ready(5)
    running = Running(server, stream, "ws:private")
    running.look()
    yield running
    stream.stop()


@pytest.fixture
def public(server: SimServer) -> Iterator[Running]:
    stream = PublicStream(f"{server.ws_url}/v5/public/linear", clock=WallClock())
    stream.watch([f"tickers.{SYMBOL}", f"kline.1.{SYMBOL}"])
    stream.start()
    assert stream.wait_ready(5)
    running = Running(server, stream, "ws:public")
    running.look()
    yield running
    stream.stop()


def act(running: Running) -> None:
    """The person in the app trades."""
    running.server.exchange.user_order(SYMBOL, "Buy", Decimal("0.1"))


def topics(running: Running) -> set[str]:
    return {str(message["topic"]) for message in running.messages}


def test_what_happens_on_the_account_is_told(private: Running) -> None:
    act(private)
    private.wait_for(lambda: topics(private) == {"order", "execution", "position", "wallet"})
    assert private.opened == 1


def test_prices_are_told(public: Running) -> None:
    public.wait_for(lambda: len(topics(public)) == 2)
    assert public.stream.doubts() == ()


def test_a_wrong_secret_is_refused_and_said(server: SimServer) -> None:
    stream = private_stream(server, "another-secret")
    stream.start()
    running = Running(server, stream, "ws:private")
    running.wait_for(lambda: "auth was refused" in stream.doubts()[0])
    assert "another-secret" not in str(stream.doubts()) + repr(stream)
    stream.stop()


@pytest.mark.parametrize("fault", ["close", "auth_fail", "refuse"])
def test_a_private_stream_that_ends_is_open_again_and_misses_nothing_new(
    private: Running, fault: str
) -> None:
    if fault != "close":
        private.server.knobs.add("ws:private", fault)
    private.server.knobs.add("ws:private", "close")
    act(private)
    assert private.wait_for(lambda: private.opened == 2) < AT_ONCE_S
    private.messages.clear()
    act(private)
    private.wait_for(lambda: "execution" in topics(private))


@pytest.mark.parametrize("fault", ["garbage", "unknown_topic"])
def test_a_frame_that_cannot_be_read_keeps_the_stream_and_asks_to_compare(
    private: Running, fault: str
) -> None:
    private.server.knobs.add("ws:private", fault)
    act(private)
    assert private.wait_for(lambda: private.opened >= 2) < AT_ONCE_S
    private.wait_for(lambda: "wallet" in topics(private))
    assert private.stream.wait_ready(0)


@pytest.mark.parametrize("fault", ["close", "garbage", "unknown_topic"])
def test_a_public_stream_goes_on_after_each_fault(public: Running, fault: str) -> None:
    public.server.knobs.add("ws:public", fault)
    assert public.wait_for(lambda: public.opened >= 2) < AT_ONCE_S
    public.messages.clear()
    public.wait_for(lambda: len(topics(public)) == 2)


def test_a_venue_that_was_away_is_found_within_five_seconds(private: Running) -> None:
    private.server.knobs.add("ws:private", "refuse", times=-1)
    private.server.knobs.add("ws:private", "close")
    act(private)
    private.wait_for(lambda: private.stream.doubts() != ())
    time.sleep(1.5)
    private.server.knobs.clear()
    assert private.wait_for(lambda: private.opened == 2) < 5.0
