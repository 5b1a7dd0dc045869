"""The live market on a simulated exchange in this process, on a clock that tests turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.market import BybitMarket
from exchange.bybit.rest import BybitRest
from exchange.candles import from_ms, to_ms
from tests.simulators.bybit.adapter import SimAdapter, VirtualClock
from tests.simulators.bybit.auth import Keyring
from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.feed import PublicFeed
from tests.simulators.bybit.knobs import Knobs
from tests.simulators.bybit.limits import Limits
from tests.simulators.bybit.prices import SeededPrices
from tests.simulators.bybit.respond import Responder

SYMBOL = "ETHUSDT"
REST_URL = "http://bybit.invalid"


class VenueTime:
    """A virtual clock as this machine's clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._start_ms = clock.now_ms()

    def now(self) -> datetime:
        return from_ms(self._clock.now_ms())

    def monotonic(self) -> float:
        return (self._clock.now_ms() - self._start_ms) / 1000

    def sleep(self, seconds: float) -> None:
        self._clock.advance(round(seconds * 1000))

    def move_to(self, moment: datetime) -> None:
        self._clock.advance(to_ms(moment) - self._clock.now_ms())


@dataclass(frozen=True, slots=True)
class Venue:
    """The simulated exchange, what it was asked, and what befalls requests."""

    clock: VenueTime
    rest: BybitRest
    prices: SeededPrices
    feed: PublicFeed
    knobs: Knobs
    counts: Counter[str]

    def asked(self, path: str) -> int:
        return self.counts[f"GET /v5/market/{path}"]

    def market(self, symbols: Sequence[str] = (SYMBOL,)) -> BybitMarket:
        return BybitMarket(self.rest, None, symbols)


def open_venue(now: datetime, *, latency_ms: int = 0) -> Venue:
    """An exchange whose time is ``now``; its clock is measured."""
    virtual = VirtualClock(to_ms(now))
    prices = SeededPrices(3, virtual.now_ms(), clock=virtual.now_ms)
    exchange = SimExchange(virtual.now_ms, prices)
    knobs = Knobs(3)
    keyring, limits = Keyring.for_accounts(1), Limits(virtual.now_ms)
    responder = Responder(exchange, keyring, knobs, limits, virtual.now_ms)
    clock = VenueTime(virtual)
    rest = BybitRest(
        Hosts(REST_URL, "", ""),
        None,
        clock=clock,
        link=Link("", None, REST_URL),
        session_adapter=SimAdapter(responder, virtual, latency_ms=latency_ms),
        sleep=clock.sleep,
    )
    rest.measure_clock()
    feed = PublicFeed(exchange, prices, virtual.now_ms)
    return Venue(clock, rest, prices, feed, knobs, responder.counts)
