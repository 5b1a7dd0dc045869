"""Market filters: is this market, right now, one to enter at all?

A fact that a market never gives makes its filter not applicable, and says so; a fact that it
gives and that is missing now fails the symbol.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from analysis.domain import Direction
from exchange.domain import ZERO, Instrument, Quote, Ticker
from exchange.ports import MarketFacts
from trading.domain.filter_settings import FiltersInvalid, MarketFilters
from trading.domain.filters_moves import btc_move, shock, shock_factors
from trading.domain.verdict import Factor, Verdict, number, percent

if TYPE_CHECKING:
    from trading.domain.settings import BotSettings

__all__ = [
    "FiltersInvalid",
    "MarketFilters",
    "MarketView",
    "funding_cost",
    "market_factors",
    "signal_rules",
    "size_rules",
    "symbol_rules",
]

NO_WAIT = timedelta(0)


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known of a symbol's market at one instant; None is missing or never given, which
    ``facts`` and ``gives_btc`` tell apart.

    ``hourly_turnover`` is the median of the last hours in USDT; ``bar_sizes`` are the true ranges
    of the newest bars of the bot's timeframe, oldest first, in ATR14 of the bar before each;
    ``btc_move`` is the widest range of Bitcoin's price lately, a share of its low.
    """

    symbol: str
    time: datetime
    facts: MarketFacts
    instrument: Instrument | None = None
    quote: Quote | None = None
    ticker: Ticker | None = None
    hourly_turnover: Decimal | None = None
    bar_sizes: tuple[Decimal, ...] | None = None
    gives_btc: bool = False
    btc_move: Decimal | None = None


def symbol_rules(view: MarketView, settings: BotSettings) -> tuple[Verdict, ...]:
    """Every filter that needs no signal, asked before anything is paid for."""
    filters = settings.filters
    return (
        _spread(view, filters),
        _turnover(view, filters),
        _listing_age(view, filters),
        _symbol_status(view),
        _funding_rate(view, filters),
        shock(view.bar_sizes, view.facts.candles, filters),
        btc_move(view.btc_move, view.gives_btc, filters),
    )


def signal_rules(
    direction: Direction, stop_distance: Decimal, view: MarketView, settings: BotSettings
) -> tuple[Verdict, ...]:
    """Filters that need the side and the distance of the stop, in USDT per unit."""
    return (
        _spread_of_stop(stop_distance, view, settings.filters),
        _funding_due(direction, view, settings.filters),
    )


def size_rules(notional: Decimal, view: MarketView, settings: BotSettings) -> tuple[Verdict, ...]:
    """Filters that need the size of the position, in USDT."""
    limit = percent(settings.filters.max_turnover_share)
    if not view.facts.turnover:
        return (_not_given("turnover_share", limit, "turnover"),)
    hourly = view.hourly_turnover
    if hourly is None:
        return (_missing("turnover_share", limit, "The turnover of the last hours"),)
    if hourly <= 0:
        return (Verdict("turnover_share", False, "–", limit, "Nothing was traded lately."),)
    share = notional / hourly
    return (
        Verdict(
            "turnover_share",
            share <= settings.filters.max_turnover_share,
            percent(share, 3),
            limit,
            f"The position would be {percent(share, 3)} of what is traded in an hour.",
        ),
    )


def market_factors(view: MarketView, settings: BotSettings) -> tuple[Factor, ...]:
    """What the market takes off the size."""
    return shock_factors(view.bar_sizes, settings.filters)


def funding_cost(direction: Direction, view: MarketView, hold: timedelta | None) -> Decimal:
    """The share of the entry price that funding takes within ``hold``, from the rate as it is
    now; 0 where rate or hold are not known. What funding would pay us is not counted."""
    ticker, instrument = view.ticker, view.instrument
    if hold is None or ticker is None or instrument is None:
        return ZERO
    rate, due = ticker.funding_rate, ticker.next_funding
    if rate is None or due is None or due > view.time + hold:
        return ZERO
    settlements = 1 + (view.time + hold - due) // instrument.funding_interval
    return max(ZERO, rate * direction.sign) * settlements


def _not_given(rule: str, limit: str, fact: str) -> Verdict:
    return Verdict(rule, None, "–", limit, f"Not applicable: this market never tells its {fact}.")


def _missing(rule: str, limit: str, fact: str) -> Verdict:
    return Verdict(rule, False, "missing", limit, f"{fact} is not known now.")


