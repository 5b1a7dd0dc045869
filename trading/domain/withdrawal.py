"""Whether a working entry would still be let in by the rules of the account as they are now."""

from __future__ import annotations

from datetime import timedelta

from exchange.domain import Quote
from exchange.ports import MarketFacts
from trading.choices import CancelReason
from trading.domain.filters import MarketView, signal_rules, symbol_rules
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.protections import RULES as PROTECTIONS
from trading.domain.protections import SIDE_SUFFIX
from trading.domain.risk import direction_rules, gate, money_rules
from trading.domain.settings import BotSettings
from trading.domain.verdict import Verdict, first_failure

SPREAD_PATIENCE = timedelta(seconds=30)
BLACKOUT_RULE = "blackout"
# What takes back an entry that is working already, whenever it trips.
GUARDS = frozenset(
    {
        BLACKOUT_RULE,
        "daily_loss",
        "weekly_loss",
        "drawdown",
        "consecutive_losses",
        *PROTECTIONS.values(),
        *(f"{rule}{SIDE_SUFFIX}" for rule in PROTECTIONS.values()),
    }
)
# What takes it back when somebody lowers it; equity moves these as well, and that alone must not.
SIZES = frozenset({"open_risk", "same_direction_risk", "position_notional", "gross_exposure"})
COUNTS = frozenset({"slots", "bot_slots", "same_direction", "bot_same_direction", "group"})
SPREADS = frozenset({"spread", "spread_of_stop"})


def no_longer_let_in(
    entry: Exposure, rest: Portfolio, settings: BotSettings, *, lowered: bool
) -> Verdict | None:
    """The rule that would refuse ``entry`` now; ``rest`` is what the account holds beside it.
    Limits are asked only where they were ``lowered`` since the entry was let in."""
    asked = set(GUARDS)
    if lowered:
        asked |= SIZES
        if all(held.symbol != entry.symbol for held in rest.exposures):
            asked |= COUNTS
    verdicts = (
        *gate(entry.symbol, rest, settings),
        *direction_rules(entry.symbol, entry.direction, rest, settings),
        *money_rules(entry, rest, settings),
    )
    return first_failure(verdict for verdict in verdicts if verdict.rule in asked)


def withdrawal_reason(verdict: Verdict) -> CancelReason:
    """What the entry is said to have been taken back for."""
    return CancelReason.BLACKOUT if verdict.rule == BLACKOUT_RULE else CancelReason.GUARD


def spread_too_wide(
    entry: Exposure, quote: Quote, facts: MarketFacts, settings: BotSettings
) -> bool:
    """Whether the filters would refuse the spread as it is now."""
    view = MarketView(symbol=entry.symbol, time=quote.time, facts=facts, quote=quote)
    verdicts = (
        *symbol_rules(view, settings),
        *signal_rules(entry.direction, abs(entry.price - entry.stop_loss), view, settings),
    )
    return any(one.passed is False for one in verdicts if one.rule in SPREADS)
