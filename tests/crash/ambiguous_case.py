"""One entry whose answer goes wrong, between the real product and the simulated exchange.

The product is a trader with its tables, Bybit's client and pybit; time is virtual, or real over
HTTP. What counts afterwards is the exchange's own ledger.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from exchange.bybit.client import BybitClient
from exchange.bybit.endpoints import Endpoint
from exchange.bybit.hosts import Hosts
from exchange.bybit.inbox import FrameSource
from exchange.bybit.link import Link
from exchange.bybit.parse import instrument
from exchange.bybit.rest import BybitRest, Credentials
from exchange.bybit.stream import PrivateStream, StreamBatch
from exchange.choices import Mode
from exchange.domain import Instrument, Quote
from exchange.market.clock import WallClock
from exchange.models import ExchangeAccount
from exchange.ports import Clock
from tests.exchange.paper.scripted_market import ScriptedMarket
from tests.factories import AnalysisFactory, BotFactory, CycleFactory, SignalFactory
from tests.simulators.bybit.adapter import SimAdapter, VirtualClock
from tests.simulators.bybit.auth import Keyring
from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.knobs import Knobs
from tests.simulators.bybit.ledger import Row, accepted_orders, naked_gaps, positions_at
from tests.simulators.bybit.limits import Limits
from tests.simulators.bybit.prices import SeededPrices
from tests.simulators.bybit.respond import Responder
from tests.simulators.bybit.server import SimServer
from trading.accounts import account_save, live_session
from trading.choices import OrderState, RiskProfile, SignalState, TradeState
from trading.domain.order import LIVE
from trading.execution.desk import Desk
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.models import Event, Execution, Order, Signal, Trade
from trading.payload import payload_hash

SYMBOL = "BTCUSDT"
KEY = Credentials("sim-key", "sim-secret")
CREATE = "/v5/order/create"
# A Monday, on a minute's beginning so that no candle closes within a case.
START = datetime(2026, 2, 2, 9, 0, 1, tzinfo=UTC)
QTY = Decimal("0.01")
# How late an answer is that nobody waits for any more.
TOO_LATE_MS = 6_000
GIVE_UP_S = 70.0
GAP_LIMIT_MS = 5_000
RESOLVED_LIMIT_S = 40.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What goes wrong with the answer. ``taken``: the exchange did take the order."""

    name: str
    fault: str
    args: dict[str, Any]
    taken: bool


def _either(name: str, fault: str, **args: Any) -> tuple[Kind, Kind]:
    return (
        Kind(f"{name}, not taken", fault, args | {"applied": False}, False),
        Kind(f"{name}, taken", fault, args | {"applied": True}, True),
    )


