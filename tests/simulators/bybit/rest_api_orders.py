"""Orders and executions: the paths under /v5/order and /v5/execution."""

from __future__ import annotations

from typing import Any

from tests.simulators.bybit import changing, placing
from tests.simulators.bybit.accounts import Account
from tests.simulators.bybit.orders import OPEN_STATUSES, Order
from tests.simulators.bybit.paging import page, view_at, window
from tests.simulators.bybit.params import Params, check_linear, choice, word
from tests.simulators.bybit.rules import DAY_MS, WEEK_MS, Refused
from tests.simulators.bybit.venue import Venue

Row = dict[str, Any]
RECENTLY_CLOSED = 500


def _ids(order: Order) -> Row:
    return {"orderId": order.order_id, "orderLinkId": order.link_id}


def create(venue: Venue, account: Account, params: Params) -> Row:
    return _ids(placing.place(venue, account, params))


def amend(venue: Venue, account: Account, params: Params) -> Row:
    check_linear(params)
    return _ids(changing.amend(venue, account, params))


def cancel(venue: Venue, account: Account, params: Params) -> Row:
    check_linear(params)
    return _ids(changing.cancel(venue, account, params))


def cancel_all(venue: Venue, account: Account, params: Params) -> Row:
    check_linear(params)
    cancelled = changing.cancel_all(venue, account, params)
    return {"list": [_ids(order) for order in cancelled], "success": "1"}


def realtime(venue: Venue, account: Account, params: Params) -> Row:
    """Give open orders; by id, or with openOnly=1, recently closed ones too."""
    check_linear(params)
    if not any(word(params, name) for name in ("symbol", "baseCoin", "settleCoin")):
        raise Refused(10001, "Missing some parameters that must be filled in, symbol or settleCoin")
    open_only = choice(params, "openOnly", ("0", "1", "2"), "0")
    by_id = bool(word(params, "orderId") or word(params, "orderLinkId"))
    lag = venue.lag_ms["realtime"]
    pool = account.orders.values() if lag or by_id or open_only != "0" else account.open_orders
    seen = [
        (order, row)
        for order in (account.open_orders.values() if pool is account.open_orders else pool)
        if isinstance(order, Order)
        and _is_asked(venue, order, params)
        and (row := view_at(order.views, venue.now_ms - lag))
    ]
    still_open = [(o.n, row) for o, row in seen if row["orderStatus"] in OPEN_STATUSES]
    closed = [
        (o.n, row)
        for o, row in seen
        if row["orderStatus"] not in OPEN_STATUSES and o.updated_ms >= account.recent_since_ms
    ][-RECENTLY_CLOSED:]
    chosen = still_open + closed if by_id else (still_open if open_only == "0" else closed)
    return page(chosen, params, 20, 50)


def history(venue: Venue, account: Account, params: Params) -> Row:
    """Give closed orders; without fills they are kept for a day only."""
    check_linear(params)
    start, end = window(params, venue.now_ms)
    status = word(params, "orderStatus")
    visible_ms = venue.now_ms - venue.lag_ms["history"]
    rows = []
    for order in account.orders.values():
        if not start <= order.created_ms <= end or not _is_asked(venue, order, params):
            continue
        row = view_at(order.views, visible_ms)
        if row is None or row["orderStatus"] in OPEN_STATUSES:
            continue
        if status in ("", row["orderStatus"]) and _is_kept(venue, order):
            rows.append((order.n, row))
    return page(rows, params, 20, 50)


def _is_kept(venue: Venue, order: Order) -> bool:
    age_ms = venue.now_ms - order.updated_ms
    return bool(order.cum_qty) or age_ms <= DAY_MS


def _is_asked(venue: Venue, order: Order, params: Params) -> bool:
    """Tell whether the filters let this order through; an id overrides the other filters."""
    if word(params, "orderId"):
        return order.order_id == word(params, "orderId")
    if word(params, "orderLinkId"):
        return order.link_id == word(params, "orderLinkId")
    if word(params, "symbol"):
        if order.symbol != word(params, "symbol"):
            return False
    elif word(params, "baseCoin"):
        if venue.rules_of(order.symbol).base_coin != word(params, "baseCoin"):
            return False
    elif word(params, "settleCoin") not in ("", "USDT"):
        return False
    chosen = choice(params, "orderFilter", ("", "Order", "StopOrder", "tpslOrder"))
    waits = order.is_conditional and order.status not in ("New", "PartiallyFilled")
    return chosen == "" or (chosen != "Order") == waits


def executions(venue: Venue, account: Account, params: Params) -> Row:
    """Give fills and funding, newest first; an order id overrides the other filters."""
    check_linear(params)
    visible_ms = venue.now_ms - venue.lag_ms["executions"]
    order_id, link_id = word(params, "orderId"), word(params, "orderLinkId")
    if order_id or link_id:
        start, end = venue.now_ms - 730 * DAY_MS, venue.now_ms
        wanted = {"orderId": order_id} if order_id else {"orderLinkId": link_id}
    else:
        start, end = window(params, venue.now_ms, WEEK_MS)
        wanted = {name: word(params, name) for name in ("symbol", "execType")}
    rows = [
        (record.n, record.row)
        for record in account.executions
        if start <= record.ms <= min(end, visible_ms)
        and all(record.row[name] == value for name, value in wanted.items() if value)
    ]
    return page(rows, params, 50, 100)
