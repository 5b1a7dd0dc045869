"""People, bots and limits."""

# factory_boy declares itself typed but leaves its declarations without annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.contrib.auth.models import User
from factory.declarations import SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory, Password

from tests.factories.analysis import AnalystProfileFactory
from tests.factories.exchange import NOON, AccountFactory
from trading.choices import (
    Autonomy,
    BlackoutAction,
    BlackoutKind,
    BotState,
    KillLevel,
    KillStepKind,
    RiskProfile,
    TradingStateName,
)
from trading.models import (
    Blackout,
    Bot,
    KillRun,
    KillStep,
    PeakBase,
    RiskLimits,
    SymbolGroup,
    TradingState,
)


class UserFactory(DjangoModelFactory[User]):
    """An operator who can sign in with the password ``correct horse battery``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda n: f"operator{n}")
    password = Password("correct horse battery")
    is_active = True


class BotFactory(DjangoModelFactory[Bot]):
    class Meta:
        model = Bot

    account = SubFactory(AccountFactory)
    name = Sequence(lambda n: f"bot {n}")
    timeframe = "15m"
    symbols = ["BTCUSDT", "ETHUSDT"]
    analyst_profile = SubFactory(AnalystProfileFactory)
    autonomy = Autonomy.AUTO
    state = BotState.RUNNING


class RiskLimitsFactory(DjangoModelFactory[RiskLimits]):
    """The classic profile."""

    class Meta:
        model = RiskLimits

    account = SubFactory(AccountFactory)
    version = Sequence(lambda n: n + 1)
    profile = RiskProfile.CLASSIC
    min_confidence = Decimal("0.55")
    min_rr_net = Decimal("1.0")
    risk_per_trade = Decimal("0.01")
    max_slots = 5
    max_same_direction = 3
    max_entries_per_day = 20
    max_open_risk = Decimal("0.06")
    max_same_direction_risk = Decimal("0.04")
    max_daily_loss = Decimal("0.06")
    max_weekly_loss = Decimal("0.10")
    max_drawdown = Decimal("0.15")
    max_position_notional = Decimal(2)
    max_gross_exposure = Decimal(3)
    max_leverage = Decimal(5)


class TradingStateFactory(DjangoModelFactory[TradingState]):
    class Meta:
        model = TradingState

    account = SubFactory(AccountFactory)
    state = TradingStateName.ACTIVE


class SymbolGroupFactory(DjangoModelFactory[SymbolGroup]):
    class Meta:
        model = SymbolGroup

    name = Sequence(lambda n: f"group {n}")
    symbols = ["SOLUSDT", "AVAXUSDT"]


class BlackoutFactory(DjangoModelFactory[Blackout]):
    """Two hours without entries."""

    class Meta:
        model = Blackout

    account = SubFactory(AccountFactory)
    name = Sequence(lambda n: f"blackout {n}")
    kind = BlackoutKind.ONCE
    action = BlackoutAction.NO_ENTRIES
    starts_at = NOON
    ends_at = NOON + timedelta(hours=2)


class PeakBaseFactory(DjangoModelFactory[PeakBase]):
    class Meta:
        model = PeakBase

    account = SubFactory(AccountFactory)
    time = NOON
    unit_value = Decimal(1)
    reason = "looked into it"


class KillRunFactory(DjangoModelFactory[KillRun]):
    class Meta:
        model = KillRun

    account = SubFactory(AccountFactory)
    level = KillLevel.FLATTEN
    reason = "drill"
    channel = "console"
    pressed_at = NOON
    committed_at = NOON


class KillStepFactory(DjangoModelFactory[KillStep]):
    class Meta:
        model = KillStep

    run = SubFactory(KillRunFactory)
    account = SelfAttribute("run.account")
    kind = KillStepKind.CLOSE
    symbol = "BTCUSDT"
