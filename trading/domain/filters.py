"""Market filters: is this market, right now, one to enter at all?

A fact that a market never gives makes its filter not applicable, and says so; a fact that it
gives and that is missing now fails the symbol.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from exchange.domain import Quote, Ticker
from exchange.ports import MarketFacts
from trading.domain.verdict import Factor, Verdict, percent

if TYPE_CHECKING:
    from trading.domain.settings import BotSettings
    from trading.domain.signal import Proposal


@dataclass(frozen=True, slots=True)
class MarketFilters:
    """Thresholds of the filters; shares are 0..1."""

    max_spread: Decimal = Decimal("0.0005")


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known of a symbol's market at one instant; None is missing or never given, which
    ``facts`` tell apart."""

    symbol: str
    time: datetime
    facts: MarketFacts
    quote: Quote | None = None
    ticker: Ticker | None = None


def symbol_rules(view: MarketView, settings: BotSettings) -> tuple[Verdict, ...]:
    """Every filter that needs no signal, asked before anything is paid for."""
    return (_spread(view, settings.filters),)


def signal_rules(
    proposal: Proposal, view: MarketView, settings: BotSettings
) -> tuple[Verdict, ...]:
    """Filters that need the proposal's side and prices."""
    return ()


def market_factors(view: MarketView, settings: BotSettings) -> tuple[Factor, ...]:
    """What the market takes off the size."""
    return ()


def _spread(view: MarketView, filters: MarketFilters) -> Verdict:
    limit = percent(filters.max_spread, 3)
    if not view.facts.spread:
        return Verdict("spread", None, "–", limit, "Not applicable: this market shows no spread.")
    quote = view.quote
    if quote is None:
        return Verdict("spread", False, "missing", limit, "No quote, so the spread is not known.")
    share = (quote.ask - quote.bid) / quote.last
    value = percent(share, 3)
    return Verdict(
        "spread", share <= filters.max_spread, value, limit, f"The spread is {value} of the price."
    )
