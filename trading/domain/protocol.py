"""What to do about orders, stops and positions: facts in, one answer out.

Every decision that keeps an account safe is taken here, once. The resolver, the protector, the
exits, the reconciliation and the watchdog gather facts and do what the answer says. Nothing here
reads a clock, a table or a venue. Times named ``..._s`` are seconds; quantities are in base coin
and at least 0, unless they are called signed (above 0 is long).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from math import inf

from exchange.domain import ZERO, Side
from exchange.errors import ExchangeError, OrderRejected
from trading.choices import ExitReason, OrderRole, OrderState

# An entry is absent after so many answered look-ups, each at two endpoints, over that time.
NOT_FOUND_NEEDED = 3
PROOF_S = 30.0
# Two readings of a position count as two when they are that far apart.
READINGS_APART_S = 1.0
# A request that was sent this long ago can't land any more (recv_window 5 s and 1 s to spare).
LANDING_S = 6.0
# Seconds before an exit is repeated, by the number of tries so far.
RETRY_AFTER_S = (0.0, 2.0, 1.0, 2.0, 4.0, 8.0, 10.0)

NAKED_LIMIT_S = 5.0
MAX_REFUSALS = 2
# Refusals of a stop that say nothing about the stop: it never got as far as being judged.
UNJUDGED = frozenset({"clock", "halted", "no_position", "not_sent", "rate_limited"})
# A stop that somebody else moved is believed when it is read again after this time.
MOVED_APART_S = 2.0

CLOCK_LIMIT_MS = 500
QUOTE_LIMIT_S = 3.0
# HTTP 4 s + recv_window 2 s + 1 s: a request sent now is over before the lease is.
LEASE_MARGIN_S = 7.0


# --- The fate of an order -----------------------------------------------------------------------


def after_post(error: ExchangeError | None) -> OrderState:
    """The state of an order whose only POST ended with ``error`` (None: it was taken).

    A refusal is final, also one for lack of budget: an entry is never sent again, an exit is asked
    anew in another row. An id that is refused as used before may be this very order, and whatever
    is not a certain refusal may have landed: both are looked up.
    """
    if error is None:
        return OrderState.ACKNOWLEDGED
    if isinstance(error, OrderRejected) and error.code != "duplicate_link_id":
        return OrderState.REJECTED
    return OrderState.UNKNOWN


@dataclass(frozen=True, slots=True)
class Reading:
    """The size of a position, on the side of our trade, as the venue answered at ``at_s``."""

    qty: Decimal
    at_s: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an order that nobody has found.

    ``not_found`` counts look-ups that were answered, never errors. ``readings`` of the position
    are those since the order was sent, oldest first; ``booked_qty`` is what our trade holds by
    its executions.
    """

    not_found: int
    since_sent_s: float
    readings: tuple[Reading, ...] = ()
    booked_qty: Decimal = ZERO


class Absence(StrEnum):
    """What the evidence allows: go on looking, try the last proof, or give the order up."""

    WAIT = "wait"
    CANCEL_BY_ID = "cancel_by_id"
    NOT_PLACED = "not_placed"


def absence(role: OrderRole, evidence: Evidence) -> Absence:
    """Whether an order that is not found was never placed.

    An entry needs three answered look-ups over 30 seconds, and then a cancel by its id. An exit
    may be given up sooner, because only the difference is sent again: once two equal readings show
    nothing of it. Where they show less than we have booked its fills are on their way, and are
    waited for as long as an entry's would be.
    """
    proved = evidence.not_found >= NOT_FOUND_NEEDED and evidence.since_sent_s >= PROOF_S
    if role is OrderRole.ENTRY:
        return Absence.CANCEL_BY_ID if proved else Absence.WAIT
    size = settled_size(evidence.readings)
    if size is None or evidence.not_found == 0:
        return Absence.WAIT
    return Absence.NOT_PLACED if size >= evidence.booked_qty or proved else Absence.WAIT


def after_cancel_by_id(error: ExchangeError | None) -> Absence:
    """What the last proof showed. A cancel that was taken means that the order is there."""
    if isinstance(error, OrderRejected) and error.code == "order_not_open":
        return Absence.NOT_PLACED
    return Absence.WAIT


def settled_size(readings: tuple[Reading, ...]) -> Decimal | None:
    """The size on which the newest reading and one at least a second older agree, with nothing
    different in between; None while they don't."""
    if not readings:
        return None
    newest = readings[-1]
    for reading in reversed(readings[:-1]):
        if reading.qty != newest.qty:
            return None
        if newest.at_s - reading.at_s >= READINGS_APART_S:
            return newest.qty
    return None


