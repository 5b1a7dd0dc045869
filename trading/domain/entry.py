"""Which order an entry becomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import Instrument, OrderType, Quote, TimeInForce
from trading.domain.settings import BotSettings


@dataclass(frozen=True, slots=True)
class EntryOrder:
    """The order an entry becomes. ``price`` is its limit, ``worst_price`` the worst fill."""

    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    worst_price: Decimal


def entry_order(
    direction: Direction,
    entry: Decimal,
    stop: Decimal,
    atr: Decimal,
    quote: Quote,
    instrument: Instrument,
    settings: BotSettings,
) -> EntryOrder | None:
    """Limit GTC on the pullback side, limit IOC near the market, None beyond the market."""
    rules = settings.rules
    away = (quote.last - entry) * direction.sign
    if away > rules.near_entry_atr * atr:
        return EntryOrder(OrderType.LIMIT, TimeInForce.GTC, entry, entry)
    if away < -rules.near_entry_atr * atr:
        return None
    touch = quote.ask if direction is Direction.LONG else quote.bid
    slip = min(touch * rules.max_slip_share, abs(touch - stop) * rules.max_slip_of_stop)
    if direction is Direction.LONG:
        limit = instrument.floor_price(touch + slip)
    else:
        limit = instrument.ceil_price(touch - slip)
    return EntryOrder(OrderType.LIMIT, TimeInForce.IOC, limit, limit)
