"""A trading floor: one account with a bot, a market a test plays, a venue, and its trader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from exchange.candles import CandleWindow, to_ms
from exchange.choices import Mode
from exchange.domain import Instrument
from exchange.errors import CandlesUnavailable
from exchange.models import ExchangeAccount
from exchange.paper.ledger import PaperExchange, open_ledger
from exchange.ports import ExchangeClient
from tests.exchange.paper.scripted_market import MINUTE, START, ScriptedMarket, candles
from tests.factories import AnalysisFactory, BotFactory, CycleFactory, SignalFactory
from tests.trading.execution.fake_venue import FakeVenue
from trading.choices import RiskProfile, SignalState
from trading.execution.desk import Desk
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.models import Bot, Order, RiskLimits, Signal, Trade
from trading.payload import payload_hash
from trading.services import account_create

SYMBOLS = ("BTCUSDT", "ETHUSDT")
D = Decimal


class HandClock:
    """Wall time that starts now and moves when a test says so."""

    def __init__(self) -> None:
        self._start = datetime.now(UTC)
        self._elapsed_s = 1000.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s - 1000.0)

    def monotonic(self) -> float:
        return self._elapsed_s

    def pass_seconds(self, seconds: float) -> None:
        self._elapsed_s += seconds


class CandleMarket(ScriptedMarket):
    """The scripted market with its minutes as candles; ``late`` keeps the newest ones back,
    ``closed`` symbols take no new positions."""

    def __init__(self, *symbols: str) -> None:
        super().__init__(*symbols)
        self.late = 0
        self.closed: set[str] = set()

    def instrument(self, symbol: str) -> Instrument:
        return replace(super().instrument(symbol), tradable=symbol not in self.closed)

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        if self.silent:
            raise CandlesUnavailable("The scripted market is silent.")
        steps = [one for one in self._steps[symbol] if one.end <= end]
        steps = steps[: len(steps) - self.late][-limit:]
        return CandleWindow(
            symbol=symbol,
            interval=MINUTE,
            times=np.array([to_ms(one.start) for one in steps], dtype=np.int64),
            open=np.array([float(one.open) for one in steps]),
            high=np.array([float(one.high) for one in steps]),
            low=np.array([float(one.low) for one in steps]),
            close=np.array([float(one.close) for one in steps]),
            volume=np.array([float(one.volume) for one in steps]),
        )


@dataclass
class Floor:
    """What a test of the trader works with."""

    account: ExchangeAccount
    bot: Bot
    market: CandleMarket
    clock: HandClock
    client: ExchangeClient
    desk: Desk
    trader: Trader

    @property
    def venue(self) -> FakeVenue:
        assert isinstance(self.client, FakeVenue)
        return self.client

    def signal(self, symbol: str = "BTCUSDT", **changes: Any) -> Signal:
        """An approved long of 10 at 100, stop 95, target 110, as an IOC limit at 100.1."""
        cycle = changes.pop("cycle", None) or CycleFactory.create(
            bot=self.bot, boundary=self.market.now() - MINUTE * Signal.objects.count()
        )
        fields: dict[str, Any] = {
            "entry_price": D(100),
            "stop_loss": D(95),
            "take_profit": D(110),
            "worst_price": D("100.1"),
            "limit_price": D("100.1"),
            "qty": D(10),
            "leverage": D(2),
            "risk_amount": D(55),
            "atr": D(2),
            "state": SignalState.APPROVED,
            "analysis": AnalysisFactory.create(symbol=symbol, candle_time=self.market.now()),
        }
        signal: Signal = SignalFactory.create(cycle=cycle, symbol=symbol, **(fields | changes))
        if "payload_hash" not in changes:
            Signal.objects.filter(pk=signal.pk).update(payload_hash=payload_hash(signal))
        signal.refresh_from_db()
        return signal

    def resting(self, symbol: str = "BTCUSDT", **changes: Any) -> Signal:
        """The same signal as a limit GTC at 99 that waits for price."""
        waiting = {"time_in_force": "gtc", "limit_price": D(99), "worst_price": D(99)}
        return self.signal(symbol, **(waiting | {"entry_price": D(99)} | changes))

    def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            self.trader.step()

    def pass_seconds(self, seconds: int) -> None:
        """Seconds go by, with a round in each."""
        for _ in range(seconds):
            self.clock.pass_seconds(1)
            self.trader.step()

    def leap(self, *seconds: float) -> None:
        """Longer times go by, with one round after each."""
        for span in seconds:
            self.clock.pass_seconds(span)
            self.trader.step()

    def play(self, *prices: float, symbol: str = "BTCUSDT") -> None:
        """Price walks from its last value through ``prices``, a minute and a round each."""
        for price in prices:
            last = self.market.quote(symbol).last
            self.market.play(*candles(last, str(price)), symbol=symbol)
            self.trader.step()

    def opened(self, **changes: Any) -> Trade:
        """An open trade of ten units at 100, read back once."""
        signal = self.signal(**changes)
        self.rounds(2)
        return Trade.objects.get(signal=signal)

    def entry(self) -> Order:
        return Order.objects.get(role="e")

    def on_bybit(self) -> None:
        """Let the venue be a real one, which may lag: a difference needs time to be believed."""
        ExchangeAccount.objects.filter(pk=self.account.pk).update(mode=Mode.DEMO)
        self.account.refresh_from_db()

    def restart(self) -> None:
        """The process dies and another takes over."""
        self.desk.lease.abandon()
        self.desk, self.trader = _hire(self.account, self.client, self.market, self.clock)
        self.trader.start()


def _hire(
    account: ExchangeAccount, client: ExchangeClient, market: CandleMarket, clock: HandClock
) -> tuple[Desk, Trader]:
    lease = AccountLease(account, clock)
    assert lease.acquire()
    desk = Desk(account=account, client=client, market=market, clock=clock, lease=lease)
    return desk, Trader(desk)


def open_floor(*, paper: bool = False, started: bool = True) -> Floor:
    """A floor of the classic profile with 10,000 USDT; on the real paper venue with ``paper``."""
    account = account_create(
        name="floor",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=SYMBOLS,
        market_start=START,
        seed=1,
    )
    # Both symbols are majors, and most tests of the trader want to hold both.
    RiskLimits.objects.filter(account=account).update(max_per_group=0)
    bot: Bot = BotFactory.create(account=account, symbols=list(SYMBOLS))
    market, clock = CandleMarket(*SYMBOLS), HandClock()
    client: ExchangeClient = FakeVenue(market)
    if paper:
        open_ledger(account, market.now())
        client = PaperExchange(account, market)
    desk, trader = _hire(account, client, market, clock)
    floor = Floor(account, bot, market, clock, client, desk, trader)
    if started:
        trader.start()
    return floor
