"""Stored orders and signals as entries that can be followed."""

from __future__ import annotations

from exchange.domain import OrderType, Side, TimeInForce
from trading.backtest.followed import FollowedEntry
from trading.choices import OrderRole
from trading.domain.invalidation import Invalidation
from trading.models import Order, Trade


def entry_of_trade(trade: Trade) -> FollowedEntry | None:
    """The entry of a trade as it was sent; None for a trade without one, such as an adopted
    position."""
    order: Order | None = trade.orders.filter(role=OrderRole.ENTRY).first()
    if order is None:
        return None
    return FollowedEntry(
        symbol=trade.symbol,
        side=Side(trade.side),
        qty=order.qty,
        stop_loss=trade.initial_stop,
        take_profit=trade.initial_target,
        placed_at=order.created_market,
        order_type=OrderType(order.order_type),
        time_in_force=TimeInForce(order.time_in_force),
        price=order.price,
        leverage=trade.leverage,
        planned_risk=trade.planned_risk,
        expires_at=order.expires_market,
        invalidation=Invalidation.from_json(trade.invalidation),
    )
