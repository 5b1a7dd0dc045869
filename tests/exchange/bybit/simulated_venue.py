"""The simulated Bybit as a venue of the conformance suite: real HTTP, real sockets, real pybit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from exchange.bybit.client import BybitClient
from exchange.bybit.endpoints import Endpoint
from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.parse import instrument
from exchange.bybit.rest import BybitRest, Credentials
from exchange.bybit.stream import PrivateStream, StreamBatch
from exchange.domain import Instrument
from exchange.market.clock import WallClock
from tests.simulators.bybit.server import SimServer

SYMBOL = "BTCUSDT"
KEY = Credentials("sim-key", "sim-secret")
PATIENCE_S = 5.0


class CountedFrames:
    """A private stream whose reader waits for everything that the venue has pushed."""

    def __init__(self, stream: PrivateStream, server: SimServer, patience_s: float) -> None:
        self._stream = stream
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._pushed = 0
        self._taken = 0
        push = server.exchange.on_push

        def counted(uid: str, topic: str, rows: list[dict[str, Any]], message_id: str) -> None:
            with self._lock:
                self._pushed += 1
            push(uid, topic, rows, message_id)

        server.exchange.on_push = counted

    def take(self) -> StreamBatch:
        messages: list[dict[str, Any]] = []
        opened = 0
        deadline = time.monotonic() + self._patience_s
        while True:
            batch = self._stream.take()
            messages += batch.messages
            opened += batch.opened
            with self._lock:
                complete = self._taken + len(messages) >= self._pushed
            if complete or time.monotonic() > deadline:
                self._taken += len(messages)
                return StreamBatch(tuple(messages), opened)
            time.sleep(0.005)

    def doubts(self) -> tuple[str, ...]:
        return self._stream.doubts()

    def stop(self) -> None:
        self._stream.stop()


class SimulatedVenue:
    """One account on a simulated Bybit whose prices stand still until a test moves them."""

    qty = Decimal("0.01")

    def __init__(self, server: SimServer, client: BybitClient, rules: Instrument) -> None:
        self.server = server
        self.exchange = server.exchange
        self.client = client
        self.instrument = rules

    def last(self) -> Decimal:
        return self.server.prices.last(SYMBOL, self.server.clock.now_ms())

    def trade_at(self, price: Decimal) -> None:
        self.server.exchange.jump(SYMBOL, price)

    def thin_out(self, liquidity: Decimal) -> None:
        self.server.prices.set_liquidity(SYMBOL, liquidity)


@contextmanager
def simulated_venue(
    *, patience_s: float = PATIENCE_S, **server_facts: Any
) -> Iterator[SimulatedVenue]:
    """Start the exchange and connect to it; afterwards nothing is left running. The reader of the
    stream waits ``patience_s`` for what was pushed."""
    clock = WallClock()
    with SimServer(volatility=0, **server_facts) as server:
        hosts = Hosts(
            server.url, f"{server.ws_url}/v5/public/linear", f"{server.ws_url}/v5/private"
        )
        rest = BybitRest(hosts, KEY, clock=clock, link=Link("", None, hosts.rest))
        rest.measure_clock()
        stream = PrivateStream(hosts.ws_private, KEY, rest.server_time, clock=clock)
        frames = CountedFrames(stream, server, patience_s)
        stream.start()
        rules = [
            instrument(row)
            for row in rest.pages(Endpoint.INSTRUMENTS, category="linear", symbol=SYMBOL)
        ]
        client = BybitClient(rest, frames, lambda _: rules[0], connected_at=rest.server_time.now())
        try:
            assert stream.wait_ready(PATIENCE_S)
            client.drain()
            yield SimulatedVenue(server, client, rules[0])
        finally:
            client.close()
