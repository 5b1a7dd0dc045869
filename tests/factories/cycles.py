"""Cycles, signals and approvals."""

# factory_boy declares itself typed but leaves its declarations without annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from factory.declarations import (
    LazyAttribute,
    LazyFunction,
    SelfAttribute,
    Sequence,
    SubFactory,
    Trait,
)
from factory.django import DjangoModelFactory

from tests.factories.analysis import AnalysisFactory
from tests.factories.bots import BotFactory
from tests.factories.exchange import MINUTE, NOON, digest
from trading.choices import ApprovalDecision, CycleState, SignalState, StepStatus
from trading.models import Approval, Cycle, CycleStep, Signal


class CycleFactory(DjangoModelFactory[Cycle]):
    class Meta:
        model = Cycle

    bot = SubFactory(BotFactory)
    timeframe = SelfAttribute("bot.timeframe")
    boundary = Sequence(lambda n: NOON + n * 15 * MINUTE)
    state = CycleState.COMPLETED
    started_at = LazyAttribute(lambda o: o.boundary)
    finished_at = LazyAttribute(lambda o: o.boundary + timedelta(seconds=2))


class CycleStepFactory(DjangoModelFactory[CycleStep]):
    class Meta:
        model = CycleStep

    cycle = SubFactory(CycleFactory)
    number = Sequence(lambda n: n % 7)
    name = "validate"
    status = StepStatus.DONE
    started_at = NOON
    duration_ms = 40
    summary = "2 symbols, 1 valid"


class SignalFactory(DjangoModelFactory[Signal]):
    """A valid long that has been sent; ``rejected=True`` fails it at its reward/risk."""

    class Meta:
        model = Signal

    class Params:
        rejected = Trait(
            state=SignalState.REJECTED,
            rule="rr_net",
            qty=None,
            verdicts=[
                {
                    "rule": "direction",
                    "passed": True,
                    "value": "long",
                    "limit": "",
                    "text": "The analyst sees a long.",
                },
                {
                    "rule": "rr_net",
                    "passed": False,
                    "value": "0.84",
                    "limit": "1.0",
                    "text": "Net reward/risk 0.84 is below your minimum 1.0.",
                },
            ],
        )

    cycle = SubFactory(CycleFactory)
    bot = SelfAttribute("cycle.bot")
    account = SelfAttribute("bot.account")
    symbol = "BTCUSDT"
    analysis = SubFactory(
        AnalysisFactory,
        symbol=SelfAttribute("..symbol"),
        candle_time=SelfAttribute("..cycle.boundary"),
    )
    direction = "long"
    decided_at = SelfAttribute("cycle.boundary")
    entry_price = Decimal(97000)
    stop_loss = Decimal(95450)
    take_profit = Decimal(99900)
    worst_price = Decimal("97048.5")
    order_type = "limit"
    time_in_force = "ioc"
    limit_price = Decimal("97048.5")
    qty = Decimal("0.06")
    leverage = Decimal(2)
    risk_amount = Decimal("99.2")
    confidence = Decimal("0.720")
    confidence_parts = {"setup_quality": "0.8", "reward": "0.6", "market_environment": "0.7"}
    rr_net = Decimal("1.65")
    atr = Decimal(600)
    rank = 1
    verdicts = [
        {
            "rule": "direction",
            "passed": True,
            "value": "long",
            "limit": "",
            "text": "The analyst sees a long.",
        },
        {
            "rule": "confidence",
            "passed": True,
            "value": "0.720",
            "limit": "0.55",
            "text": "Confidence 72 % reaches your minimum 55 %.",
        },
        {
            "rule": "spread",
            "passed": None,
            "value": "",
            "limit": "",
            "text": "This market has no spread.",
        },
    ]
    sizing = {"words": "1 % of 10,000 USDT is 100 USDT; lost at the stop with costs: 99.20 USDT."}
    state = SignalState.EXECUTING
    limits_version = 1
    payload_hash = LazyAttribute(lambda o: digest(f"{o.symbol} {o.qty} {o.decided_at}"))


class ApprovalFactory(DjangoModelFactory[Approval]):
    """A question that is open for a minute from now."""

    class Meta:
        model = Approval

    signal = SubFactory(SignalFactory, state=SignalState.WAITING)
    payload_hash = SelfAttribute("signal.payload_hash")
    decision = ApprovalDecision.WAITING
    requested_at = LazyFunction(lambda: datetime.now(UTC))
    expires_at = LazyAttribute(lambda o: o.requested_at + MINUTE)
