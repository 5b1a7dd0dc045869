"""Which order an entry becomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import Instrument, OrderType, Quote, TimeInForce
from trading.domain.settings import BotSettings, SignalRules


@dataclass(frozen=True, slots=True)
class EntryOrder:
    """The order an entry becomes. ``price`` is its limit, ``worst_price`` the worst fill. With a
    ``trigger_price`` the venue sends it only when the last price gets there."""

    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    worst_price: Decimal
    trigger_price: Decimal | None = None


def entry_order(
    direction: Direction,
    entry: Decimal,
    stop: Decimal,
    atr: Decimal,
    quote: Quote,
    instrument: Instrument,
    settings: BotSettings,
) -> EntryOrder | None:
    """Limit GTC on the pullback side, limit IOC near the market. Beyond the market a conditional
    limit IOC that waits for the entry price, or None where the bot takes no breakouts."""
    rules = settings.rules
    away = (quote.last - entry) * direction.sign
    if away > rules.near_entry_atr * atr:
        return EntryOrder(OrderType.LIMIT, TimeInForce.GTC, entry, entry)
    touch = quote.ask if direction is Direction.LONG else quote.bid
    if away >= -rules.near_entry_atr * atr:
        limit = _slipped(direction, touch, stop, instrument, rules)
        return EntryOrder(OrderType.LIMIT, TimeInForce.IOC, limit, limit)
    if not settings.entries.breakout_entries:
        return None
    # When last trades at the entry, the other side of the book is as far from it as now.
    limit = _slipped(direction, entry + (touch - quote.last), stop, instrument, rules)
    return EntryOrder(OrderType.LIMIT, TimeInForce.IOC, limit, limit, trigger_price=entry)


def _slipped(
    direction: Direction,
    touch: Decimal,
    stop: Decimal,
    instrument: Instrument,
    rules: SignalRules,
) -> Decimal:
    """The limit of an order that takes at ``touch``: min(0.05 %, 5 % of the stop distance) on."""
    slip = min(touch * rules.max_slip_share, abs(touch - stop) * rules.max_slip_of_stop)
    if direction is Direction.LONG:
        return instrument.floor_price(touch + slip)
    return instrument.ceil_price(touch - slip)
