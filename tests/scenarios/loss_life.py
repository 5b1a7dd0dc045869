"""One account that lives through random days: market, trader, signals, and its venue's ledger."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from exchange.choices import Mode
from exchange.paper.ledger import PaperExchange, open_ledger
from tests.exchange.paper.scripted_market import START, Bar, bar
from tests.factories import AnalysisFactory, BotFactory, CycleFactory, SignalFactory
from tests.scenarios.loss_days import DAY, LIMIT, MINUTE, RISK, SYMBOLS, Played, moments_of
from tests.scenarios.loss_oracle import SLIPPAGE, TAKER, entries_of
from tests.trading.execution.floor import CandleMarket, HandClock
from trading.choices import RiskProfile, SignalState
from trading.domain.exits import ExitSettings
from trading.execution.desk import Desk
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.models import EquityPoint, RiskLimits, Signal
from trading.payload import payload_hash
from trading.services import account_create

TICK = Decimal("0.1")
STEP = Decimal("0.001")
ROUNDS = 2
# Stops stay where the entry put them, so that the venue's orders alone say where they are.
STILL = ExitSettings(
    breakeven_at_r=None, tightening=(), max_holding_bars=10_000, timeframe_s=86_400
)


class LeapingMarket(CandleMarket):
    """Time may leap; prices stand still meanwhile. Remembers every close."""

    def __init__(self, *symbols: str) -> None:
        super().__init__(*symbols)
        self.closes = {symbol: [(START, Decimal(100))] for symbol in symbols}

    def leap(self, moment: datetime) -> None:
        self._now = max(self._now, moment)

    def play_together(self, bars: dict[str, Bar]) -> None:
        super().play_together(bars)
        for symbol, one in bars.items():
            self.closes[symbol].append((self.now(), one.close))


class Life:
    """``play`` runs whole days from the midnight after the account was made."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.market, self.clock = LeapingMarket(*SYMBOLS), HandClock()
        self.account = account_create(
            name=f"life {seed}",
            mode=Mode.SIM,
            profile=RiskProfile.CLASSIC,
            symbols=SYMBOLS,
            market_start=START,
            seed=seed,
            start_equity=Decimal(10_000),
        )
        RiskLimits.objects.filter(account=self.account).update(
            max_daily_loss=LIMIT,
            max_weekly_loss=Decimal("0.40"),
            max_drawdown=Decimal("0.50"),
            risk_per_trade=RISK,
            max_slots=100,
            max_same_direction=100,
            max_entries_per_day=1000,
            max_open_risk=Decimal("0.25"),
            max_same_direction_risk=Decimal("0.25"),
            max_position_notional=Decimal(3),
            max_gross_exposure=Decimal(3),
            max_per_group=0,
            half_size_losses=0,
            pause_losses=0,
            weekend_half_size=False,
        )
        self.bot = BotFactory.create(
            account=self.account, symbols=list(SYMBOLS), exit_settings=STILL.as_json()
        )
        open_ledger(self.account, self.market.now())
        self._lease = AccountLease(self.account, self.clock)
        assert self._lease.acquire()
        self.client = PaperExchange(self.account, self.market)
        self.trader = Trader(
            Desk(
                account=self.account,
                client=self.client,
                market=self.market,
                clock=self.clock,
                lease=self._lease,
            )
        )
        self.trader.start()
        self.played = Played()

    def play(self, days: int) -> Played:
        """The days, and what the oracle makes of them."""
        first = START.replace(hour=0) + DAY
        for day in range(days):
            for moment in moments_of(first + day * DAY, self.dice):
                self._reach(moment)
                self._approve(self.dice.randrange(1, 6))
                self._rounds()
        self._lease.release()
        self.played.days = days
        self.played.entries = entries_of(self.account, self.market.closes)
        self._tell(first, days)
        return self.played

    def _reach(self, moment: datetime) -> None:
        """A minute of moving prices that ends at ``moment``; without a trader's round before it
        more often than not."""
        if self.dice.random() < 0.3:
            self.market.leap(moment - MINUTE)
            self._rounds()
        self.market.leap(moment - MINUTE)
        self.market.play_together({symbol: self._bar(symbol) for symbol in SYMBOLS})

    def _bar(self, symbol: str) -> Bar:
        """A step of about 1.5 %, now and then a leap, drawn back to where it began."""
        last = self.market.quote(symbol).last
        move = self.dice.gauss(0, 0.015) - 0.03 * (float(last) / 100 - 1)
        if self.dice.random() < 0.08:
            move += self.dice.choice((-0.05, 0.05))
        close = max(_tick(last * Decimal(str(1 + move))), Decimal(20))
        swing = _tick(last * Decimal(str(abs(self.dice.gauss(0, 0.006)))))
        high, low = max(last, close) + swing, min(last, close) - swing
        return bar(last, high, low, close, volume=200_000)

    def _approve(self, count: int) -> None:
        """Signals of one instant, which the trader finds all at once."""
        now, wallet = self.market.now(), self.client.balance().wallet
        cycle = CycleFactory.create(
            bot=self.bot, boundary=now, attempt=Signal.objects.count(), timeframe="15m"
        )
        for symbol in self.dice.sample(SYMBOLS, count):
            self._signal(cycle, symbol, wallet)
            self.played.signals += 1

    def _signal(self, cycle: object, symbol: str, wallet: Decimal) -> None:
        last = self.market.quote(symbol).last
        sign = self.dice.choice((1, -1))
        distance = _tick(last * Decimal(str(self.dice.uniform(0.02, 0.05))))
        rests = self.dice.random() < 0.3
        entry = last - sign * _tick(last * Decimal("0.003")) if rests else last
        worst = entry if rests else last + sign * TICK
        stop, target = entry - sign * distance, entry + sign * 2 * distance
        loss = abs(worst - stop) + worst * TAKER + stop * (TAKER + SLIPPAGE)
        share = Decimal(str(round(self.dice.uniform(0.2, 1.0), 3)))
        qty = wallet * RISK * share / loss // STEP * STEP
        analysis = AnalysisFactory.create(
            symbol=symbol, candle_time=self.market.now(), input_hash=uuid.uuid4().hex
        )
        row = SignalFactory.create(
            cycle=cycle,
            symbol=symbol,
            analysis=analysis,
            decided_at=self.market.now(),
            direction="long" if sign > 0 else "short",
            entry_price=entry,
            stop_loss=stop,
            take_profit=target,
            worst_price=worst,
            limit_price=worst,
            time_in_force="gtc" if rests else "ioc",
            qty=qty,
            leverage=Decimal(5),
            risk_amount=(qty * loss).quantize(Decimal("0.00000001")),
            atr=distance / 2,
            state=SignalState.CLAIMED,
        )
        digest = payload_hash(Signal.objects.get(pk=row.pk))
        Signal.objects.filter(pk=row.pk).update(payload_hash=digest, state=SignalState.APPROVED)

    def _rounds(self) -> None:
        for _ in range(ROUNDS):
            self.clock.pass_seconds(1)
            self.trader.step()

    def _tell(self, first: datetime, days: int) -> None:
        dropped = Signal.objects.filter(account=self.account, state=SignalState.DROPPED)
        rows = list(dropped.values_list("rule", "decided_at"))
        self.played.refused = Counter(rule for rule, _ in rows)
        spent = {moment.date() for rule, moment in rows if rule == "daily_loss"}
        self.played.spent_days = len(spent)
        points = list(
            EquityPoint.objects.filter(account=self.account)
            .order_by("time")
            .values_list("time", "equity")
        )
        self.played.overrun_days = sum(
            _lost(points, first + day * DAY) > LIMIT for day in range(days)
        )


def _lost(points: Sequence[tuple[datetime, Decimal]], midnight: datetime) -> Decimal:
    before = [equity for time, equity in points if time <= midnight]
    within = [equity for time, equity in points if midnight < time <= midnight + DAY]
    return 1 - within[-1] / before[-1] if before and within else Decimal(0)


def _tick(price: Decimal) -> Decimal:
    return price // TICK * TICK
