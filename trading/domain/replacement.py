"""A better signal for the slot of an entry that waits: when it may have it, and when it gets it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from exchange.domain import ZERO
from trading.choices import OrderState
from trading.domain.order import FINAL
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.settings import BotSettings
from trading.domain.verdict import Verdict, percent

RULE = "replacement"
# Seconds of wall time within which the old entry must be known to be gone, and empty.
PATIENCE_S = 5.0
CERTAIN = Decimal(1)


class Exchanged(StrEnum):
    """What becomes of the new signal while the old entry is taken back."""

    PLACE = "place"
    WAIT = "wait"
    DROP = "drop"


def replaceable(
    symbol: str, confidence: Decimal, portfolio: Portfolio, settings: BotSettings
) -> Exposure | None:
    """The entry whose slot a signal of ``symbol`` may have: where the slots are full, the least
    confident of the same bot's wholly unfilled entries, if it is worse by ``min_improvement`` and
    its slot is the one that is missing."""
    entries = settings.entries
    if not entries.replacement or not _full(portfolio, settings):
        return None
    filled = {held.symbol for held in portfolio.exposures if not held.working}
    worse = [
        (held.confidence, held.symbol, held)
        for held in portfolio.exposures
        if held.working
        and held.bot_id == portfolio.bot_id
        and held.symbol not in (symbol, *filled)
        and held.confidence is not None
        and confidence - held.confidence >= entries.min_improvement
    ]
    if not worse:
        return None
    least = min(worse, key=lambda item: item[:2])[2]
    return None if _full(portfolio.without_entry(least.symbol), settings) else least


def _full(portfolio: Portfolio, settings: BotSettings) -> bool:
    own = settings.own.max_slots
    if own is not None and len({item.symbol for item in portfolio.own()}) >= own:
        return True
    return portfolio.slots_used >= settings.limits.max_slots


def at_best(symbol: str, portfolio: Portfolio, settings: BotSettings) -> Portfolio:
    """The portfolio that the best imaginable signal of ``symbol`` would meet."""
    old = replaceable(symbol, CERTAIN, portfolio, settings)
    return portfolio if old is None else portfolio.without_entry(old.symbol)


def would_replace(confidence: Decimal, entry: Exposure, settings: BotSettings) -> Verdict:
    """The answer that lets such a signal through, and says so."""
    least = settings.entries.min_improvement + (entry.confidence or ZERO)
    known = percent(entry.confidence or ZERO, 1)
    return Verdict(
        RULE,
        True,
        percent(confidence, 1),
        percent(least, 1),
        f"Would replace the unfilled entry of {entry.symbol}, whose confidence is {known}.",
    )


def exchanged(
    state: OrderState, filled: Decimal, read_back: bool | None, waited_s: float
) -> Exchanged:
    """Whether the slot is free: the old entry's ``state`` and ``filled`` quantity as booked, and
    ``read_back``, which says that the venue shows it as final and empty (None: no answer)."""
    if filled > 0 or read_back is False:
        return Exchanged.DROP
    if state in FINAL and read_back:
        return Exchanged.PLACE
    return Exchanged.DROP if waited_s >= PATIENCE_S else Exchanged.WAIT
