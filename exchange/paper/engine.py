"""The paper venue as a pure function: state and event in, state and reports out.

No clock, no randomness, no storage. Backtests call it bare; ``exchange.paper.ledger`` keeps it.
Client ids of final orders are the keeper's to remember: the state holds working orders only.
Margin is isolated: a position whose loss eats its margin down to the maintenance rate is
liquidated, and loses no more than that margin and the fee.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from exchange.domain import FundingEvent, Instrument, PriceStep, Side
from exchange.paper import commands
from exchange.paper.book import Book
from exchange.paper.margin import liquidates
from exchange.paper.matching import StepMatcher
from exchange.paper.state import (
    Cancel,
    OpenPosition,
    Outcome,
    PaperEvent,
    PaperState,
    Place,
    SetTradingStop,
)


def apply(state: PaperState, event: PaperEvent, instruments: Mapping[str, Instrument]) -> Outcome:
    """What ``event`` makes of ``state``.

    ``instruments`` holds the rules of every symbol with an order or a position. A command that
    the venue refuses gives an unchanged state and a ``refusal``.
    """
    if isinstance(event, PriceStep):
        return _step(state, event, instruments)
    if isinstance(event, FundingEvent):
        book = Book(state)
        book.settle_funding(event)
        return book.outcome(advanced_to=event.time)
    if isinstance(event, Place):
        return commands.place(state, event, instruments)
    if isinstance(event, Cancel):
        return commands.cancel(state, event)
    if isinstance(event, SetTradingStop):
        return commands.set_trading_stop(state, event, instruments)
    return commands.set_leverage(state, event, instruments)


def _step(state: PaperState, step: PriceStep, instruments: Mapping[str, Instrument]) -> Outcome:
    if not _concerns(state, step, instruments):
        return Outcome(replace(state, advanced_to=max(step.end, state.advanced_to)))
    book = Book(state)
    leverage = state.leverage_of(step.symbol)
    StepMatcher(book, step, instruments[step.symbol], leverage).run()
    return book.outcome(advanced_to=step.end)


def _concerns(state: PaperState, step: PriceStep, instruments: Mapping[str, Instrument]) -> bool:
    """Whether the step can change anything: most steps of an open position can't."""
    if any(order.symbol == step.symbol for order in state.orders.values()):
        return True
    position = state.positions.get(step.symbol)
    if position is None:
        return False
    leverage = state.leverage_of(step.symbol)
    return _reaches(step, position) or liquidates(
        step, position, leverage, instruments[step.symbol]
    )


def _reaches(step: PriceStep, position: OpenPosition) -> bool:
    """Whether a level lies within the step, or was jumped over at its open."""
    below, above = position.stop_loss, position.take_profit
    if position.side is Side.SELL:
        below, above = above, below
    return (below is not None and step.low <= below) or (above is not None and step.high >= above)
