"""New orders: every check the venue makes before it says 0, and the start of an order's life."""

from __future__ import annotations

import re
from decimal import Decimal

from tests.simulators.bybit.accounts import Account
from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.levels import check_levels
from tests.simulators.bybit.matching import closes_only, set_market_bound
from tests.simulators.bybit.orders import Order, sign_of
from tests.simulators.bybit.params import (
    Params,
    check_linear,
    choice,
    flag,
    number,
    required,
    whole,
    word,
)
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.prices import SymbolRules
from tests.simulators.bybit.rules import (
    MAX_PRICE_TICKS,
    PRICE_BAND,
    ZERO,
    Refused,
)
from tests.simulators.bybit.triggers import enter_book
from tests.simulators.bybit.venue import Venue

LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
TRIGGERS = ("LastPrice", "MarkPrice", "IndexPrice")
MOST_CONDITIONAL, MOST_ACTIVE = 10, 500


def place(
    venue: Venue, account: Account, params: Params, create_type: str = "CreateByUser"
) -> Order:
    """Accept an order and let it meet the market, or raise Refused."""
    check_linear(params)
    rules = venue.rules_of(required(params, "symbol"))
    order = _read(venue, params, rules)
    order.create_type = create_type
    _check_link_id(venue, account, order.link_id)
    position = _position(venue, account, order)
    _check_tradable(venue, order)
    _check_attached(venue, order, params)
    _resolve_close_all(order, position, rules)
    _check_filters(venue, order, position, rules)
    _check_trigger(venue, account, order)
    _check_reducing(order, position)
    _check_margin(venue, account, order, position)
    if venue.sl_ignored:
        order.take_profit = order.stop_loss = None
    _accept(venue, account, order)
    return order


def _read(venue: Venue, params: Params, rules: SymbolRules) -> Order:
    """Read the request into an order, checking the form of each field."""
    order_type = choice(params, "orderType", ("Market", "Limit"))
    in_force = choice(params, "timeInForce", ("GTC", "IOC", "FOK", "PostOnly"), "GTC")
    qty, price, trigger = (number(params, name) for name in ("qty", "price", "triggerPrice"))
    if qty is None:
        raise Refused(10001, "params error: qty invalid")
    if order_type == "Limit" and not price:
        raise Refused(10001, "params error: price invalid")
    target, stop = number(params, "takeProfit") or None, number(params, "stopLoss") or None
    return Order(
        n=venue.next_n(),
        order_id=venue.new_id(),
        symbol=rules.symbol,
        side=choice(params, "side", ("Buy", "Sell")),
        order_type=order_type,
        qty=qty,
        created_ms=venue.now_ms,
        updated_ms=venue.now_ms,
        link_id=word(params, "orderLinkId"),
        price=price or ZERO if order_type == "Limit" else ZERO,
        # Market is always IOC, whatever was asked.
        time_in_force="IOC" if order_type == "Market" else in_force,
        position_idx=whole(params, "positionIdx", 0),
        reduce_only=flag(params, "reduceOnly"),
        close_on_trigger=flag(params, "closeOnTrigger"),
        status="Untriggered" if trigger else "New",
        stop_order_type="Stop" if trigger else "",
        trigger_price=trigger or None,
        trigger_direction=whole(params, "triggerDirection", 0),
        trigger_by=choice(params, "triggerBy", TRIGGERS, "LastPrice") if trigger else "",
        take_profit=target,
        stop_loss=stop,
        tp_trigger_by=choice(params, "tpTriggerBy", TRIGGERS, "LastPrice") if target else "",
        sl_trigger_by=choice(params, "slTriggerBy", TRIGGERS, "LastPrice") if stop else "",
        tpsl_mode=(word(params, "tpslMode") or "Full") if target or stop else "",
        last_on_created=venue.last(rules.symbol),
    )


def _check_link_id(venue: Venue, account: Account, link_id: str) -> None:
    if not link_id:
        return
    if len(link_id) > 36:
        raise Refused(10001, "order link id is longer than 36")
    if not LINK_ID.fullmatch(link_id):
        raise Refused(10001, "params error: orderLinkId invalid")
    used = account.by_link_id.get(link_id, [])
    if used and (venue.duplicate_ids == "reject" or any(order.is_open for order in used)):
        raise Refused(110072, "OrderLinkedID is duplicate")


def _position(venue: Venue, account: Account, order: Order) -> Position:
    """Give the position the order would change; its index must match the mode."""
    check_position_idx(account, order.symbol, order.position_idx)
    return account.position(order.symbol, order.position_idx, venue.now_ms)


def check_position_idx(account: Account, symbol: str, idx: int) -> None:
    """Refuse an index of the other position mode."""
    if idx not in ((1, 2) if account.hedged(symbol) else (0,)):
        raise Refused(10001, "position idx not match position mode")


def _check_tradable(venue: Venue, order: Order) -> None:
    if venue.is_delisted(order.symbol):
        raise Refused(110074, "This contract is not live")
    if order.symbol in venue.delisting_ms and not closes_only(order):
        raise Refused(110023, "Currently you can only reduce your positions on this contract")


