"""Streams on short times, and what the scripted venue sends them."""

from __future__ import annotations

import time
from collections.abc import Callable

from exchange.bybit.rest import Credentials
from exchange.bybit.server_time import ServerTime
from exchange.bybit.stream import PrivateStream, PublicStream
from exchange.bybit.stream_pace import ConnectBudget, Timing
from exchange.bybit.stream_supervisor import OnState, SupervisedStream
from exchange.market.clock import WallClock
from tests.exchange.bybit.stream_venue import Client, Script

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


def private(
    url: str,
    *,
    limit: int = 1000,
    budget: ConnectBudget | None = None,
    on_state: OnState | None = None,
) -> PrivateStream:
    clock = WallClock()
    return PrivateStream(
        url,
        Credentials("a-key", "a-secret"),
        ServerTime(clock),
        clock=clock,
        timing=FAST,
        limit=limit,
        budget=budget,
        on_state=on_state,
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


def refusing_auth(client: Client) -> None:
    client.answer(client.receive(), success=False, ret_msg="expired")
    client.serve()
