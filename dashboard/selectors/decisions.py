"""Signals in full: evidence, confidence, verdicts, size, approval and outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from analysis.confidence import Weights
from dashboard import format as fmt
from dashboard.selectors.counterfactuals import hindsight
from exchange.models import ExchangeAccount
from trading.calibration import calibration_words
from trading.choices import ApprovalDecision, SignalState
from trading.funnel import stage_label
from trading.models import Approval, Signal, Trade

PARTS = (
    ("setup_quality", "Setup"),
    ("reward", "Reward"),
    ("market_environment", "Environment"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the confidence: 0..100 of itself, and what it adds after weighting."""

    label: str
    weight: str
    value: str
    points: str
    width: str


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One rule's answer with its numbers. ``outcome`` is passed, failed or none."""

    rule: str
    outcome: str
    value: str
    limit: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One signal, ready to be shown; ``trade`` is what it became."""

    id: int
    cycle_id: int
    symbol: str
    direction: str
    state: str
    accepted: bool
    decided_at: datetime
    confidence: str
    calibrated: str
    parts: tuple[Part, ...]
    entry: str
    stop: str
    target: str
    rr_net: str
    qty: str
    leverage: str
    risk: str
    order_words: str
    why: str
    verdicts: tuple[VerdictRow, ...]
    passed_count: int
    asked_count: int
    evidence_for: tuple[str, ...]
    evidence_against: tuple[str, ...]
    evidence_seen: tuple[str, ...]
    objection: str
    invalidation: str
    environment: str
    sizing_words: tuple[str, ...]
    analysis_id: int | None
    analyst: str
    not_asked: str
    limits_version: int
    approval: str
    approval_by: str
    trade_id: int | None
    trade_state: str
    outcome: str
    outcome_r: str
    hindsight: str


def signal_rows() -> QuerySet[Signal]:
    """Signals with every row that a decision shows beside them."""
    return Signal.objects.select_related(
        "analysis__profile",
        "analysis__prompt_version__prompt",
        "approval__actor",
        "trade",
        "cycle",
        "counterfactual",
    )


def decision_latest(account: ExchangeAccount) -> Decision | None:
    """The newest decision of ``account`` that looked at a chart."""
    newest = (
        signal_rows()
        .filter(account=account, analysis__isnull=False)
        .order_by("-decided_at", "rank", "id")
    )
    # The best of the newest cycle says more than the one that happened to be written last.
    best = newest.filter(cycle=newest[:1].values("cycle")).exclude(state=SignalState.REJECTED)
    signal = best.first() or newest.first()
    return decision_of(signal) if signal else None


def decision_of(signal: Signal) -> Decision:
    """Everything one signal can say about itself."""
    places = fmt.price_places((signal.entry_price, signal.stop_loss, signal.take_profit))
    verdicts = tuple(verdict_row(item) for item in signal.verdicts)
    evidence = signal.analysis.evidence if signal.analysis else []
    approval: Approval | None = getattr(signal, "approval", None)
    trade: Trade | None = getattr(signal, "trade", None)
    supports, opposes = ("short", "long") if signal.direction == "short" else ("long", "short")
    return Decision(
        id=signal.pk,
        cycle_id=signal.cycle_id,
        symbol=signal.symbol,
        direction=signal.direction,
        state=signal.state,
        accepted=signal.state != SignalState.REJECTED,
        decided_at=signal.decided_at,
        confidence=fmt.percent(signal.confidence, 0),
        calibrated=calibration_words(signal.calibration),
        parts=parts_of(signal.confidence_parts),
        entry=fmt.number(signal.entry_price, places),
        stop=fmt.number(signal.stop_loss, places),
        target=fmt.number(signal.take_profit, places),
        rr_net=fmt.number(signal.rr_net, 2),
        qty=fmt.plain(signal.qty),
        leverage=fmt.UNKNOWN if signal.leverage is None else f"{fmt.plain(signal.leverage)}x",
        risk=fmt.number(signal.risk_amount),
        order_words=_order_words(signal, places),
        why=_why(signal, verdicts),
        verdicts=verdicts,
        passed_count=sum(item.outcome == "passed" for item in verdicts),
        asked_count=sum(item.outcome != "none" for item in verdicts),
        evidence_for=tuple(e["text"] for e in evidence if e.get("supports") == supports),
        evidence_against=tuple(e["text"] for e in evidence if e.get("supports") == opposes),
        evidence_seen=tuple(e["text"] for e in evidence if e.get("supports") == "none"),
        objection=fmt.one_stop(signal.analysis.strongest_objection) if signal.analysis else "",
        invalidation=fmt.one_stop(signal.analysis.invalidation) if signal.analysis else "",
        environment=signal.analysis.environment.replace("_", " ") if signal.analysis else "",
        sizing_words=_lines(signal.sizing.get("words", ())),
        analysis_id=signal.analysis_id,
        analyst=str(signal.analysis.profile) if signal.analysis else "",
        not_asked=_not_asked(signal),
        limits_version=signal.limits_version,
        approval=_approval_words(approval),
        approval_by=_approval_by(approval),
        trade_id=trade.pk if trade else None,
        trade_state=trade.state if trade else "",
        outcome=fmt.number(trade.net_pnl, signed=True) if trade else fmt.UNKNOWN,
        outcome_r=fmt.r_multiple(trade.r_multiple) if trade else fmt.UNKNOWN,
        hindsight=hindsight(getattr(signal, "counterfactual", None)),
    )


def parts_of(values: Mapping[str, str]) -> tuple[Part, ...]:
    """The confidence's parts, each with its weight and the points it adds."""
    weights = Weights()
    parts = []
    for name, label in PARTS:
        value, weight = Decimal(str(values.get(name, 0))), getattr(weights, name)
        parts.append(
            Part(
                label=label,
                weight=fmt.number(weight, 2),
                value=fmt.number(value, 2),
                points=fmt.number(value * weight * 100, 0),
                width=fmt.number(value * 100, 1),
            )
        )
    return tuple(parts) if values else ()