# --- Exits --------------------------------------------------------------------------------------


class ExitForm(StrEnum):
    """A limit IOC near the touch, a market order, or a market order that closes whatever is
    open."""

    TOUCH = "touch"
    MARKET = "market"
    CLOSE_ALL = "close_all"


@dataclass(frozen=True, slots=True)
class ExitOrder:
    """One reduce-only order. ``qty`` is 0 in the close-all form."""

    qty: Decimal
    form: ExitForm

    @property
    def close_all(self) -> bool:
        return self.form is ExitForm.CLOSE_ALL


@dataclass(frozen=True, slots=True)
class ExitFacts:
    """A trade that must shrink to ``target``.

    ``open_qty`` is what it holds by its executions; ``awaited`` of that is filled by the reports
    of its exits, with executions still to come. ``working`` says that an exit is on the venue;
    ``doubtful`` that the fate of one is unknown, or was never seen. ``readings`` are those since
    the newest exit was sent, ``position_qty`` is the newest of all, None before the first.
    ``shared``: another trade of ours is in the same position. ``max_qty`` bounds one order.
    """

    target: Decimal
    open_qty: Decimal
    reason: ExitReason
    awaited: Decimal = ZERO
    attempts: int = 0
    since_last_s: float = inf
    working: bool = False
    doubtful: bool = False
    readings: tuple[Reading, ...] = ()
    position_qty: Decimal | None = None
    shared: bool = False
    max_qty: Decimal | None = None


def next_exit(facts: ExitFacts) -> ExitOrder | None:
    """The order that brings the trade to its target, or None while there is none to send.

    Only the difference is sent. After an exit whose fate is not known it is counted from a
    position that was read twice, and not before a second one can do harm. A full close is repeated,
    1 to 10 seconds apart, until nothing is left.
    """
    if facts.working or facts.since_last_s < retry_pause(facts.attempts):
        return None
    ours = facts.open_qty - facts.awaited
    if facts.doubtful:
        size = settled_size(facts.readings)
        if size is None or facts.since_last_s < _patience(facts):
            return None
        ours = min(ours, size)
    qty = ours - facts.target
    if qty <= 0:
        return None
    if facts.reason is ExitReason.MANUAL and facts.attempts == 0:
        return ExitOrder(_bounded(qty, facts.max_qty), ExitForm.TOUCH)
    if _may_close_all(facts):
        return ExitOrder(ZERO, ExitForm.CLOSE_ALL)
    return ExitOrder(_bounded(qty, facts.max_qty), ExitForm.MARKET)


def _patience(facts: ExitFacts) -> float:
    """Seconds after an exit whose fate is not known before another may follow.

    A whole close of what is all ours can't sell too much. One of a shared position waits until
    the lost one can't land any more. A reduction can wait for the whole proof: its stop stands.
    """
    if _may_close_all(facts):
        return 0.0
    return LANDING_S if facts.target == 0 else PROOF_S


def _may_close_all(facts: ExitFacts) -> bool:
    """Whether nothing of the position can be anybody else's, so that all of it may go."""
    if facts.target > 0 or facts.awaited > 0 or facts.shared:
        return False
    return facts.position_qty is not None and facts.position_qty <= facts.open_qty


def retry_pause(attempts: int) -> float:
    """Seconds between the newest of ``attempts`` exits and the next one."""
    return RETRY_AFTER_S[min(attempts, len(RETRY_AFTER_S) - 1)]


def _bounded(qty: Decimal, most: Decimal | None) -> Decimal:
    return qty if most is None else min(qty, most)


# --- The stop of a position ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Levels:
    """Stop and target of a position; None is not set."""

    stop: Decimal | None
    target: Decimal | None


@dataclass(frozen=True, slots=True)
class StopHistory:
    """What was seen of a stop so far. ``confirmed`` says that the wanted levels have been read
    back; ``moved`` are levels of somebody else, first read at ``moved_at_s``."""

    confirmed: bool = False
    missing_since_s: float | None = None
    refusals: int = 0
    moved: Levels | None = None
    moved_at_s: float = 0.0

    def refused(self) -> StopHistory:
        """After the venue refused the wanted levels once more."""
        return replace(self, refusals=self.refusals + 1)

    @property
    def spent(self) -> bool:
        """Whether the wanted levels were refused too often to be tried once more."""
        return self.refusals >= MAX_REFUSALS

    def taken(self) -> StopHistory:
        """After the venue took the wanted levels."""
        return replace(self, refusals=0)