KINDS = (
    Kind("request lost", "drop_before", {}, False),
    # It arrives after its receive window, when nobody waits for it any more.
    Kind("request late", "delay", {"ms": TOO_LATE_MS}, False),
    Kind("answer lost", "drop_after", {}, True),
    *_either("502", "status", status=502),
    Kind("answer truncated", "truncated", {}, True),
    Kind("answer is HTML", "html", {}, True),
    Kind("answer empty", "empty", {}, True),
    *_either("10000", "retcode", code=10000),
    *_either("10016", "retcode", code=10016),
    Kind("answer too late", "slow_answer", {"ms": TOO_LATE_MS}, True),
    *_either("reset", "reset"),
)
DUPLICATE_MODES = ("reject", "accept_if_closed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one case showed. Times are seconds of the case's own clock."""

    failures: list[str]
    resolved_s: float
    gap_s: float


class World(Protocol):
    """A simulated exchange and the way to it."""

    clock: Clock
    exchange: SimExchange
    knobs: Knobs
    prices: SeededPrices
    client: BybitClient
    rules: Instrument

    def now_ms(self) -> int: ...

    def wait(self, seconds: float) -> None: ...


class FollowingClock:
    """The product's wall time: a virtual clock's."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)

    def monotonic(self) -> float:
        return self._clock.now_ms() / 1000


class PushedFrames:
    """The private stream without its socket: what the exchange pushes is there at once."""

    def __init__(self, exchange: SimExchange) -> None:
        self._frames: list[dict[str, Any]] = []
        exchange.on_push = self._push

    def _push(self, uid: str, topic: str, rows: list[dict[str, Any]], message_id: str) -> None:
        self._frames.append({"id": message_id, "topic": topic, "data": rows})

    def take(self) -> StreamBatch:
        frames, self._frames = self._frames, []
        return StreamBatch(tuple(frames), 0)

    def doubts(self) -> tuple[str, ...]:
        return ()

    def stop(self) -> None:
        """There is no socket to end."""


class VirtualWorld:
    """Everything in one thread on one virtual clock; without a stream when ``deaf``. Questions are
    answered with what was true ``lag_ms`` before."""

    def __init__(self, *, seed: int, duplicate_ids: str, deaf: bool, lag_ms: int) -> None:
        start_ms = int(START.timestamp() * 1000)
        self._time = VirtualClock(start_ms)
        self.now_ms = self._time.now_ms
        self.clock: Clock = FollowingClock(self._time)
        self.prices = SeededPrices(seed, start_ms, clock=self.now_ms)
        self.exchange = SimExchange(self.now_ms, self.prices, duplicate_ids=duplicate_ids)
        self.knobs = Knobs(seed)
        keys = Keyring.for_accounts(1, KEY.api_key, KEY.api_secret)
        responder = Responder(self.exchange, keys, self.knobs, Limits(self.now_ms), self.now_ms)
        hosts = Hosts("https://simulated", "", "")
        rest = BybitRest(
            hosts,
            KEY,
            clock=self.clock,
            link=Link("", None, hosts.rest),
            session_adapter=SimAdapter(responder, self._time),
            sleep=self.wait,
        )
        stream = None if deaf else PushedFrames(self.exchange)
        self.client, self.rules = _connected(self.exchange, rest, stream, self.clock)
        self.exchange.lag_ms.update(dict.fromkeys(self.exchange.lag_ms, lag_ms))

    def wait(self, seconds: float) -> None:
        self._time.advance(round(seconds * 1000))


class RealWorld:
    """A server of its own behind real HTTP and a real socket, in real time."""

    def __init__(self, server: SimServer) -> None:
        self._pause = threading.Event()
        self.clock: Clock = WallClock()
        self.exchange, self.knobs, self.prices = server.exchange, server.knobs, server.prices
        self.now_ms = server.clock.now_ms
        private = f"{server.ws_url}/v5/private"
        hosts = Hosts(server.url, f"{server.ws_url}/v5/public/linear", private)
        rest = BybitRest(hosts, KEY, clock=self.clock, link=Link("", None, hosts.rest))
        rest.measure_clock()
        stream = PrivateStream(private, KEY, rest.server_time, clock=self.clock)
        stream.start()
        assert stream.wait_ready(10), "the stream did not come up"
        self.client, self.rules = _connected(self.exchange, rest, stream, self.clock)

    def wait(self, seconds: float) -> None:
        self._pause.wait(seconds)


def _connected(
    exchange: SimExchange, rest: BybitRest, stream: FrameSource | None, clock: Clock
) -> tuple[BybitClient, Instrument]:
    exchange.user_margin_mode("ISOLATED_MARGIN")
    rest.measure_clock()
    rows = rest.pages(Endpoint.INSTRUMENTS, category="linear", symbol=SYMBOL)
    rules = instrument(next(iter(rows)))
    since = clock.now() - timedelta(minutes=1)
    client = BybitClient(rest, stream, lambda symbol: rules, connected_at=since)
    client.refresh_account()
    client.drain()
    return client, rules


@contextmanager
def virtual_world(
    *, seed: int, duplicate_ids: str, deaf: bool = False, lag_ms: int = 0
) -> Iterator[World]:
    world = VirtualWorld(seed=seed, duplicate_ids=duplicate_ids, deaf=deaf, lag_ms=lag_ms)
    try:
        yield world
    finally:
        world.client.close()


@contextmanager
def real_world(*, seed: int, duplicate_ids: str) -> Iterator[World]:
    with SimServer(seed=seed, duplicate_ids=duplicate_ids) as server:
        world = RealWorld(server)
        try:
            yield world
        finally:
            world.client.close()


class SimPrices(ScriptedMarket):
    """The exchange's prices as the trader's market; no candle closes within a case."""

    speed = 1.0

    def __init__(self, world: World) -> None:
        super().__init__(SYMBOL)
        self._world = world
        self._rules = {SYMBOL: world.rules}

    def now(self) -> datetime:
        return self._world.clock.now()

    def quote(self, symbol: str) -> Quote:
        ms = self._world.now_ms()
        touch, last = self._world.prices.touch(symbol, ms), self._world.prices.last(symbol, ms)
        return Quote(symbol, self.now(), touch.bid, touch.ask, last)


class Case:
    """One approved signal, sent while its answer goes wrong; the trader does a round every
    ``step_s``."""

    def __init__(self, world: World, kind: Kind, *, step_s: float = 0.5) -> None:
        self._world, self._kind, self._step_s = world, kind, step_s
        self._market = SimPrices(world)
        self._account = _account(world)
        lease = AccountLease(self._account, world.clock)
        assert lease.acquire(), "the lease is taken"
        self._desk = Desk(self._account, world.client, self._market, world.clock, lease)
        self._trader = Trader(self._desk)

    def play(self) -> Outcome:
        """Send, let time pass until the order's fate is known, and ask the ledger."""
        world = self._world
        self._trader.start()
        self._trader.step()
        signal = self._signal()
        world.knobs.add(CREATE, self._kind.fault, **self._kind.args)
        began = world.clock.monotonic()
        resolved: float | None = None
        while world.clock.monotonic() - began < GIVE_UP_S:
            self._trader.step()
            if self._settled(signal):
                resolved = world.clock.monotonic() - began
                break
            world.wait(self._step_s)
        # Whoever sends a second one does it after it gave up the first.
        for _ in range(6):
            world.wait(self._step_s)
            self._trader.step()
        self._desk.lease.abandon()
        return self._judged(signal, resolved)

    def _signal(self) -> Signal:
        """A long of 0.01 at the touch: stop 3 % below, target 6 % above."""
        quote, rules = self._market.quote(SYMBOL), self._world.rules
        limit = rules.ceil_price(quote.ask * Decimal("1.0005"))
        stop = rules.floor_price(quote.last * Decimal("0.97"))
        bot = BotFactory.create(account=self._account, symbols=[SYMBOL])
        boundary = self._market.now().replace(second=0, microsecond=0)
        signal: Signal = SignalFactory.create(
            cycle=CycleFactory.create(bot=bot, boundary=boundary),
            symbol=SYMBOL,
            analysis=AnalysisFactory.create(symbol=SYMBOL, candle_time=self._market.now()),
            entry_price=quote.last,
            stop_loss=stop,
            take_profit=rules.ceil_price(quote.last * Decimal("1.06")),
            worst_price=limit,
            limit_price=limit,
            qty=QTY,
            leverage=Decimal(2),
            risk_amount=(limit - stop) * QTY,
            atr=rules.floor_price(quote.last / 100),
            state=SignalState.APPROVED,
        )
        Signal.objects.filter(pk=signal.pk).update(payload_hash=payload_hash(signal))
        return signal

    def _settled(self, signal: Signal) -> bool:
        """The order's fate is known, and where it opened a trade its stop was read back."""
        order = Order.objects.filter(signal=signal).select_related("trade").first()
        if order is None or order.state in LIVE or order.state == OrderState.UNKNOWN:
            return False
        opened = order.trade.state == TradeState.OPEN
        return not opened or order.trade.protected_at is not None

    def _judged(self, signal: Signal, resolved: float | None) -> Outcome:
        rows = self._world.exchange.ledger.rows
        gaps = naked_gaps(rows, self._world.now_ms())
        worst_ms = max((gap.length_ms for gap in gaps), default=0)
        failures = [*self._sent_once(rows), *self._booked(signal, rows)]
        if resolved is None or resolved > RESOLVED_LIMIT_S:
            failures.append(f"not resolved within {RESOLVED_LIMIT_S:.0f} s")
        if worst_ms > GAP_LIMIT_MS:
            failures.append(f"no stop for {worst_ms} ms")
        if failures:
            texts = Event.objects.filter(account=self._account).values_list("text", flat=True)
            failures.append(f"events, newest first: {list(texts)}")
        return Outcome(failures, resolved or GIVE_UP_S, worst_ms / 1000)

    def _sent_once(self, rows: list[Row]) -> list[str]:
        """One POST in the entry's life, and at most one order."""
        posts = [row for row in rows if row["kind"] == "request" and row["path"] == CREATE]
        taken = accepted_orders(rows)
        failures = []
        if len(posts) != 1:
            failures.append(f"the entry was posted {len(posts)} times")
        if len(taken) != self._kind.taken:
            failures.append(f"the exchange took {len(taken)} orders")
        return failures

    def _booked(self, signal: Signal, rows: list[Row]) -> list[str]:
        """The tables hold what the ledger holds, and nothing else."""
        order = Order.objects.get(signal=signal)
        theirs = positions_at(rows).get(SYMBOL, Decimal(0))
        trade = Trade.objects.get(signal=signal)
        ours = trade.entry_qty - trade.exit_qty
        failures = []
        wanted = OrderState.FILLED if self._kind.taken else OrderState.NOT_PLACED
        if order.state != wanted:
            failures.append(f"the order ended {order.state} instead of {wanted}")
        if ours != theirs:
            failures.append(f"we hold {ours}, the exchange {theirs}")
        told = {row["execId"] for row in rows if row["kind"] == "execution"}
        booked = set(
            Execution.objects.filter(account=self._account).values_list("exec_id", flat=True)
        )
        if told != booked:
            failures.append(f"executions {sorted(told ^ booked)} are only on one side")
        return failures


def _account(world: World) -> ExchangeAccount:
    now = world.clock.now()
    account = ExchangeAccount(
        name=f"ambiguous {uuid.uuid4().hex[:8]}",
        mode=Mode.DEMO,
        api_key=KEY.api_key,
        start_equity=Decimal(10_000),
        connected_at=now - timedelta(minutes=1),
    )
    account_save(account, profile=RiskProfile.CLASSIC, symbols=[SYMBOL], start=now)
    live_session(account, symbols=[SYMBOL], speed=1, start=now)
    return account
