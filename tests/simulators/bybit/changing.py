"""Changes to what exists: amend, cancel, stops of a position, leverage and modes."""

from __future__ import annotations

from decimal import Decimal

from tests.simulators.bybit import levels
from tests.simulators.bybit.accounts import ISOLATED, Account
from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.matching import fill, finish, position_of
from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.params import Params, choice, number, whole, word
from tests.simulators.bybit.placing import (
    TRIGGERS,
    check_position_idx,
    check_price,
    check_qty,
    check_tick,
)
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import ZERO, Refused
from tests.simulators.bybit.triggers import enter_book
from tests.simulators.bybit.venue import Venue

MARGIN_MODES = (ISOLATED, "REGULAR_MARGIN", "PORTFOLIO_MARGIN")


def find_open(account: Account, params: Params, act: str) -> Order:
    """Find an open order by its id or client id; the venue's id wins."""
    order_id, link_id = word(params, "orderId"), word(params, "orderLinkId")
    if not order_id and not link_id:
        raise Refused(10001, "params error: OrderId or orderLinkId is required")
    if order_id:
        found = account.open_orders.get(order_id)
    else:
        found = next((o for o in account.by_link_id.get(link_id, []) if o.is_open), None)
    if found is None or found.symbol != word(params, "symbol"):
        raise Refused(110001, f"order not exists or too late to {act}")
    return found


def amend(venue: Venue, account: Account, params: Params) -> Order:
    """Change an open order; only the fields sent change."""
    order = find_open(account, params, "replace")
    rules = venue.rules_of(order.symbol)
    wanted = {
        "qty": number(params, "qty"),
        "price": number(params, "price") if order.order_type == "Limit" else None,
        "trigger_price": number(params, "triggerPrice"),
        "take_profit": number(params, "takeProfit"),
        "stop_loss": number(params, "stopLoss"),
    }
    changes = {
        name: value
        for name, value in wanted.items()
        if value is not None and value != (getattr(order, name) or ZERO)
    }
    if not changes:
        raise Refused(10001, "The order remains unchanged as the parameters entered match")
    _check_amendment(venue, account, order, changes)
    if "qty" in changes:
        check_qty(changes["qty"], order.order_type, rules)
    batch = Batch(venue, account, order.symbol)
    for name, value in changes.items():
        setattr(order, name, value or (None if name != "qty" else ZERO))
    if "price" in changes and order.status != "Untriggered":
        enter_book(batch, order, venue.last(order.symbol))
    else:
        batch.order(order, "amended")
    batch.close()
    return order


def _check_amendment(
    venue: Venue, account: Account, order: Order, changes: dict[str, Decimal]
) -> None:
    rules = venue.rules_of(order.symbol)
    if changes.get("qty", order.qty) <= order.cum_qty and "qty" in changes:
        raise Refused(110064, "The modified order quantity is not larger than the filled one")
    if "price" in changes:
        check_price(venue, order.side, changes["price"], rules)
    if "trigger_price" in changes:
        check_tick(changes["trigger_price"], rules)
    if order.is_level and "trigger_price" in changes:
        position = position_of(venue, account, order)
        price = changes["trigger_price"]
        is_target = order.stop_order_type.endswith(levels.TARGET)
        target, stop = (price, None) if is_target else (None, price)
        check_levels_now(venue, position, target, stop)
    attached = changes.get("take_profit"), changes.get("stop_loss")
    levels.check_levels(order.side, order.price or venue.last(order.symbol), *attached)
    qty, price = changes.get("qty", order.qty), changes.get("price", order.price)
    more = (qty - order.cum_qty) * price - order.leaves * order.price
    held_back = order.status != "Untriggered" and not order.reduce_only
    if (
        held_back
        and more > 0
        and account.cost(order.symbol, more) > account.free_margin(venue.mark)
    ):
        raise Refused(110007, "ab not enough for new order")


def cancel(venue: Venue, account: Account, params: Params) -> Order:
    """Cancel one open order."""
    order = find_open(account, params, "cancel")
    if venue.cancel_race and order.status in ("New", "PartiallyFilled"):
        _lose_race(venue, account, order)
    else:
        cancel_order(venue, account, order)
    return order


