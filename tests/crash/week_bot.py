"""A paper account with bots, trader and the simulator's prices, all on one virtual clock."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from analysis.analysts.technical import TechnicalAnalyst
from analysis.services import profile_technical
from exchange.candles import floor_time, to_ms
from exchange.choices import Mode
from exchange.domain import TIMEFRAMES
from exchange.errors import ExchangeError, MarketDataError
from exchange.models import ExchangeAccount
from exchange.paper.ledger import open_ledger
from tests.crash.prepare import loosen
from tests.crash.week_books import broken_books, funding_found, naked_positions, unreal_fills
from tests.crash.week_watch import (
    EntryJudge,
    StepListener,
    Truth,
    WatchedAnalyst,
    WatchedVenue,
    watched_market,
)
from tests.crash.week_world import BUSY_PACE_MS, VOLATILITY, World, is_busy
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
# Restarts of the trader and outages of everything per day.
RESTARTS, OUTAGES = 6, 4
OUTAGE_S = (2, 180)
MEASURE_EVERY_MS = 30_000
# How often the trader looks when nothing has just closed.
ROUND_MS = 30_000
ROUNDS = 10
SETTLING_ROUNDS = 40
START = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)


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


class Week:
    """Runs the bots from ``start`` for ``length``; ``report`` fills on the way."""

    def __init__(
        self,
        *,
        seed: int,
        start: datetime,
        length: timedelta,
        volatility: float = VOLATILITY,
    ) -> None:
        self._random = random.Random(seed)
        self.start, self.end = start, start + length
        self.report = Report()
        self.world = World(start, seed, volatility)
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
        pace_ms = BUSY_PACE_MS if is_busy(now_ms) else ROUND_MS
        self._wait_until((now_ms // pace_ms + 1) * pace_ms)
        self._mischief()
        self._complete()
        self._cycles()
        self._step()
        if not is_busy(now_ms):
            self.listener.listen(self.market)

    def _wait_until(self, ms: int) -> None:
        world = self.world
        while (now_ms := world.clock.now_ms()) < ms:
            world.clock.advance(min(ms - now_ms, MEASURE_EVERY_MS))
            if world.clock.now_ms() >= self._measure_at:
                self._measure_at = world.clock.now_ms() + MEASURE_EVERY_MS
                self._chore()

    def _chore(self) -> None:
        with suppress(ExchangeError):
            self._rest.measure_clock()

    def _complete(self) -> None:
        with suppress(MarketDataError, ExchangeError):
            self.market.complete()

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
            capital_share=Decimal("0.33"),
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
