"""Time passing: the price path is walked, and what it reaches happens in its order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from decimal import Decimal

from tests.simulators.bybit import levels
from tests.simulators.bybit.accounts import Account
from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.funding import pay_funding, settle_symbol
from tests.simulators.bybit.liquidation import is_lost, liquidate
from tests.simulators.bybit.matching import make, position_of, set_market_bound, take
from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import ZERO
from tests.simulators.bybit.venue import Venue

# In one millisecond the price comes first, then funding, then the end of a symbol.
PRICE, FUNDING, DELISTING = range(3)
Happening = tuple[int, int, str, Decimal]


def walk(venue: Venue, since_ms: int, until_ms: int) -> None:
    """Let everything happen that prices and time cause in (since_ms, until_ms]."""
    active = sorted({s for each in venue.accounts.values() for s in each.active_symbols()})
    streams: list[Iterable[Happening]] = []
    for symbol in active:
        streams.append(_prices(venue, symbol, since_ms, until_ms))
        streams.append(_fundings(venue, symbol, since_ms, until_ms))
        ends_ms = venue.delisting_ms.get(symbol, 0)
        if since_ms < ends_ms <= until_ms:
            streams.append([(ends_ms, DELISTING, symbol, ZERO)])
    for ms, what, symbol, price in heapq.merge(*streams):
        venue.now_ms = ms
        for account in list(venue.accounts.values()):
            _happen(venue, account, what, symbol, price)
    venue.now_ms = until_ms


def _prices(venue: Venue, symbol: str, since_ms: int, until_ms: int) -> Iterator[Happening]:
    for ms, price in venue.prices.path(symbol, since_ms, until_ms):
        yield ms, PRICE, symbol, price


def _fundings(venue: Venue, symbol: str, since_ms: int, until_ms: int) -> Iterator[Happening]:
    interval = venue.rules[symbol].funding_interval_min * 60_000
    for ms in range((since_ms // interval + 1) * interval, until_ms + 1, interval):
        yield ms, FUNDING, symbol, ZERO


def _happen(venue: Venue, account: Account, what: int, symbol: str, price: Decimal) -> None:
    if what == PRICE:
        meet_price(venue, account, symbol, price)
    elif what == FUNDING:
        pay_funding(venue, account, symbol)
    else:
        settle_symbol(venue, account, symbol)


def meet_price(venue: Venue, account: Account, symbol: str, price: Decimal) -> None:
    """Let one price reach one account: liquidation, levels, conditional orders, resting orders."""
    if venue.is_delisted(symbol):
        return
    positions = account.open_positions(symbol)
    for position in positions:
        if position.size and is_lost(venue, account, position):
            liquidate(venue, account, position)
    orders = account.open_orders_of(symbol)
    if not orders:
        return
    seen = {by: venue.price_by(symbol, by) for by in {o.trigger_by for o in orders} if by}
    seen["LastPrice"] = price
    for position in positions:
        while level := levels.triggered_level(seen, position):
            _close_at_level(venue, account, position, level)
        if position.trailing_stop is not None:
            _trail(venue, account, position.trailing_stop, price)
    for order in orders:
        _meet_order(venue, account, order, price, seen)


def _meet_order(
    venue: Venue, account: Account, order: Order, price: Decimal, seen: dict[str, Decimal]
) -> None:
    """Let prices reach one order; levels belong to their position and were looked at before."""
    if order.status == "Untriggered":
        if not order.is_level and order.is_triggered_by(seen[order.trigger_by]):
            trigger(venue, account, order, price)
    elif order.is_open and order.is_crossed_by(price):
        batch = Batch(venue, account, order.symbol)
        make(batch, order)
        batch.close()


def _trail(venue: Venue, account: Account, level: Order, price: Decimal) -> None:
    before = level.trigger_price
    batch = Batch(venue, account, level.symbol)
    levels.trail(batch, level, price)
    if level.trigger_price != before:
        batch.close()


def _close_at_level(venue: Venue, account: Account, position: Position, level: Order) -> None:
    """Close at the price that is there now, however far beyond the level."""
    batch = Batch(venue, account, position.symbol)
    levels.release(batch, position, level)
    set_market_bound(venue, level)
    take(batch, level, venue.last(position.symbol))
    batch.close()


def trigger(venue: Venue, account: Account, order: Order, price: Decimal) -> None:
    """Turn a conditional order into a live one."""
    batch = Batch(venue, account, order.symbol)
    position = position_of(venue, account, order)
    room = position.closable_by(order.direction)
    order.create_type = "CreateByStopOrder"
    value = (order.leaves - room) * (order.price or price)
    if (
        not order.reduce_only
        and value > 0
        and account.cost(order.symbol, value) > account.free_margin(venue.mark)
    ):
        order.end("Cancelled", reason="EC_NoEnoughQtyToFill")
        batch.order(order, "cancelled")
        batch.close()
        return
    order.status = "New"
    if order.order_type == "Market":
        set_market_bound(venue, order)
    enter_book(batch, order, price)
    batch.close()


def enter_book(batch: Batch, order: Order, price: Decimal) -> None:
    """Match an order that has just become live, or rest it."""
    if order.order_type == "Market":
        take(batch, order, price)
    elif not order.is_crossed_by(price):
        if order.time_in_force in ("IOC", "FOK"):
            order.end("Cancelled", reason="EC_NoImmediateQtyToFill")
        batch.order(order, order.status.lower())
    elif order.time_in_force == "PostOnly":
        order.end(batch.venue.profile.post_only_end, reason="EC_PostOnlyWillTakeLiquidity")
        batch.order(order, "cancelled")
    else:
        take(batch, order, price)
