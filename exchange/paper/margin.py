"""Isolated margin of the paper venue: what is bound and what is free."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from exchange.domain import ZERO, Instrument, quantise
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


def available(state: PaperState, instruments: Mapping[str, Instrument]) -> Decimal:
    """Wallet less the margin of positions (at entry) and working orders; may be negative."""
    positions = sum(
        (one.cost / state.leverage_of(one.symbol) for one in state.positions.values()), ZERO
    )
    orders = sum(
        (order_margin(one, state, instruments[one.symbol]) for one in state.orders.values()), ZERO
    )
    return quantise(state.wallet - positions - orders)
