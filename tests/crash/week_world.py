"""The simulated exchange of the week, on a clock that only the week moves."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal

from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.rest import BybitRest
from exchange.candles import to_ms
from tests.crash.ambiguous_case import FollowingClock
from tests.crash.week_stream import ShakyStream
from tests.simulators.bybit.adapter import SimAdapter, VirtualClock
from tests.simulators.bybit.auth import Keyring
from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.feed import PublicFeed
from tests.simulators.bybit.knobs import FOR_EVER, Knobs
from tests.simulators.bybit.limits import Limits
from tests.simulators.bybit.prices import SeededPrices
from tests.simulators.bybit.respond import Plan, RawAnswer, Request, Responder

REST_URL = "https://simulated"
# Of each fault and form: so every twentieth question goes wrong, and one frame in five hundred.
REST_RATE, STREAM_RATE = 0.0025, 0.0002
# In the first seconds after a candle's close the stream speaks every second.
BUSY_MS, BUSY_PACE_MS, CALM_PACE_MS = 10_000, 1_000, 10_000
QUARTER_MS = 900_000
VOLATILITY = 2.5


def is_busy(ms: int) -> bool:
    """Whether a candle of 15 minutes has just closed."""
    return ms % QUARTER_MS < BUSY_MS


class CountedResponder(Responder):
    """Counts the faults that struck."""

    def plan(self, request: Request) -> Plan:
        plan = super().plan(request)
        self.struck.update(list(plan.faults))
        return plan

    def carry_out(self, request: Request, plan: Plan) -> RawAnswer:
        answer = super().carry_out(request, plan)
        # The ledger is for orders; a week of failed questions would only fill memory.
        self.exchange.ledger.rows.clear()
        return answer

    struck: Counter[str]


class World:
    """The simulated exchange and the ways to it, on a clock that only the week moves."""

    def __init__(self, start: datetime, seed: int, volatility: float = VOLATILITY) -> None:
        self.clock = VirtualClock(to_ms(start))
        self.wall = FollowingClock(self.clock)
        self.prices = SeededPrices(
            seed, to_ms(start), volatility=volatility, clock=self.clock.now_ms
        )
        self.exchange = SimExchange(self.clock.now_ms, self.prices)
        self.rest_knobs, stream_knobs = Knobs(seed), Knobs(seed + 1)
        self.rest_knobs.low_rates(REST_RATE, seed)
        stream_knobs.low_rates(STREAM_RATE, seed + 1)
        self._keys, self._limits = Keyring.for_accounts(1), Limits(self.clock.now_ms)
        self.responder = CountedResponder(
            self.exchange,
            self._keys,
            self.rest_knobs,
            self._limits,
            self.clock.now_ms,
        )
        self.responder.struck = Counter()
        feed = PublicFeed(self.exchange, self.prices, self.clock.now_ms)
        self.stream = ShakyStream(feed, stream_knobs, self.clock)
        self.clear_at: int | None = None
        self._beat()

    def rest(self) -> BybitRest:
        """A door of its own for each start of the product."""
        return BybitRest(
            Hosts(REST_URL, "", ""),
            None,
            clock=self.wall,
            link=Link("", None, REST_URL),
            session_adapter=SimAdapter(self.responder, self.clock),
            sleep=lambda seconds: self.clock.advance(round(seconds * 1000)),
        )

    def funding_rate(self, symbol: str) -> Decimal:
        """What the exchange says it settles at; the same all week."""
        asked = {"category": "linear", "symbol": symbol, "limit": "1"}
        answer = self.exchange.handle("GET", "/v5/market/funding/history", asked, None)
        return Decimal(answer.result["list"][0]["fundingRate"])

    def outage(self, seconds: int) -> None:
        """Nothing is reachable for a while."""
        knob = self.rest_knobs.add("*", "status", times=FOR_EVER, status=503)
        self.stream.cut("outage")
        self.clear_at = self.clock.now_ms() + seconds * 1000

        def back() -> None:
            knob.times = 0
            self.clear_at = None

        self.clock.call_at(self.clear_at, back)

    def _beat(self) -> None:
        """The stream speaks, also while the product waits for an answer."""
        if self.clear_at is None:
            self.stream.tick()
        now_ms = self.clock.now_ms()
        pace_ms = BUSY_PACE_MS if is_busy(now_ms) else CALM_PACE_MS
        self.clock.call_at((now_ms // pace_ms + 1) * pace_ms, self._beat)
