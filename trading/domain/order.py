"""States of an order, the only ways between them, and when an entry is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from exchange.domain import Side, VenueOrderStatus
from trading.choices import CancelReason, OrderState
from trading.errors import IllegalTransition

S = OrderState

FINAL = frozenset({S.FILLED, S.CANCELLED, S.REJECTED, S.NOT_PLACED})
WORKING = frozenset({S.SUBMITTED, S.ACKNOWLEDGED, S.PARTIALLY_FILLED, S.UNKNOWN})
LIVE = WORKING | {S.CREATED}

_AFTER_SUBMIT = frozenset({S.ACKNOWLEDGED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.REJECTED})

TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    # A created order that never leaves is refused by our own last check.
    S.CREATED: frozenset({S.SUBMITTED, S.REJECTED, S.CANCELLED}),
    S.SUBMITTED: _AFTER_SUBMIT | {S.UNKNOWN},
    S.UNKNOWN: _AFTER_SUBMIT | {S.NOT_PLACED},
    S.ACKNOWLEDGED: frozenset({S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.REJECTED}),
    S.PARTIALLY_FILLED: frozenset({S.FILLED, S.CANCELLED, S.REJECTED}),
    S.FILLED: frozenset(),
    # The venue filled while we heard of the cancel: it happens, and the fill counts.
    S.CANCELLED: frozenset({S.FILLED}),
    S.REJECTED: frozenset(),
    # The order arrived after all proof of its absence: it is real.
    S.NOT_PLACED: frozenset({S.ACKNOWLEDGED, S.PARTIALLY_FILLED, S.FILLED}),
}
LATE = frozenset(
    {(S.CANCELLED, S.FILLED)}
    | {(S.NOT_PLACED, to) for to in (S.ACKNOWLEDGED, S.PARTIALLY_FILLED, S.FILLED)}
)

_FROM_VENUE = {
    VenueOrderStatus.NEW: S.ACKNOWLEDGED,
    VenueOrderStatus.PARTIALLY_FILLED: S.PARTIALLY_FILLED,
    VenueOrderStatus.FILLED: S.FILLED,
    VenueOrderStatus.CANCELLED: S.CANCELLED,
    VenueOrderStatus.REJECTED: S.REJECTED,
}
_PROGRESS = {
    S.CREATED: 0,
    S.SUBMITTED: 1,
    S.UNKNOWN: 1,
    S.ACKNOWLEDGED: 2,
    S.PARTIALLY_FILLED: 3,
}


def check_transition(old: OrderState, new: OrderState) -> None:
    """Raise ``IllegalTransition`` where the table has no way from ``old`` to ``new``."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransition(f"an order can't go from {old} to {new}")


def state_after_report(old: OrderState, status: VenueOrderStatus) -> OrderState:
    """The state after a report of the venue; reports that are older than what we know change
    nothing, because streams repeat and reorder."""
    new = _FROM_VENUE[status]
    if new == old:
        return old
    if old in FINAL:
        return new if new in TRANSITIONS[old] else old
    if new not in FINAL and _PROGRESS[new] < _PROGRESS[old]:
        return old
    check_transition(old, new)
    return new


@dataclass(frozen=True, slots=True)
class WorkingEntry:
    """An entry that may still fill. ``shrinking``: its trade is being closed or reduced, or an
    exit has filled. ``asked`` is the reason for which it was to be taken back already; ``known`` is
    False while its fate is unknown. Times are market time, ``last`` is None without a price."""

    side: Side
    price: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    expires_at: datetime | None
    shrinking: bool = False
    asked: CancelReason | None = None
    known: bool = True


def take_back(
    entry: WorkingEntry, last: Decimal | None, now: datetime, *, halted: bool
) -> CancelReason | None:
    """Why the rest of an entry is cancelled now, or None while it may wait.

    One that expires does so when it is too old, or when half the way to the target or the stop
    level has traded without it.
    """
    if halted:
        return CancelReason.KILL_SWITCH
    if entry.shrinking:
        return CancelReason.MANUAL
    if entry.asked is not None:
        return entry.asked
    if entry.expires_at is None or not entry.known:
        return None
    if entry.expires_at <= now:
        return CancelReason.EXPIRED
    if last is None:
        return None
    halfway = (entry.price + entry.take_profit) / 2
    past_half = (last - halfway) * entry.side.sign >= 0
    at_stop = (last - entry.stop_loss) * entry.side.sign <= 0
    return CancelReason.TARGET_REACHED if past_half or at_stop else None