def _spread(view: MarketView, filters: MarketFilters) -> Verdict:
    limit = percent(filters.max_spread, 3)
    if not view.facts.spread:
        return _not_given("spread", limit, "spread")
    quote = view.quote
    if quote is None:
        return _missing("spread", limit, "The spread")
    share = (quote.ask - quote.bid) / quote.last
    value = percent(share, 3)
    text = f"The spread is {value} of the price."
    return Verdict("spread", share <= filters.max_spread, value, limit, text)


def _spread_of_stop(stop_distance: Decimal, view: MarketView, filters: MarketFilters) -> Verdict:
    limit = percent(filters.max_spread_of_stop, 1)
    if not view.facts.spread:
        return _not_given("spread_of_stop", limit, "spread")
    quote = view.quote
    if quote is None:
        return _missing("spread_of_stop", limit, "The spread")
    if stop_distance <= 0:
        text = "The stop is no distance away."
        return Verdict("spread_of_stop", False, "–", limit, text)
    share = (quote.ask - quote.bid) / stop_distance
    value = percent(share, 1)
    text = f"The spread is {value} of the way to the stop."
    passed = share <= filters.max_spread_of_stop
    return Verdict("spread_of_stop", passed, value, limit, text)


def _turnover(view: MarketView, filters: MarketFilters) -> Verdict:
    limit = _millions(filters.min_turnover_24h)
    if not view.facts.turnover:
        return _not_given("turnover", limit, "turnover")
    amount = view.ticker.turnover_24h if view.ticker else None
    if amount is None:
        return _missing("turnover", limit, "The turnover of 24 hours")
    text = f"{_millions(amount)} were traded in 24 hours."
    passed = amount >= filters.min_turnover_24h
    return Verdict("turnover", passed, _millions(amount), limit, text)


def _listing_age(view: MarketView, filters: MarketFilters) -> Verdict:
    limit = f"{filters.min_listed_days} days"
    if not view.facts.listing:
        return _not_given("listing_age", limit, "day of listing")
    listed_at = view.ticker.listed_at if view.ticker else None
    if listed_at is None:
        return _missing("listing_age", limit, "The day of listing")
    age = view.time - listed_at
    passed = age >= timedelta(days=filters.min_listed_days)
    text = f"{view.symbol} has been listed for {age.days} days."
    return Verdict("listing_age", passed, f"{age.days} days", limit, text)


def _symbol_status(view: MarketView) -> Verdict:
    wanted = "trading"
    found = view.instrument
    if found is None:
        return _missing("symbol_status", wanted, "Whether the exchange trades it")
    if found.delisting_at is not None:
        text = f"{view.symbol} will be delisted at {found.delisting_at:%Y-%m-%d %H:%M} UTC."
        return Verdict("symbol_status", False, "delisting", wanted, text)
    if not found.tradable:
        text = f"The exchange takes no new positions in {view.symbol}."
        return Verdict("symbol_status", False, "closed", wanted, text)
    return Verdict("symbol_status", True, wanted, wanted, f"{view.symbol} is traded.")


def _funding_rate(view: MarketView, filters: MarketFilters) -> Verdict:
    limit = percent(filters.funding_off, 3)
    if not view.facts.funding:
        return _not_given("funding_rate", limit, "funding")
    rate = view.ticker.funding_rate if view.ticker else None
    if rate is None:
        return _missing("funding_rate", limit, "The funding rate")
    value = percent(rate, 3)
    text = f"The funding rate is {value}."
    return Verdict("funding_rate", abs(rate) < filters.funding_off, value, limit, text)


def _funding_due(direction: Direction, view: MarketView, filters: MarketFilters) -> Verdict:
    minutes = filters.funding_minutes
    limit = f"{percent(filters.funding_to_pay, 3)} in {minutes} minutes"
    if not view.facts.funding:
        return _not_given("funding_due", limit, "funding")
    rate = view.ticker.funding_rate if view.ticker else None
    due = view.ticker.next_funding if view.ticker else None
    if rate is None or due is None:
        return _missing("funding_due", limit, "The next funding")
    to_pay, wait = rate * direction.sign, max(due - view.time, NO_WAIT)
    waits = f"{number(Decimal(round(wait.total_seconds())) / 60, 0)} minutes"
    passed = wait > filters.funding_quiet or to_pay < filters.funding_to_pay
    what = f"pays {percent(to_pay, 3)}" if to_pay > 0 else f"is paid {percent(-to_pay, 3)}"
    text = f"A {direction} {what} at the funding in {waits}."
    return Verdict("funding_due", passed, f"{percent(to_pay, 3)} in {waits}", limit, text)


def _millions(amount: Decimal) -> str:
    return f"{number(amount / 1_000_000, 1)} M USDT"
