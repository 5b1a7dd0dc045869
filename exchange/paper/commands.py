"""Commands to the paper venue: what it takes and what it refuses.

Each function returns a ``Refusal`` or books the command and returns None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from exchange.domain import ZERO, Instrument, OrderRequest, OrderType, Side, TimeInForce
from exchange.paper import margin
from exchange.paper.book import Book
from exchange.paper.state import (
    Cancel,
    OpenPosition,
    Outcome,
    PaperState,
    Place,
    Refusal,
    SetLeverage,
    SetTradingStop,
    VenueOrder,
)

LINK_ID_LENGTH = 36

Instruments = Mapping[str, Instrument]


def place(state: PaperState, event: Place, instruments: Instruments) -> Outcome:
    """Take an order into the book. It is acknowledged here and matched from the next step on."""
    request = event.request
    instrument = instruments.get(request.symbol)
    if instrument is None:
        return _refused(state, "unknown_symbol", f"There is no instrument {request.symbol}.")
    position = state.positions.get(request.symbol)
    refusal = (
        _check_link_id(state, request)
        or _check_reducing(request, position)
        or _check_prices(event, instrument)
        or _check_trigger(event, instrument)
        or _check_qty(event, instrument)
    )
    if refusal is not None:
        return Outcome(state, refusal=refusal)
    book = Book(state)
    order = _order(event, position, book.next_id("po"))
    needed = margin.order_margin(order, state, instrument)
    free = margin.available(state, instruments)
    if needed > max(free, ZERO):
        message = f"The order needs {needed:.2f} USDT of margin, {free:.2f} are available."
        return _refused(state, "insufficient_margin", message)
    book.put(order)
    return book.outcome(advanced_to=event.time)


def cancel(state: PaperState, event: Cancel) -> Outcome:
    """Take a working order out of the book."""
    order = state.order_by_link(event.order_link_id)
    if order is None or order.symbol != event.symbol:
        message = f"{event.symbol} has no working order {event.order_link_id}."
        return _refused(state, "order_not_open", message)
    book = Book(state)
    book.cancel(order, event.time)
    return book.outcome(advanced_to=event.time)


def set_trading_stop(state: PaperState, event: SetTradingStop, instruments: Instruments) -> Outcome:
    """Attach both levels to the open position. Only a level that changes is checked."""
    position = state.positions.get(event.symbol)
    if position is None:
        return _refused(state, "no_position", f"{event.symbol} has no open position.")
    stop = None if event.stop_loss == position.stop_loss else event.stop_loss
    target = None if event.take_profit == position.take_profit else event.take_profit
    refusal = _check_levels(
        position.side, stop, target, base=event.last, instrument=instruments[event.symbol]
    )
    if refusal is not None:
        return Outcome(state, refusal=refusal)
    changed = replace(
        position,
        stop_loss=event.stop_loss,
        take_profit=event.take_profit,
        updated_at=max(event.time, position.updated_at),
    )
    if (changed.stop_loss, changed.take_profit) == (position.stop_loss, position.take_profit):
        return Outcome(state)
    return Outcome(replace(state, positions={**state.positions, event.symbol: changed}))


def set_leverage(state: PaperState, event: SetLeverage, instruments: Instruments) -> Outcome:
    """Change the leverage of a symbol, also under an open position if its margin fits."""
    instrument = instruments.get(event.symbol)
    if instrument is None:
        return _refused(state, "unknown_symbol", f"There is no instrument {event.symbol}.")
    if event.leverage < 1:
        return _refused(state, "leverage_too_low", f"Leverage {event.leverage} is below 1.")
    if event.leverage > instrument.max_leverage:
        message = f"{event.symbol} allows leverage {instrument.max_leverage} at most."
        return _refused(state, "leverage_too_high", message)
    current = state.leverage_of(event.symbol)
    if event.leverage == current:
        return Outcome(state)
    changed = replace(state, leverage={**state.leverage, event.symbol: event.leverage})
    if event.leverage < current and margin.available(changed, instruments) < 0:
        message = f"The wallet does not cover {event.symbol} at leverage {event.leverage}."
        return _refused(state, "insufficient_margin", message)
    return Outcome(changed)


def _refused(state: PaperState, code: str, message: str) -> Outcome:
    return Outcome(state, refusal=Refusal(code, message))


def _check_link_id(state: PaperState, request: OrderRequest) -> Refusal | None:
    link_id = request.order_link_id
    if not 0 < len(link_id) <= LINK_ID_LENGTH:
        message = f"The order link id {link_id!r} does not have 1 to {LINK_ID_LENGTH} characters."
        return Refusal("link_id_invalid", message)
    if state.order_by_link(link_id) is not None:
        return Refusal("duplicate_link_id", f"The order link id {link_id} was used before.")
    return None


def _check_reducing(request: OrderRequest, position: OpenPosition | None) -> Refusal | None:
    if request.close_all and not request.reduce_only:
        return Refusal("reduce_only", "Closing everything is for reduce-only orders.")
    if request.reduce_only and (position is None or position.side is request.side):
        return Refusal("reduce_only", f"{request.symbol} has no position that this would reduce.")
    return None


def _check_prices(event: Place, instrument: Instrument) -> Refusal | None:
    request = event.request
    base = _reference(event)
    if request.order_type is OrderType.LIMIT:
        if request.price is None or request.price <= 0:
            return Refusal("price_missing", "A limit order needs a price above 0.")
        if base % instrument.tick_size:
            return _off_tick(base, instrument)
    if request.reduce_only:
        return None
    return _check_levels(
        request.side, request.stop_loss, request.take_profit, base=base, instrument=instrument
    )


def _check_trigger(event: Place, instrument: Instrument) -> Refusal | None:
    """A conditional order takes what it can once it is sent: one that would rest, or that only
    reduces, is none of ours."""
    request = event.request
    trigger = request.trigger_price
    if trigger is None:
        return None
    if request.reduce_only or _rests(request):
        message = "Only an entry that takes what it can at once may wait for a trigger."
        return Refusal("invalid_order", message)
    if trigger <= 0 or trigger % instrument.tick_size:
        return _off_tick(trigger, instrument)
    if (event.last - trigger) * request.side.sign >= 0:
        message = f"Not enough: the trigger {trigger} is already passed at {event.last}."
        return Refusal("trigger_passed", message)
    return None


def _rests(request: OrderRequest) -> bool:
    return request.order_type is OrderType.LIMIT and request.time_in_force is TimeInForce.GTC


def _check_levels(
    side: Side,
    stop: Decimal | None,
    target: Decimal | None,
    *,
    base: Decimal,
    instrument: Instrument,
) -> Refusal | None:
    for level in (stop, target):
        if level is not None and (level <= 0 or level % instrument.tick_size):
            return _off_tick(level, instrument)
    if stop is not None and (base - stop) * side.sign <= 0:
        message = f"The stop {stop} of a {side} position is not on the losing side of {base}."
        return Refusal("stop_wrong_side", message)
    if target is not None and (target - base) * side.sign <= 0:
        message = f"The target {target} of a {side} position is not on the winning side of {base}."
        return Refusal("target_wrong_side", message)
    return None


def _off_tick(price: Decimal, instrument: Instrument) -> Refusal:
    message = f"The price {price} is not a multiple of the tick {instrument.tick_size}."
    return Refusal("price_not_on_tick", message)


def _check_qty(event: Place, instrument: Instrument) -> Refusal | None:
    request = event.request
    if request.close_all:
        return None
    qty = request.qty
    if qty % instrument.qty_step:
        message = f"The quantity {qty} is not a multiple of {instrument.qty_step}."
        return Refusal("qty_not_on_step", message)
    if qty > instrument.max_qty:
        return Refusal("qty_above_maximum", f"The quantity {qty} is above {instrument.max_qty}.")
    # A partly filled entry can be smaller than any entry may be; it must still be closable.
    minimum = instrument.qty_step if request.reduce_only else instrument.min_qty
    if qty < minimum:
        return Refusal("qty_below_minimum", f"The quantity {qty} is below {minimum}.")
    value = qty * _reference(event)
    if value < instrument.min_notional and not request.reduce_only:
        message = f"The order's value {value} is below {instrument.min_notional} USDT."
        return Refusal("notional_below_minimum", message)
    return None


def _reference(event: Place) -> Decimal:
    """The limit; for an order without one its trigger, or the last price."""
    request = event.request
    if request.order_type is OrderType.LIMIT and request.price:
        return request.price
    return request.trigger_price or event.last


def _order(event: Place, position: OpenPosition | None, order_id: str) -> VenueOrder:
    request = event.request
    qty = request.qty
    if request.reduce_only and position is not None:
        qty = position.qty if request.close_all else min(qty, position.qty)
    return VenueOrder(
        order_id=order_id,
        order_link_id=request.order_link_id,
        symbol=request.symbol,
        side=request.side,
        order_type=request.order_type,
        time_in_force=request.time_in_force,
        qty=qty,
        reference=_reference(event),
        reduce_only=request.reduce_only,
        close_all=request.close_all,
        stop_loss=None if request.reduce_only else request.stop_loss,
        take_profit=None if request.reduce_only else request.take_profit,
        created_at=event.time,
        updated_at=event.time,
        trigger=request.trigger_price,
    )
