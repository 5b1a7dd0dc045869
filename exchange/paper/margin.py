"""Isolated margin of the paper venue: what is bound and what is free."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from exchange.domain import ZERO, Instrument, PriceStep, Side, quantise
from exchange.paper.state import OpenPosition, PaperState, VenueOrder


def opening_qty(order: VenueOrder, position: OpenPosition | None) -> Decimal:
    """The part of an order's rest that would open or add instead of close."""
    if order.reduce_only:
        return ZERO
    if position is None or position.side is order.side:
        return order.remaining
    return max(ZERO, order.remaining - position.qty)


def order_margin(order: VenueOrder, state: PaperState, instrument: Instrument) -> Decimal:
    """Initial margin of the opening part at its reference price, and the taker fee to open."""
    opening = opening_qty(order, state.positions.get(order.symbol))
    value = opening * order.reference
    return value / state.leverage_of(order.symbol) + value * instrument.taker_fee


def liquidation_price(position: OpenPosition, leverage: Decimal, instrument: Instrument) -> Decimal:
    """The mark price at which the maintenance rate of the entry value is all that is left of the
    margin: entry x (1 - s x (1 / leverage - maintenance rate)), s = +1 long, -1 short."""
    share = 1 / leverage - instrument.maintenance_rate
    return position.cost / position.qty * (1 - position.side.sign * share)


def bankruptcy_price(position: OpenPosition, leverage: Decimal, instrument: Instrument) -> Decimal:
    """The last tick at which the loss is covered by the margin; never below one tick."""
    price = position.cost / position.qty * (1 - position.side.sign / leverage)
    if position.side is Side.BUY:
        return max(instrument.tick_size, instrument.ceil_price(price))
    return instrument.floor_price(price)


def liquidates(
    step: PriceStep, position: OpenPosition, leverage: Decimal, instrument: Instrument
) -> bool:
    """Whether the step's mark price, or its last price where the market has no mark, reaches the
    liquidation price."""
    level = liquidation_price(position, leverage, instrument)
    if position.side is Side.BUY:
        return (step.low if step.mark_low is None else step.mark_low) <= level
    return (step.high if step.mark_high is None else step.mark_high) >= level


def available(state: PaperState, instruments: Mapping[str, Instrument]) -> Decimal:
    """Wallet less the margin of positions (at entry) and working orders; may be negative."""
    positions = sum(
        (one.cost / state.leverage_of(one.symbol) for one in state.positions.values()), ZERO
    )
    orders = sum(
        (order_margin(one, state, instruments[one.symbol]) for one in state.orders.values()), ZERO
    )
    return quantise(state.wallet - positions - orders)