@dataclass(frozen=True, slots=True)
class StopBounds:
    """Where a stop that somebody moved is acceptable. ``own`` are stops that we wanted before: a
    venue that shows one of them shows it late."""

    side: Side
    avg_entry: Decimal
    max_distance: Decimal
    own: frozenset[Decimal] = frozenset()

    def allow(self, levels: Levels) -> bool:
        """A stop within the maximum distance, and a target beyond it and beyond the entry. That the
        stop is on the losing side of the price the venue has seen to."""
        stop, target, sign = levels.stop, levels.target, self.side.sign
        if stop is None or target is None or stop in self.own:
            return False
        near_enough = (self.avg_entry - stop) * sign <= self.max_distance
        return near_enough and (target - stop) * sign > 0 and (target - self.avg_entry) * sign > 0


class StopAnswer(StrEnum):
    """``WAIT``: covered by a stop that somebody else may have moved, to be read once more."""

    CONFIRMED = "confirmed"
    WAIT = "wait"
    SET_AGAIN = "set_again"
    ADOPT = "adopt"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True)
class StopCheck:
    """What to do now, the history to remember, and why in words."""

    answer: StopAnswer
    history: StopHistory
    why: str = ""


def check_stop(
    wanted: Levels,
    seen: Levels,
    history: StopHistory,
    now_s: float,
    bounds: StopBounds | None = None,
) -> StopCheck:
    """Compare the levels of an open position with those we want.

    A missing stop is set again, every time; after five seconds in which it was seen missing, or
    after two refusals, the position is given up, to be closed at market. Levels that had been
    confirmed and stand elsewhere were moved by somebody: read twice and within ``bounds`` they are
    adopted, else ours are set again. Without bounds nothing is adopted.
    """
    if seen == wanted:
        return StopCheck(StopAnswer.CONFIRMED, StopHistory(confirmed=True))
    if seen.stop is None:
        missing_since_s = now_s if history.missing_since_s is None else history.missing_since_s
        history = replace(history, missing_since_s=missing_since_s, moved=None)
        if now_s - missing_since_s >= NAKED_LIMIT_S:
            return StopCheck(StopAnswer.GIVE_UP, history, "it had no stop for 5 s")
        return _set_again(history, "it was missing")
    history = replace(history, missing_since_s=None)
    if not history.confirmed or bounds is None or not bounds.allow(seen):
        return _set_again(replace(history, moved=None), "it stood elsewhere")
    if history.moved != seen:
        return StopCheck(StopAnswer.WAIT, replace(history, moved=seen, moved_at_s=now_s))
    if now_s - history.moved_at_s < MOVED_APART_S:
        return StopCheck(StopAnswer.WAIT, history)
    return StopCheck(StopAnswer.ADOPT, StopHistory(confirmed=True), "it was moved elsewhere")


def _set_again(history: StopHistory, why: str) -> StopCheck:
    if history.spent:
        return StopCheck(StopAnswer.GIVE_UP, history, "its stop was refused twice")
    return StopCheck(StopAnswer.SET_AGAIN, history, why)


# --- May an entry leave? ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What decides whether any entry of the account may leave now. ``unresolved`` are symbols
    with an order whose fate is unknown; ``doubts`` are sentences of venue and market;
    ``lease_left_s`` and ``quote_age_s`` are None where they are not asked about."""

    reconciled: bool
    unresolved: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    halted: str = ""
    deaf: bool = False
    clock_offset_ms: int | None = None
    quote_age_s: float | None = None
    lease_left_s: float | None = None
    kill: str = ""


def entry_gate(facts: EntryFacts) -> tuple[str, ...]:
    """Reasons for which no entry may leave, in words; none is a yes. Unknown fails closed."""
    asked = (
        (bool(facts.kill), facts.kill),
        (facts.deaf, "the exchange does not answer"),
        (bool(facts.halted), facts.halted),
        (not facts.reconciled, "not reconciled with the exchange yet"),
        (
            abs(facts.clock_offset_ms or 0) > CLOCK_LIMIT_MS,
            f"the clock is {facts.clock_offset_ms} ms off the exchange's",
        ),
        (
            facts.quote_age_s is not None and facts.quote_age_s > QUOTE_LIMIT_S,
            f"the price is {facts.quote_age_s} s old",
        ),
        (
            facts.lease_left_s is not None and facts.lease_left_s < LEASE_MARGIN_S,
            "the lease has too little time left",
        ),
    )
    found = [text for applies, text in asked if applies]
    found += [f"order of {symbol} unresolved" for symbol in facts.unresolved]
    return tuple(dict.fromkeys([*found, *facts.doubts]))
