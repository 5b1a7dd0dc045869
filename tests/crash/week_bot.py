"""A paper account with bots, trader and the simulator's prices, all on one virtual clock."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from analysis.analysts.technical import TechnicalAnalyst
from analysis.services import profile_technical
from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.rest import BybitRest
from exchange.candles import floor_time, to_ms
from exchange.choices import Mode
from exchange.domain import TIMEFRAMES
from exchange.errors import ExchangeError, MarketDataError
from exchange.models import ExchangeAccount
from exchange.paper.ledger import open_ledger
from tests.crash.ambiguous_case import FollowingClock
from tests.crash.prepare import loosen
from tests.crash.week_books import broken_books, funding_found, naked_positions, unreal_fills
from tests.crash.week_stream import ShakyStream
from tests.crash.week_watch import (
    EntryJudge,
    StepListener,
    Truth,
    WatchedAnalyst,
    WatchedVenue,
    watched_market,
)
from tests.simulators.bybit.adapter import SimAdapter, VirtualClock
from tests.simulators.bybit.auth import Keyring
from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.feed import PublicFeed
from tests.simulators.bybit.knobs import FOR_EVER, Knobs
from tests.simulators.bybit.limits import Limits
from tests.simulators.bybit.prices import SeededPrices
from tests.simulators.bybit.respond import Plan, RawAnswer, Request, Responder
from trading.accounts import account_save, live_session
from trading.choices import Autonomy, BotState, RiskProfile
from trading.cycle.run import CyclePorts, cycle_run
from trading.cycle.schedule import SETTLE, cycle_due
from trading.domain.exits import ExitSettings
from trading.execution.desk import Desk, PlugPulled
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.models import Bot, Cycle, Execution, Trade
from trading.services import bot_create
from trading.wiring import claimant_now

T = TypeVar("T")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "LINKUSDT")
BOTS = (
    ("Week 15m", "15m", SYMBOLS[:4]),
    ("Week 15m b", "15m", SYMBOLS[4:]),
    ("Week 1h", "1h", SYMBOLS),
)
REST_URL = "https://simulated"
# Of each fault and form: so every twentieth question goes wrong, and every fifth minute of the
# stream has something.
REST_RATE, STREAM_RATE = 0.0025, 0.0002
# Restarts of the trader and outages of everything per day.
RESTARTS, OUTAGES = 6, 4
OUTAGE_S = (2, 180)
MEASURE_EVERY_MS = 30_000
# Around a candle's close the stream speaks, and the trader looks, every second.
BUSY_MS, BUSY_BEAT_MS, BEAT_MS, ROUND_MS = 10_000, 1_000, 10_000, 30_000
QUARTER_MS = 900_000
ROUNDS = 10
SETTLING_ROUNDS = 40


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


@dataclass(slots=True)
class Report:
    """What the week showed."""

    broken: list[str] = field(default_factory=list)
    rest_faults: Counter[str] = field(default_factory=Counter)
    stream_faults: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    outages: int = 0
    rounds: int = 0
    audits: int = 0
    funding: int = 0

    def find(self, text: str) -> None:
        """One promise was broken; a hundred are enough to see why."""
        if len(self.broken) < 100:
            self.broken.append(text)


class World:
    """The simulated exchange and the ways to it, on a clock that only the week moves."""

    def __init__(self, start: datetime, seed: int) -> None:
        self.clock = VirtualClock(to_ms(start))
        self.wall = FollowingClock(self.clock)
        self.prices = SeededPrices(seed, to_ms(start), clock=self.clock.now_ms)
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
        busy = now_ms % QUARTER_MS < BUSY_MS
        pace_ms = BUSY_BEAT_MS if busy else BEAT_MS
        self.clock.call_at((now_ms // pace_ms + 1) * pace_ms, self._beat)


class Week:
    """Runs the bots from ``start`` for ``length``; ``report`` fills on the way."""

    def __init__(self, *, seed: int, start: datetime, length: timedelta) -> None:
        self._random = random.Random(seed)
        self.start, self.end = start, start + length
        self.report = Report()
        self.world = World(start, seed)
        self.truth = Truth(self.world.prices)
        self.account = make_account(self.world.wall.now())
        self.bots = list(Bot.objects.filter(account=self.account).select_related("account"))
        self._done: dict[int, datetime] = {}
        self.listener = StepListener(self.truth, SYMBOLS, self.report.find)
        self.analyst = WatchedAnalyst(TechnicalAnalyst(), self.truth, self.report.find)
        self._measure_at = 0
        self._judges: list[EntryJudge] = []
        self._last_fill = 0
        self._restarts = self._moments(RESTARTS)
        self._outages = self._moments(OUTAGES)
        self.desk: Desk
        self.trader: Trader

    def run(self, on_day: Callable[[int], None] = lambda day: None) -> Report:
        """Let it trade to the end, and look at the books after each day."""
        self._open()
        days, next_audit = 0, self.start + timedelta(days=1)
        while self.world.wall.now() < self.end:
            self._instant()
            if self.world.wall.now() >= next_audit:
                self.audit()
                days, next_audit = days + 1, next_audit + timedelta(days=1)
                on_day(days)
        self.audit()
        self.trader.shut_down()
        self.desk.lease.release()
        self.report.rest_faults = self.world.responder.struck
        self.report.stream_faults = +self.world.stream.faults
        return self.report

    def audit(self) -> None:
        """Let outages end and what is under way settle, then everything must agree."""
        for _ in range(SETTLING_ROUNDS):
            self._wait_until(self.world.clock.now_ms() + ROUND_MS)
            self._step()
            if not self.world.clear_at and self.desk.reconciled and not self.desk.deaf:
                break
        find, report = self.report.find, self.report
        try:
            differences = broken_books(self.desk)
        except (ExchangeError, MarketDataError):
            # The last round heard it, this question met a fault: asked again at the next audit.
            differences = []
        for text in differences:
            find(f"{self.world.wall.now()}: {text}")
        unreal, self._last_fill = unreal_fills(
            self.account, self.truth, self.listener, self._last_fill
        )
        rates = {symbol: self.world.funding_rate(symbol) for symbol in SYMBOLS}
        missing, report.funding = funding_found(
            self.account, self.truth, rates, to_ms(self.start), self.world.clock.now_ms()
        )
        for text in (*unreal, *missing):
            find(text)
        report.audits += 1

    def _instant(self) -> None:
        """Let time pass to the next round, then do the work of all processes in turn."""
        now_ms = self.world.clock.now_ms()
        busy = now_ms % QUARTER_MS < BUSY_MS
        pace_ms = BUSY_BEAT_MS if busy else ROUND_MS
        self._wait_until((now_ms // pace_ms + 1) * pace_ms)
        self._mischief()
        self._cycles()
        self._step()
        if not busy:
            self.listener.listen(self.market)

    def _wait_until(self, ms: int) -> None:
        world = self.world
        while (now_ms := world.clock.now_ms()) < ms:
            world.clock.advance(min(ms - now_ms, MEASURE_EVERY_MS))
            if world.clock.now_ms() >= self._measure_at:
                self._measure_at = world.clock.now_ms() + MEASURE_EVERY_MS
                self._chore()

    def _chore(self) -> None:
        try:
            self._rest.measure_clock()
        except ExchangeError:
            return

    def _mischief(self) -> None:
        now = self.world.wall.now()
        if self._outages and now >= self._outages[0]:
            self._outages.pop(0)
            self.report.outages += 1
            self.world.outage(self._random.randint(*OUTAGE_S))
        if self._restarts and now >= self._restarts[0]:
            self._restarts.pop(0)
            self._restart()

    def _restart(self) -> None:
        """A clean stop, a sudden death between two orders, or one in the middle of the next."""
        kind = self._random.choice(("clean", "sudden", "in mid-order"))
        if kind == "in mid-order":
            self.desk.plug.armed = True
            self.desk.plug.deadline = self.world.wall.monotonic() + 1800
            return
        self.report.restarts[kind] += 1
        if kind == "clean":
            self.trader.shut_down()
            self.desk.lease.release()
        self._reopen()

    def _reopen(self) -> None:
        self.desk.lease.abandon()
        self._rest.close()
        self.world.stream.cut("restart")
        self._open()

    def _open(self) -> None:
        """New objects over the same tables, as a new process has them."""
        world = self.world
        self._rest = world.rest()
        self._measure_at = world.clock.now_ms() + MEASURE_EVERY_MS
        self._chore()
        self.market = watched_market(self._rest, world.stream, SYMBOLS)
        world.stream.tick()
        self._patiently(lambda: open_ledger(self.account, self.market.now()))
        client = self._patiently(lambda: WatchedVenue(self.account, self.market))
        judge = EntryJudge(self.market, world.stream.told_ms, world.clock.now_ms, self.report.find)
        self._judges.append(judge)
        client.judge = judge
        lease = AccountLease(self.account, world.wall)
        if not lease.acquire():
            raise RuntimeError("the lease of the dead trader is not free")
        self.desk = Desk(self.account, client, self.market, world.wall, lease)
        self.trader = Trader(self.desk)
        self.listener.restart(self.market.now())
        self.trader.start()

    def _patiently(self, act: Callable[[], T]) -> T:
        """Again until the venue answers, as the thread that keeps a trader does."""
        while True:
            try:
                return act()
            except (ExchangeError, MarketDataError):
                self.world.clock.advance(1_000)

    def _cycles(self) -> None:
        """The worker's part."""
        now = self.market.now()
        for bot in self.bots:
            boundary = floor_time(now - SETTLE, TIMEFRAMES[bot.timeframe])
            if self._done.get(bot.pk) == boundary:
                continue
            self._done[bot.pk] = boundary
            cycle = cycle_due(bot, now)
            if cycle is not None:
                ports = CyclePorts(self.market, self.analyst, self.world.wall, claimant_now())
                cycle_run(cycle.pk, ports)

    def _step(self) -> None:
        """Rounds of the trader until nothing is left to do."""
        try:
            for _ in range(ROUNDS):
                self.report.rounds += 1
                if not self._round():
                    break
        except PlugPulled:
            self.report.restarts["in mid-order" if self.desk.plug.in_flight else "sudden"] += 1
            self._reopen()
        for text in naked_positions(self.account):
            self.report.find(text)

    def _round(self) -> bool:
        """A round that the venue's silence ends is over, as in the trader's own loop."""
        try:
            return self.trader.step()
        except (ExchangeError, MarketDataError):
            return False

    def _moments(self, per_day: int) -> list[datetime]:
        days = (self.end - self.start) / timedelta(days=1)
        count = max(1, round(per_day * days))
        span_s = (self.end - self.start).total_seconds()
        return sorted(
            self.start + timedelta(seconds=self._random.uniform(0.05, 0.95) * span_s)
            for _ in range(count)
        )

    @property
    def oldest_quote_ms(self) -> int:
        """The oldest quote that an entry left on."""
        return max(judge.oldest_ms for judge in self._judges)

    def counts(self) -> dict[str, int]:
        """How much happened."""
        return {
            "cycles": Cycle.objects.filter(bot__account=self.account).count(),
            "trades": Trade.objects.filter(account=self.account).count(),
            "fills": Execution.objects.filter(account=self.account).count(),
            "funding payments": self.report.funding,
            "rounds": self.report.rounds,
            "steps heard": self.listener.steps,
            "candles read": self.analyst.candles,
            "stream connects": self.world.stream.connects,
            "outages": self.report.outages,
            "restarts": self.report.restarts.total(),
            "REST faults": self.world.responder.struck.total(),
            "stream faults": self.world.stream.faults.total(),
        }


def make_account(start: datetime) -> ExchangeAccount:
    """A paper account with loose limits and three bots that need no approval."""
    account = ExchangeAccount(name="Week", mode=Mode.PAPER, start_equity=Decimal(10_000))
    account_save(account, profile=RiskProfile.CLASSIC, symbols=SYMBOLS, start=start)
    live_session(account, symbols=SYMBOLS, speed=1, start=start)
    loosen(account)
    for name, timeframe, symbols in BOTS:
        bot_create(
            account=account,
            name=name,
            timeframe=timeframe,
            symbols=symbols,
            analyst_profile=profile_technical(),
            autonomy=Autonomy.AUTO,
            state=BotState.RUNNING,
            exit_settings=ExitSettings(
                breakeven_at_r=None,
                tightening=tuple(
                    (Decimal(a), Decimal(b)) for a, b in (("0.3", "0"), ("0.6", "0.3"))
                ),
                max_holding_bars=12,
                timeframe_s=round(TIMEFRAMES[timeframe].total_seconds()),
            ),
        )
    return account


START = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)