def _check_attached(venue: Venue, order: Order, params: Params) -> None:
    """Refuse levels that can't be attached or stand on the wrong side."""
    if order.take_profit is None and order.stop_loss is None:
        return
    choice(params, "tpslMode", ("Full", "Partial"), "Full")
    # Levels that place a limit order when they trigger are not part of this venue.
    choice(params, "tpOrderType", ("Market",), "Market")
    choice(params, "slOrderType", ("Market",), "Market")
    if closes_only(order):
        raise Refused(10001, "TakeProfit and StopLoss can't be set on a reduce-only order")
    base = order.price or order.trigger_price or venue.last(order.symbol)
    check_levels(order.side, base, order.take_profit, order.stop_loss)
    rules = venue.rules_of(order.symbol)
    for level in (order.take_profit, order.stop_loss):
        if level is not None:
            check_tick(level, rules)


def check_tick(price: Decimal, rules: SymbolRules) -> None:
    """Refuse a price off the tick or outside the instrument's range."""
    if price % rules.tick_size:
        raise Refused(10001, "The price precision is invalid")
    if not rules.tick_size <= price <= rules.tick_size * MAX_PRICE_TICKS:
        raise Refused(110003, "Order price is out of permissible range")


def _resolve_close_all(order: Order, position: Position, rules: SymbolRules) -> None:
    """Read qty 0: with both closing flags it means the whole position, otherwise nothing."""
    if order.qty:
        return
    if not (order.reduce_only and order.close_on_trigger):
        raise Refused(10001, "params error: qty invalid")
    if order.status != "Untriggered":
        order.qty = min(position.closable_by(order.direction), rules.max_market_qty)


def _check_filters(venue: Venue, order: Order, position: Position, rules: SymbolRules) -> None:
    check_qty(order.qty, order.order_type, rules)
    if order.order_type == "Limit":
        check_price(venue, order.side, order.price, rules)
    if order.trigger_price is not None:
        check_tick(order.trigger_price, rules)
    value = order.qty * (order.price or order.trigger_price or venue.last(order.symbol))
    closes_all = closes_only(order) and order.qty >= position.closable_by(order.direction)
    if value < rules.min_notional and not closes_all:
        raise Refused(110094, "Order does not meet minimum order value 5USDT")


def check_qty(qty: Decimal, order_type: str, rules: SymbolRules) -> None:
    """Refuse a quantity off the step or outside the limits; 0 was resolved before."""
    if not qty:
        return
    if qty < rules.min_order_qty:
        raise Refused(10001, "The number of contracts exceeds minimum limit allowed")
    if qty > (rules.max_market_qty if order_type == "Market" else rules.max_order_qty):
        raise Refused(10001, "The number of contracts exceeds maximum limit allowed")
    if qty % rules.qty_step:
        raise Refused(10001, "Qty invalid")


def check_price(venue: Venue, side: str, price: Decimal, rules: SymbolRules) -> None:
    """Refuse a limit price that would trade beyond the band."""
    check_tick(price, rules)
    last = venue.last(rules.symbol)
    if sign_of(side) * (price - last) > last * PRICE_BAND:
        raise Refused(110003, "Order price is out of permissible range")


def _check_trigger(venue: Venue, account: Account, order: Order) -> None:
    mine = account.open_orders_of(order.symbol)
    if order.trigger_price is None:
        if sum(each.status != "Untriggered" for each in mine) >= MOST_ACTIVE:
            raise Refused(110020, "You can't have more than 500 active orders")
        return
    if order.trigger_direction not in (1, 2):
        raise Refused(10001, "params error: triggerDirection invalid")
    if sum(not each.is_level and each.status == "Untriggered" for each in mine) >= MOST_CONDITIONAL:
        raise Refused(110009, "The number of stop orders exceeds the maximum limit allowable")
    now = venue.price_by(order.symbol, order.trigger_by)
    if order.is_triggered_by(now):
        rising = order.trigger_direction == 1
        expected, sign = ("Rising", "<=") if rising else ("Falling", ">=")
        raise Refused(
            110092 if rising else 110093,
            f"expect {expected}, but trigger_price[{int(order.trigger_price * 10_000)}] {sign} "
            f"current[{int(now * 10_000)}]??{order.trigger_by}",
        )


def _check_reducing(order: Order, position: Position) -> None:
    """Refuse a close of nothing; a conditional one is looked at when it triggers."""
    if not closes_only(order) or order.status == "Untriggered":
        return
    if not position.size:
        raise Refused(110017, "current position is zero, cannot fix reduce-only order qty")
    room = position.closable_by(order.direction)
    if not room:
        raise Refused(110017, "reduce-only order has same side with current position")
    order.qty = min(order.qty, room)


def _check_margin(venue: Venue, account: Account, order: Order, position: Position) -> None:
    """Refuse what the free margin doesn't carry; conditional orders hold no margin."""
    if closes_only(order) or order.status == "Untriggered":
        return
    opening = order.qty - position.closable_by(order.direction)
    value = opening * (order.price or venue.last(order.symbol))
    if opening > 0 and account.cost(order.symbol, value) > account.free_margin(venue.mark):
        raise Refused(110007, "ab not enough for new order")


def _accept(venue: Venue, account: Account, order: Order) -> None:
    if order.link_id:
        account.by_link_id.setdefault(order.link_id, []).append(order)
    batch = Batch(venue, account, order.symbol)
    batch.log_order(order, "accepted")
    if order.status == "Untriggered":
        batch.order(order, "untriggered")
    else:
        if order.order_type == "Market":
            set_market_bound(venue, order)
        enter_book(batch, order, venue.last(order.symbol))
    batch.close()
