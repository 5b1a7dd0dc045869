"""Which tone a stored state has, so that every page colours it the same way."""

from __future__ import annotations

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
)

KINDS: dict[str, type[Labelled]] = {
    "approval": ApprovalDecision,
    "bot": BotState,
    "command": CommandState,
    "cycle": CycleState,
    "event": EventLevel,
    "mode": Mode,
    "order": OrderState,
    "signal": SignalState,
    "step": StepStatus,
    "trade": TradeState,
    "trading": TradingStateName,
}

GOOD = frozenset(
    {"active", "running", "completed", "done", "filled", "approved", "executing", "open"}
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
        "notice",
    }
)
BAD = frozenset({"halted", "failed", "rejected", "critical"})


def tone_of(value: str) -> str:
    """good, warn, bad or quiet."""
    if value in GOOD:
        return "good"
    if value in WARN:
        return "warn"
    return "bad" if value in BAD else "quiet"


def label_of(kind: str, value: str) -> str:
    """The state's label for people."""
    return KINDS[kind](value).label