def verdict_row(item: Mapping[str, Any]) -> VerdictRow:
    """A stored verdict as text; ``passed`` None means the rule does not apply to this market."""
    passed = item.get("passed")
    outcome = "none" if passed is None else "passed" if passed else "failed"
    return VerdictRow(
        rule=rule_label(str(item["rule"])),
        outcome=outcome,
        value=_figure(item.get("value")),
        limit=_figure(item.get("limit")),
        text=fmt.one_stop(str(item.get("text", ""))),
    )


def rule_label(rule: str) -> str:
    """A rule's name for people: "rr_net" as "net reward/risk"."""
    return stage_label(rule)


def _not_asked(signal: Signal) -> str:
    """Why the model behind the analyst was not asked, where it was not."""
    analysis = signal.analysis
    if analysis is None or analysis.grounding is not None:
        return ""
    screened = str(analysis.features.get("prescreen", ""))
    return f"not asked: {screened} (pre-screen)" if screened else ""


def _lines(words: str | Sequence[str]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _figure(value: object) -> str:
    return "" if value is None else str(value).replace("-", fmt.MINUS)


def _why(signal: Signal, verdicts: Sequence[VerdictRow]) -> str:
    """The first failing rule in words, or what happened to an accepted signal."""
    failed = next((item for item in verdicts if item.outcome == "failed"), None)
    if failed is not None:
        return failed.text or f"Rejected by the rule {failed.rule}."
    return fmt.one_stop(signal.state_reason)


def _order_words(signal: Signal, places: int) -> str:
    if not signal.order_type:
        return ""
    price = f" at {fmt.number(signal.limit_price, places)}" if signal.limit_price else ""
    trigger = signal.trigger_price
    waits = f", sent when last reaches {fmt.number(trigger, places)}" if trigger else ""
    return f"{signal.order_type} {signal.time_in_force.upper()}{price}{waits}"


def _approval_words(approval: Approval | None) -> str:
    return ApprovalDecision(approval.decision).label if approval else ""


def _approval_by(approval: Approval | None) -> str:
    if approval is None or approval.decision == ApprovalDecision.WAITING:
        return ""
    return " ".join(
        part for part in (str(approval.actor or ""), approval.channel, approval.reason) if part
    )
