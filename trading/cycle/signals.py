"""Write what a cycle decided: one signal per symbol, and the approvals they need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from analysis.models import Analysis
from exchange.domain import quantise
from trading.calibration import calibration_json
from trading.choices import ApprovalDecision, Autonomy, EventLevel, SignalState
from trading.domain.pipeline import Decision
from trading.domain.settings import BotSettings
from trading.domain.signal import Proposal
from trading.domain.sizing import Sizing
from trading.domain.verdict import Verdict, first_failure
from trading.events import record
from trading.models import Approval, Cycle, Signal
from trading.payload import payload_hash
from trading.waking import wake

MAX_WAIT = timedelta(minutes=15)
MIN_WAIT = timedelta(seconds=60)


def approval_life(timeframe: timedelta, speed: float) -> timedelta:
    """Wall time a request lives: min(20 % of the timeframe, 15 min), at least 60 s; on markets
    faster than 1x min(60 s, one bar)."""
    if speed > 1:
        return min(MIN_WAIT, timeframe / speed)
    return max(min(timeframe / 5, MAX_WAIT), MIN_WAIT)


def dropped_signal(cycle: Cycle, symbol: str, verdicts: Sequence[Verdict], now: datetime) -> Signal:
    """A symbol that never came to a decision: dropped before analysis, or not analysable."""
    failed = first_failure(verdicts)
    return Signal(
        cycle=cycle,
        bot=cycle.bot,
        account=cycle.bot.account,
        symbol=symbol,
        direction="none",
        decided_at=now,
        verdicts=[verdict.as_json() for verdict in verdicts],
        rule=failed.rule if failed else "",
        state=SignalState.REJECTED,
        state_reason=failed.text[:300] if failed else "",
    )


def decided_signal(
    cycle: Cycle, decision: Decision, analysis: Analysis, settings: BotSettings, now: datetime
) -> Signal:
    """A decision as a row; accepted ones wait for what the bot's autonomy says."""
    signal = dropped_signal(cycle, decision.symbol, decision.verdicts, now)
    signal.analysis = analysis
    signal.direction = analysis.direction
    signal.limits_version = settings.limits.version
    signal.rank = decision.rank
    if decision.proposal is not None:
        _set(signal, _proposal_fields(decision.proposal))
        signal.calibration = calibration_json(settings.calibration, signal.confidence)
    if decision.sizing is not None:
        _set(signal, _sizing_fields(decision.sizing))
    if decision.accepted:
        signal.state = _state_for(cycle, settings)
    return signal


def _set(signal: Signal, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(signal, name, value)


def _proposal_fields(proposal: Proposal) -> dict[str, Any]:
    order, parts = proposal.order, proposal.confidence
    return {
        "entry_price": proposal.entry_price,
        "stop_loss": proposal.stop_loss,
        "take_profit": proposal.take_profit,
        "worst_price": quantise(proposal.worst_price),
        "order_type": order.order_type if order else "",
        "time_in_force": order.time_in_force if order else "",
        "limit_price": order.price if order else None,
        "trigger_price": order.trigger_price if order else None,
        "confidence": parts.value,
        "confidence_parts": {
            "setup_quality": str(parts.setup_quality),
            "reward": str(parts.reward),
            "market_environment": str(parts.market_environment),
        },
        "rr_net": proposal.rr_net,
        "atr": proposal.atr,
    }


def _sizing_fields(sizing: Sizing) -> dict[str, Any]:
    return {
        "qty": sizing.qty if sizing.qty > 0 else None,
        "leverage": sizing.leverage,
        "risk_amount": sizing.risk_amount,
        "sizing": sizing.as_json(),
    }


def _state_for(cycle: Cycle, settings: BotSettings) -> SignalState:
    if cycle.observe_only or settings.autonomy is Autonomy.OBSERVE:
        return SignalState.OBSERVED
    return SignalState.WAITING


@transaction.atomic
def store_signals(
    cycle: Cycle, signals: Sequence[Signal], settings: BotSettings, speed: float, now: datetime
) -> list[Signal]:
    """Store the signals of a cycle with their approvals; returns those that may be executed.

    ``auto`` bots answer their own requests by rule; the row is kept all the same.
    """
    Signal.objects.bulk_create(signals)
    waiting = [signal for signal in signals if signal.state == SignalState.WAITING]
    for signal in waiting:
        signal.payload_hash = payload_hash(signal)
        automatic = settings.autonomy is Autonomy.AUTO
        if automatic:
            signal.state = SignalState.APPROVED
        signal.save(update_fields=["payload_hash", "state"])
        Approval.objects.create(
            signal=signal,
            payload_hash=signal.payload_hash,
            decision=ApprovalDecision.APPROVED if automatic else ApprovalDecision.WAITING,
            channel="rule" if automatic else "",
            requested_at=now,
            decided_at=now if automatic else None,
            expires_at=now + approval_life(settings.timeframe, speed),
        )
        _announce(signal, automatic)
    if any(signal.state == SignalState.APPROVED for signal in waiting):
        wake(cycle.bot.account_id)
    return waiting


def _announce(signal: Signal, automatic: bool) -> None:
    what = "approved by rule" if automatic else "waits for approval"
    record(
        "approval_given" if automatic else "approval_requested",
        f"{signal.symbol} {signal.direction} at {signal.entry_price.normalize():f} {what}.",
        account=signal.account,
        level=EventLevel.INFO if automatic else EventLevel.NOTICE,
        data={"signal": signal.pk, "cycle": signal.cycle_id},
        market_time=signal.decided_at,
    )
