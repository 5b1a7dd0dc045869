"""Stored states of trading and their labels, each with the tone the console gives it."""

from __future__ import annotations

from exchange.labels import Labelled, Numbered


class AiFallback(Labelled):
    STOP = "stop", "No entries"
    TECHNICAL = "technical", "Technical rules take over"


class Autonomy(Labelled):
    """What happens to a valid signal."""

    OBSERVE = "observe", "Record only"
    APPROVE = "approve", "Ask a person"
    AUTO = "auto", "Trade by rule"


class BotState(Labelled):
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    ARCHIVED = "archived", "Archived"


class TradingStateName(Labelled):
    """Strictest last: the stricter of account and global wins."""

    ACTIVE = "active", "Active"
    REDUCING = "reducing", "Reducing: no entries"
    HALTED = "halted", "Halted: entries cancelled"


class CycleState(Labelled):
    DUE = "due", "Due"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"


class StepStatus(Labelled):
    DONE = "done", "Done"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"


class SignalState(Labelled):
    """``APPROVED`` waits for the trader; ``EXECUTING`` has an order; the rest is final."""

    REJECTED = "rejected", "Rejected"
    OBSERVED = "observed", "Observed"
    WAITING = "waiting", "Waiting for approval"
    APPROVED = "approved", "Approved"
    CLAIMED = "claimed", "Claimed by the trader"
    EXECUTING = "executing", "Executing"
    REFUSED = "refused", "Refused"
    EXPIRED = "expired", "Expired"
    DROPPED = "dropped", "Dropped"


class ApprovalDecision(Labelled):
    WAITING = "waiting", "Waiting"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"
    EXPIRED = "expired", "Expired"


class OrderRole(Labelled):
    ENTRY = "e", "Entry"
    EXIT = "x", "Exit"
    PROTECTION = "p", "Protection"


class OrderState(Labelled):
    CREATED = "created", "Created"
    SUBMITTED = "submitted", "Submitted"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    PARTIALLY_FILLED = "partially_filled", "Partially filled"
    FILLED = "filled", "Filled"
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Rejected"
    UNKNOWN = "unknown", "Unknown"
    NOT_PLACED = "not_placed", "Not placed"


class TradeState(Labelled):
    PENDING = "pending", "Entry working"
    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"
    CANCELLED = "cancelled", "Never opened"


class ExitReason(Labelled):
    """Why a trade closed."""

    TAKE_PROFIT = "take_profit", "Take profit"
    PARTIAL_TAKE_PROFIT = "partial_take_profit", "Part of the profit taken"
    STOP_LOSS = "stop_loss", "Stop-loss"
    TIGHTENED_STOP = "tightened_stop", "Tightened stop"
    BREAKEVEN = "breakeven", "Break-even stop"
    OPPOSITE_SIGNAL = "opposite_signal", "Reading turned"
    INVALIDATION = "invalidation", "Setup invalidated"
    BLACKOUT = "blackout", "Closed for a blackout"
    MANUAL = "manual", "Closed by hand"
    KILL_SWITCH = "kill_switch", "Kill switch"
    UNPROTECTED = "unprotected", "Could not be protected"
    RISK_TRIM = "risk_trim", "Trimmed to planned risk"
    LATE_FILL = "late_fill", "Filled too late"
    MAX_HOLDING = "max_holding", "Held too long"
    LIQUIDATION = "liquidation", "Liquidated"
    ADL = "adl", "Auto-deleveraged"
    EXTERNAL = "external", "Closed elsewhere"
    DELISTING = "delisting", "Settled by delisting"
    END_OF_DATA = "end_of_data", "End of data"


class OppositeSignal(Labelled):
    """What a valid signal for the other side does to an open trade."""

    OFF = "off", "Nothing"
    CLOSE = "close", "Closes the trade"
    REVERSE = "reverse", "Closes the trade, then may enter"


class CancelReason(Labelled):
    """Why an entry was taken back before it filled."""

    EXPIRED = "expired", "Expired"
    TARGET_REACHED = "target_reached", "Moved without us"
    OPPOSITE = "opposite", "Reading turned"
    REPLACED = "replaced", "A better signal took its place"
    GUARD = "guard", "A guard or lower limit began"
    BLACKOUT = "blackout", "A blackout began"
    SPREAD = "spread", "The spread stayed too wide"
    REJECTED = "rejected", "Refused by the exchange"
    NOT_PLACED = "not_placed", "Never reached the exchange"
    NOT_FILLED = "not_filled", "Nothing filled at the price"
    KILL_SWITCH = "kill_switch", "Trading halted"
    MANUAL = "manual", "Cancelled by hand"


class CommandKind(Labelled):
    CLOSE = "close", "Close trade"
    REDUCE = "reduce", "Reduce trade"
    MOVE_STOP = "move_stop", "Move stop"
    APPLY_EXITS = "apply_exits", "Change exit rules"
    CANCEL = "cancel", "Cancel entry"
    FLATTEN = "flatten", "Flatten account"
    RESYNC = "resync", "Read back protection"
    RECONCILE = "reconcile", "Compare with the exchange"
    RELEASE = "release", "Hand the position over"
    PLUG = "plug", "Pull the plug"


class CommandState(Labelled):
    REQUESTED = "requested", "Requested"
    CLAIMED = "claimed", "Claimed"
    SENT = "sent", "Sent"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"


class CashflowKind(Labelled):
    FUNDING = "funding", "Funding"
    TRANSFER = "transfer", "Transfer"


class EventLevel(Labelled):
    INFO = "info", "Information"
    NOTICE = "notice", "Notice"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"


class RiskProfile(Labelled):
    CONSERVATIVE = "conservative", "Conservative"
    CLASSIC = "classic", "Classic"


class KillLevel(Numbered):
    """How much is stopped. Levels 2 to 4 leave the bots running: they skip their cycles while
    trading is not active, and go on once it is armed again."""

    PAUSE = 1, "Pause all bots"
    REDUCE = 2, "No new entries"
    HALT = 3, "No entries, working ones cancelled"
    FLATTEN = 4, "Halt and close every position"


class KillStepKind(Labelled):
    """What a kill has to see done before it may call itself done."""

    PAUSED = "paused", "Bots paused"
    ENTRIES_OFF = "entries_off", "Entries off"
    CANCEL = "cancel", "Entry cancelled"
    CLOSE = "close", "Position closed"


class BlackoutKind(Labelled):
    ONCE = "once", "Once"
    WEEKLY = "weekly", "Every week"
    ICS = "ics", "Calendar file"


class BlackoutAction(Labelled):
    """Strictest last."""

    HALVE = "halve", "Half size"
    NO_ENTRIES = "no_entries", "No entries"
    FLATTEN = "flatten", "No entries, close positions"


class CounterfactualState(Labelled):
    """How far the life of a signal that never traded has been followed."""

    FOLLOWED = "followed", "Still followed"
    ENDED = "ended", "Ended"
    UNFILLED = "unfilled", "Would not have filled"
    UNKNOWN = "unknown", "Cannot be known"


class WalletCheckState(Labelled):
    AGREED = "agreed", "Agrees"
    DIFFERS = "differs", "Differs"
    MENDED = "mended", "Mended"
    UNREAD = "unread", "Could not be read"