def _lose_race(venue: Venue, account: Account, order: Order) -> None:
    """Fill an order whose cancel was already taken on: a second Filled row tells of both."""
    batch = Batch(venue, account, order.symbol)
    fill(batch, order, order.leaves, order.price, maker=True)
    finish(batch, order, rests=True)
    batch.close()
    batch = Batch(venue, account, order.symbol)
    order.end("Filled", "CancelByUser", "EC_OrigClOrdIDDoesNotExist")
    batch.order(order, "filled")
    batch.close()


def cancel_order(venue: Venue, account: Account, order: Order) -> None:
    """End an order; a level set together with its twin takes that one along."""
    batch = Batch(venue, account, order.symbol)
    position = position_of(venue, account, order)
    if position.paired and order in (position.stop_loss, position.take_profit):
        levels.clear_levels(batch, position, "CancelByUser")
    elif order in position.partials:
        levels.drop_partial(batch, position, order, "CancelByUser")
    elif order.is_level:
        levels.drop_level(batch, position, order.stop_order_type, "CancelByUser")
    else:
        waiting = order.status == "Untriggered"
        order.end("Deactivated" if waiting else "Cancelled", "CancelByUser")
        batch.order(order, "cancelled")
    batch.close()


def cancel_all(venue: Venue, account: Account, params: Params) -> list[Order]:
    """Cancel what matches; without an orderFilter that includes every take-profit and stop."""
    symbol, settle, base = (word(params, name) for name in ("symbol", "settleCoin", "baseCoin"))
    if not (symbol or settle or base):
        raise Refused(10001, "params error: symbol, settleCoin or baseCoin is required")
    chosen = choice(params, "orderFilter", ("", "Order", "StopOrder"))
    only_stops = word(params, "stopOrderType") == "Stop"
    matching = [
        order
        for order in account.open_orders.values()
        if (symbol in ("", order.symbol))
        and (not base or symbol or venue.rules_of(order.symbol).base_coin == base)
        and (settle in ("", "USDT") or symbol or base)
        and chosen in ("", "StopOrder" if order.status == "Untriggered" else "Order")
        and not (only_stops and order.is_level)
    ]
    for order in matching:
        if order.is_open:
            cancel_order(venue, account, order)
    return matching


def trading_stop(venue: Venue, account: Account, params: Params) -> None:
    """Set, move or remove levels of a whole position; in Partial mode add them for a part."""
    symbol = venue.rules_of(word(params, "symbol")).symbol
    mode = choice(params, "tpslMode", ("Full", "Partial"), "Full")
    idx = whole(params, "positionIdx", 0)
    check_position_idx(account, symbol, idx)
    position = account.position(symbol, idx, venue.now_ms)
    if not position.size:
        raise Refused(10001, "can not set tp/sl/ts for zero position")
    wanted = {
        levels.TARGET: number(params, "takeProfit"),
        levels.STOP: number(params, "stopLoss"),
        levels.TRAILING: number(params, "trailingStop"),
    }
    triggers = {
        levels.TARGET: choice(params, "tpTriggerBy", ("", *TRIGGERS)),
        levels.STOP: choice(params, "slTriggerBy", ("", *TRIGGERS)),
    }
    if mode == "Partial":
        _add_partials(venue, account, position, wanted, triggers, params)
    else:
        set_levels(venue, account, position, wanted, triggers)


def _add_partials(
    venue: Venue,
    account: Account,
    position: Position,
    wanted: dict[str, Decimal | None],
    triggers: dict[str, str],
    params: Params,
) -> None:
    """Add a stop, a target or both for `slSize`/`tpSize`, which must be equal."""
    target, stop = wanted[levels.TARGET], wanted[levels.STOP]
    check_levels_now(venue, position, target, stop)
    sizes = {number(params, name) for name in ("tpSize", "slSize")} - {None}
    prices = {kind: price for kind, price in wanted.items() if price and kind in triggers}
    if len(sizes) != 1 or not prices:
        raise Refused(10001, "params error: tpSize and slSize must be equal")
    if len(position.partials) + len(prices) > levels.MOST_PARTIAL:
        raise Refused(110061, "The number of partial TP/SL orders exceeds the limit")
    qty = sizes.pop() or ZERO
    rules = venue.rules_of(position.symbol)
    if not qty or qty > abs(position.size) or qty % rules.qty_step:
        raise Refused(10001, "params error: tpSize or slSize invalid")
    batch = Batch(venue, account, position.symbol)
    pair = {kind: (price, triggers[kind]) for kind, price in prices.items()}
    levels.add_partials(batch, position, pair, qty)
    batch.close()


