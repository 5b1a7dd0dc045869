"""Which tone a stored state has, so that every page colours it the same way."""

from __future__ import annotations

from analysis.choices import CallState, Grade, HealthState
from exchange.choices import Mode
from exchange.labels import Labelled
from trading.choices import (
    ApprovalDecision,
    BotState,
    CommandState,
    CycleState,
    EventLevel,
    OrderState,
    SignalState,
    StepStatus,
    TradeState,
    TradingStateName,
    WalletCheckState,
)

KINDS: dict[str, type[Labelled]] = {
    "approval": ApprovalDecision,
    "bot": BotState,
    "call": CallState,
    "command": CommandState,
    "cycle": CycleState,
    "event": EventLevel,
    "grade": Grade,
    "health": HealthState,
    "mode": Mode,
    "order": OrderState,
    "signal": SignalState,
    "step": StepStatus,
    "trade": TradeState,
    "trading": TradingStateName,
    "wallet": WalletCheckState,
}

GOOD = frozenset(
    {
        "active",
        "agreed",
        "running",
        "completed",
        "done",
        "filled",
        "approved",
        "executing",
        "open",
        "ok",
        "accepted",
        "analyst",
        "voter",
    }
)
WARN = frozenset(
    {
        "waiting",
        "reducing",
        "paused",
        "due",
        "partially_filled",
        "claimed",
        "sent",
        "requested",
        "submitted",
        "pending",
        "warning",
        "expired",
        "unknown",
        "late",
        "mended",
        "reader",
        "unread",
    }
)
INFO = frozenset({"notice"})
BAD = frozenset({"differs", "halted", "failed", "rejected", "critical", "safe"})
TONES = {"good": GOOD, "warn": WARN, "bad": BAD, "info": INFO}


def tone_of(kind: str, value: str) -> str:
    """good, warn, bad, info or quiet."""
    if kind == "signal" and value == SignalState.REJECTED:
        # Most signals are rejected, and rightly so: red is kept for what went wrong.
        return "quiet"
    for tone, values in TONES.items():
        if value in values:
            return tone
    return "quiet"


def label_of(kind: str, value: str) -> str:
    """The state's label for people."""
    return KINDS[kind](value).label
