"""A bot on a simulated market that stands still, and an analyst that says what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from analysis.domain import AnalysisInput, Direction, Environment, Recommendation, ScoreParts
from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.market.clock import SteppedClock, WallClock
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import Autonomy, BotState, RiskProfile
from trading.cycle.run import CyclePorts
from trading.models import Bot, Cycle, Lease, RiskLimits
from trading.services import account_create, bot_create
from trading.wiring import stepped_market_for

BOUNDARY = datetime(2026, 1, 6, 12, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


@dataclass
class ScriptedAnalyst:
    """Sees a long everywhere but where ``says`` has something else, or an error to raise."""

    name: str = "scripted"
    version: str = "1"
    says: dict[str, Direction | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def analyse(self, given: AnalysisInput) -> Recommendation:
        self.asked.append(given.symbol)
        answer = self.says.get(given.symbol, Direction.LONG)
        if isinstance(answer, Exception):
            raise answer
        last = given.window.candle(len(given.window) - 1).close
        unit = given.instrument.floor_price(last / 100)
        sign = answer.sign
        flat = answer is Direction.NONE
        return Recommendation(
            symbol=given.symbol,
            timeframe=given.timeframe,
            candle_time=given.candle_time,
            direction=answer,
            entry_price=None if flat else last,
            stop_loss=None if flat else last - 2 * sign * unit,
            take_profit=None if flat else last + 6 * sign * unit,
            scores=ScoreParts(Decimal("0.9"), Decimal("0.9")),
            environment=Environment.TREND_UP,
            evidence=(),
            strongest_objection="It may turn.",
            invalidation="A close below the stop.",
            atr=unit,
            last_price=last,
        )


@dataclass
class Desk:
    """One bot whose newest candle has just closed."""

    account: ExchangeAccount
    bot: Bot
    market: MarketData
    clock: SteppedClock
    analyst: ScriptedAnalyst

    def ports(self, claimant: str = "here/1/a") -> CyclePorts:
        return CyclePorts(self.market, self.analyst, WallClock(), claimant)

    def cycle(self, attempt: int = 0) -> Cycle:
        return Cycle.objects.create(
            bot=self.bot, timeframe="15m", boundary=self.clock.now(), attempt=attempt
        )

    def next_bar(self) -> None:
        self.clock.move_to(self.clock.now() + timedelta(minutes=15))


@pytest.fixture
def make_desk(db: None) -> Callable[..., Desk]:
    def make(autonomy: Autonomy = Autonomy.AUTO) -> Desk:
        account = account_create(
            name="Cycle",
            mode=Mode.SIM,
            profile=RiskProfile.CLASSIC,
            symbols=SYMBOLS,
            market_start=BOUNDARY,
            speed=0,
            seed=3,
        )
        # Two of the three symbols are majors; these tests are not about groups.
        RiskLimits.objects.update(max_per_group=0)
        Lease.objects.update(heartbeat_at=timezone.now(), reconciled=True)
        bot = bot_create(
            account=account,
            name="Bot",
            timeframe="15m",
            symbols=SYMBOLS,
            analyst_profile=profile_technical(),
            autonomy=autonomy,
            state=BotState.RUNNING,
        )
        clock = SteppedClock(BOUNDARY)
        return Desk(account, bot, stepped_market_for(account, clock), clock, ScriptedAnalyst())

    return make


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