def set_levels(
    venue: Venue,
    account: Account,
    position: Position,
    wanted: dict[str, Decimal | None],
    triggers: dict[str, str] | None = None,
) -> None:
    """Change levels of an open position: None leaves one alone, 0 removes it."""
    triggers = triggers or {}
    check_levels_now(venue, position, wanted.get(levels.TARGET), wanted.get(levels.STOP))
    changed = {
        kind: price
        for kind, price in wanted.items()
        if price is not None and _differs(position, kind, price, triggers.get(kind, ""))
    }
    if not changed:
        raise Refused(34040, "not modified")
    batch = Batch(venue, account, position.symbol)
    for kind, price in changed.items():
        levels.set_level(batch, position, kind, price, triggers.get(kind, ""))
    pair = {levels.TARGET, levels.STOP}
    if pair & changed.keys():
        position.paired = all(changed.get(kind) for kind in pair)
    batch.position(position.idx)
    batch.close()


def _differs(position: Position, kind: str, price: Decimal, trigger_by: str) -> bool:
    level = position.level_orders.get(kind)
    if level is None:
        return price != 0
    now = level.trail_by if kind == levels.TRAILING else level.trigger_price
    return now != price or trigger_by not in ("", level.trigger_by)


def check_levels_now(
    venue: Venue, position: Position, target: Decimal | None, stop: Decimal | None
) -> None:
    """Refuse levels that the last price has already passed, or that are off the tick."""
    levels.check_levels(position.side, venue.last(position.symbol), target, stop)
    for price in (target, stop):
        if price:
            check_tick(price, venue.rules_of(position.symbol))


def set_leverage(venue: Venue, account: Account, symbol: str, buy: Decimal, sell: Decimal) -> None:
    """Set the leverage of a symbol; a position's margin changes with it."""
    rules = venue.rules_of(symbol)
    if buy != sell:
        raise Refused(10001, "buy leverage not equal sell leverage")
    if buy < 1 or buy % rules.leverage_step:
        raise Refused(10001, "leverage invalid")
    if buy > rules.max_leverage:
        raise Refused(110013, "cannot set leverage due to risk limit")
    if buy == account.leverage(symbol):
        raise Refused(110043, "leverage not modified")
    account.leverages[symbol] = buy
    batch = Batch(venue, account, symbol)
    for idx in (1, 2) if account.hedged(symbol) else (0,):
        batch.position(idx)
    batch.close()


def switch_mode(venue: Venue, account: Account, symbol: str, hedge: bool) -> None:
    """Switch one symbol, or with symbol "" all of them, between one-way and hedge mode."""
    if symbol:
        venue.rules_of(symbol)
    touched = [symbol] if symbol else list(venue.rules)
    if all(account.hedged(each) == hedge for each in touched):
        raise Refused(110025, "Position mode is not modified")
    if any(account.open_positions(each) for each in touched):
        raise Refused(110024, "You have an existing position, so position mode cannot be switched")
    if any(account.open_orders_of(each) for each in touched):
        raise Refused(110028, "You have existing open orders, so position mode cannot be switched")
    if symbol:
        account.hedge[symbol] = hedge
    else:
        account.hedge.clear()
        account.hedge_everywhere = hedge


def set_margin_mode(venue: Venue, account: Account, mode: str) -> None:
    """Change the margin mode of the whole account."""
    if mode not in MARGIN_MODES:
        raise Refused(10001, "params error: setMarginMode invalid")
    account.margin_mode = mode
    account.margin_mode_ms = venue.now_ms
