"""What is sent to Bybit: the parameters of orders and levels, and windows of time for history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from exchange.bybit.parse import plain, stamp
from exchange.domain import OrderRequest, OrderType, Side, TimeInForce

LINEAR = "linear"
SETTLE_COIN = "USDT"
SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
ORDER_TYPES = {OrderType.MARKET: "Market", OrderType.LIMIT: "Limit"}
TIMES_IN_FORCE = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC"}
# The one position of a symbol in one-way mode.
ONE_WAY = 0
# Which way the price goes when it meets the trigger of a conditional order.
RISE, FALL = 1, 2

WINDOW = timedelta(days=7)
RETENTION = timedelta(days=730)
MILLISECOND = timedelta(milliseconds=1)
# What happens while history is read still counts.
AHEAD = timedelta(seconds=10)


def order_params(request: OrderRequest) -> dict[str, Any]:
    """The body of order/create. Levels act at market, at the last price, on all of the position."""
    params: dict[str, Any] = {
        "category": LINEAR,
        "symbol": request.symbol,
        "side": SIDES[request.side],
        "orderType": ORDER_TYPES[request.order_type],
        "qty": plain(request.qty),
        "positionIdx": ONE_WAY,
        "orderLinkId": request.order_link_id,
    }
    if request.order_type is OrderType.LIMIT:
        params["timeInForce"] = TIMES_IN_FORCE[request.time_in_force]
        if request.price is not None:
            params["price"] = plain(request.price)
    if request.close_all:
        params |= {"qty": "0", "reduceOnly": True, "closeOnTrigger": True}
    elif request.reduce_only:
        params["reduceOnly"] = True
    return params | _trigger(request) | _attached(request)


def _trigger(request: OrderRequest) -> dict[str, Any]:
    """A breakout waits for the last price: a buy for a rise to it, a sell for a fall."""
    if request.trigger_price is None:
        return {}
    return {
        "triggerPrice": plain(request.trigger_price),
        "triggerDirection": RISE if request.side is Side.BUY else FALL,
        "triggerBy": "LastPrice",
    }


def _attached(request: OrderRequest) -> dict[str, Any]:
    levels: dict[str, Any] = {}
    if request.stop_loss is not None:
        levels |= {"stopLoss": plain(request.stop_loss), "slTriggerBy": "LastPrice"}
    if request.take_profit is not None:
        levels |= {"takeProfit": plain(request.take_profit), "tpTriggerBy": "LastPrice"}
    return levels | {"tpslMode": "Full"} if levels else {}


def stop_params(
    symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
) -> dict[str, Any]:
    """The body of position/trading-stop; both levels always, since one alone breaks the pair."""
    return {
        "category": LINEAR,
        "symbol": symbol,
        "positionIdx": ONE_WAY,
        "tpslMode": "Full",
        "stopLoss": _level(stop_loss),
        "takeProfit": _level(take_profit),
        "slTriggerBy": "LastPrice",
        "tpTriggerBy": "LastPrice",
    }


def _level(price: Decimal | None) -> str:
    return "0" if price is None else plain(price)


def windows(since: datetime, until: datetime) -> Iterator[dict[str, int]]:
    """Spans of history that Bybit answers in one query, oldest first: from ``since``, at most two
    years back, to a little after ``until``."""
    start, end = max(since, until - RETENTION), until + AHEAD
    while start < end:
        following = min(start + WINDOW, end)
        yield {"startTime": stamp(start), "endTime": stamp(following - MILLISECOND)}
        start = following
