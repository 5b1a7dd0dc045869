"""Whose is an order, an execution, a position, and does the venue agree with us?

Ours is the quantity that executions of our orders explain. Quantities are in base coin and at least
0, unless they are called signed (above 0 is long).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from exchange.domain import ZERO, Execution, ExecutionKind, Instrument, Side

# Ids of our orders begin with it; nobody else's do.
PREFIX = "at1-"
# Differences repeat this far apart before they are acted upon.
DIFFERENCE_APART_S = 2.0
AVERAGE_TOLERANCE = Decimal("0.0001")


def is_ours(order_link_id: str) -> bool:
    """Whether an order id was given by us."""
    return order_link_id.startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class Holding:
    """Our live trade of a symbol. ``reported`` of its entry has filled with executions still to
    come; ``working`` may still fill."""

    side: Side
    open_qty: Decimal
    reported: Decimal = ZERO
    working: Decimal = ZERO


def share_of(execution: Execution, holding: Holding | None) -> Decimal:
    """How much of an execution that no order row of ours explains belongs to our live trade.

    Only the closing side can: by the venue's own orders (stop, target, liquidation), by an order
    with our prefix (the watchdog's), or by somebody else, who reduces ours first. It is never
    more than ours; the rest, and everything on the other side, is foreign. The venue's own orders
    may be heard of before the fills that they close.
    """
    if holding is None or execution.side is holding.side:
        return ZERO
    most = holding.open_qty + holding.reported
    if execution.kind is not ExecutionKind.TRADE or is_ours(execution.order_link_id):
        most += holding.working
    return max(ZERO, min(execution.qty, most))


class Standing(StrEnum):
    """How a position compares with ours. ``UNSETTLED``: an unknown order may explain it."""

    AGREED = "agreed"
    UNSETTLED = "unsettled"
    EXTERNAL = "external"
    REDUCED = "reduced"
    INCREASED = "increased"
    FLIPPED = "flipped"


@dataclass(frozen=True, slots=True)
class Explained:
    """``by`` is the quantity by which the two differ."""

    standing: Standing
    by: Decimal = ZERO


def explain_position(ours: Decimal, theirs: Decimal, unresolved: bool = False) -> Explained:
    """Compare our signed quantity of a symbol with the venue's. ``unresolved`` says that the fate
    of an order of the symbol is not known."""
    by = abs(theirs - ours)
    if by == 0:
        return Explained(Standing.AGREED)
    if unresolved:
        return Explained(Standing.UNSETTLED, by)
    if ours == 0:
        return Explained(Standing.EXTERNAL, by)
    if ours * theirs < 0:
        return Explained(Standing.FLIPPED, by)
    smaller = abs(theirs) < abs(ours)
    return Explained(Standing.REDUCED if smaller else Standing.INCREASED, by)


def average_agrees(ours: Decimal, theirs: Decimal) -> bool:
    """Whether two average entry prices are the same but for 0.01 %."""
    return abs(ours - theirs) <= AVERAGE_TOLERANCE * ours


def difference_proved(first_seen_s: float | None, now_s: float) -> bool:
    """Whether a difference was read twice, far enough apart to be acted upon."""
    return first_seen_s is not None and now_s - first_seen_s >= DIFFERENCE_APART_S


def symbol_closed(instrument: Instrument) -> str:
    """Why the venue takes no new position in a symbol, or will soon not; "" where it does."""
    if not instrument.tradable:
        return f"{instrument.symbol} is closed for new positions."
    if instrument.delisting_at is not None:
        return f"{instrument.symbol} is delisted on {instrument.delisting_at:%d %b %Y %H:%M} UTC."
    return ""
