"""From one market time to another: what happened in between, put through the engine in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from exchange.domain import FundingEvent, Instrument, PriceStep
from exchange.paper.engine import apply
from exchange.paper.state import Outcome, PaperState
from exchange.ports import MarketData


def advance(
    state: PaperState, market: MarketData, now: datetime, instruments: Mapping[str, Instrument]
) -> Outcome:
    """Walk the symbols with an order or a position up to ``now``, interleaved in time.

    The changes come oldest first. Raises ``MarketDataError`` where the market has no prices.
    """
    moment, outcomes = state, []
    for event in _events(state, market, now):
        outcome = apply(moment, event, instruments)
        moment = outcome.state
        if outcome.orders or outcome.executions or outcome.ledger:
            outcomes.append(outcome)
    return _joined(replace(moment, advanced_to=now), outcomes)


def _events(
    state: PaperState, market: MarketData, now: datetime
) -> Iterator[PriceStep | FundingEvent]:
    start = state.advanced_to
    sources: list[Iterator[PriceStep | FundingEvent]] = []
    for symbol in sorted(state.symbols_of_interest()):
        sources.append(iter(market.steps(symbol, start, now)))
        sources.append(iter(market.funding(symbol, start, now)))
    return heapq.merge(*sources, key=_due)


def _due(event: PriceStep | FundingEvent) -> tuple[datetime, int]:
    """Funding goes to who holds a position at its time: after the step that ends then."""
    return (event.end, 0) if isinstance(event, PriceStep) else (event.time, 1)


def _joined(state: PaperState, outcomes: list[Outcome]) -> Outcome:
    """One outcome of many. Steps of two symbols overlap, so their changes are sorted by time."""
    orders = [order for outcome in outcomes for order in outcome.orders]
    executions = [one for outcome in outcomes for one in outcome.executions]
    ledger = [one for outcome in outcomes for one in outcome.ledger]
    return Outcome(
        state,
        tuple(sorted(orders, key=lambda order: order.updated_at)),
        tuple(sorted(executions, key=lambda one: one.time)),
        tuple(sorted(ledger, key=lambda one: one.time)),
    )
