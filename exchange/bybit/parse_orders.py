"""Orders and executions, from REST rows and private stream rows alike."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import structlog

from exchange.bybit.parse_values import Row
from exchange.domain import (
    ZERO,
    Execution,
    ExecutionKind,
    OrderReport,
    OrderType,
    Side,
    VenueOrderStatus,
)

logger = structlog.get_logger(__name__)

SETTLE_COIN = "USDT"
SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
ORDER_TYPES = {"Market": OrderType.MARKET, "Limit": OrderType.LIMIT}
STATUSES = {
    "Created": VenueOrderStatus.NEW,
    "New": VenueOrderStatus.NEW,
    "Active": VenueOrderStatus.NEW,
    "Untriggered": VenueOrderStatus.NEW,
    "Triggered": VenueOrderStatus.NEW,
    "PartiallyFilled": VenueOrderStatus.PARTIALLY_FILLED,
    "Filled": VenueOrderStatus.FILLED,
    "Cancelled": VenueOrderStatus.CANCELLED,
    "PartiallyFilledCanceled": VenueOrderStatus.CANCELLED,
    "Deactivated": VenueOrderStatus.CANCELLED,
    "Rejected": VenueOrderStatus.REJECTED,
}
# Rows of the execution list that change the wallet and no position.
MONEY_ONLY = frozenset({"Funding", "SessionSettlePnL"})
# Each table tells the kind by a field; the first field that knows decides.
KINDS_BY_TYPE = {
    "BustTrade": ExecutionKind.LIQUIDATION,
    "AdlTrade": ExecutionKind.ADL,
    "Settle": ExecutionKind.SETTLEMENT,
    "Delivery": ExecutionKind.SETTLEMENT,
}
KINDS_BY_ORIGIN = {
    "CreateByLiq": ExecutionKind.LIQUIDATION,
    "CreateByTakeOver_PassThrough": ExecutionKind.LIQUIDATION,
    "CreateByAdl_PassThrough": ExecutionKind.ADL,
    "CreateBySettle": ExecutionKind.SETTLEMENT,
    "CreateByTakeProfit": ExecutionKind.TAKE_PROFIT,
    "CreateByPartialTakeProfit": ExecutionKind.TAKE_PROFIT,
    "CreateByStopLoss": ExecutionKind.STOP_LOSS,
    "CreateByPartialStopLoss": ExecutionKind.STOP_LOSS,
    "CreateByTrailingStop": ExecutionKind.STOP_LOSS,
}
KINDS_BY_STOP = {
    "TakeProfit": ExecutionKind.TAKE_PROFIT,
    "PartialTakeProfit": ExecutionKind.TAKE_PROFIT,
    "StopLoss": ExecutionKind.STOP_LOSS,
    "PartialStopLoss": ExecutionKind.STOP_LOSS,
    "TrailingStop": ExecutionKind.STOP_LOSS,
}
# What trades of a position are called; any other word that moves it is told in the log.
KNOWN_TYPES = frozenset({"Trade", "BlockTrade", "MovePosition", "FutureSpread"})


def in_scope(row: Mapping[str, Any]) -> bool:
    """Whether a row is about a linear contract settled in USDT; streams tell all others too."""
    return row.get("category", "linear") == "linear" and SETTLE_COIN in str(row.get("symbol", ""))


def side_of(row: Row) -> Side:
    side = SIDES.get(row.text("side"))
    if side is None:
        raise row.refuse("side")
    return side


def order_report(data: Mapping[str, Any]) -> OrderReport:
    """One row of order/realtime, order/history or the order topic."""
    row = Row.of("order", data)
    order_type = ORDER_TYPES.get(row.text("orderType"))
    if order_type is None:
        raise row.refuse("orderType")
    filled = row.amount("cumExecQty")
    status = _status(row, filled)
    created = row.needed_time("createdTime", "updatedTime")
    return OrderReport(
        order_link_id=row.text("orderLinkId"),
        order_id=row.needed_text("orderId"),
        symbol=row.needed_text("symbol"),
        side=side_of(row),
        order_type=order_type,
        status=status,
        qty=row.needed("qty"),
        filled_qty=filled,
        avg_price=_average(row, filled),
        # The price of a market order is only the bound of its slippage.
        price=row.level("price") if order_type is OrderType.LIMIT else None,
        reduce_only=row.flag("reduceOnly"),
        created_at=created,
        updated_at=row.needed_time("updatedTime", "createdTime"),
        reject_reason=_reason(row, status),
    )


def _status(row: Row, filled: Decimal) -> VenueOrderStatus:
    status = STATUSES.get(row.text("orderStatus"))
    if status is None:
        raise row.refuse("orderStatus")
    if status is VenueOrderStatus.REJECTED and filled:
        return VenueOrderStatus.CANCELLED
    if status is VenueOrderStatus.NEW and filled:
        return VenueOrderStatus.PARTIALLY_FILLED
    return status


def _average(row: Row, filled: Decimal) -> Decimal | None:
    if not filled:
        return None
    if average := row.level("avgPrice"):
        return average
    value = row.level("cumExecValue")
    return None if value is None else value / filled


def _reason(row: Row, status: VenueOrderStatus) -> str:
    """Bybit's words for why an order ended without being filled."""
    if status not in (VenueOrderStatus.CANCELLED, VenueOrderStatus.REJECTED):
        return ""
    refused = row.text("rejectReason")
    return refused if refused not in ("", "EC_NoError") else row.text("cancelType")


def execution(data: Mapping[str, Any]) -> Execution | None:
    """One row of execution/list or the execution topic; None where no position moved (funding)."""
    row = Row.of("execution", data)
    if row.text("execType") in MONEY_ONLY:
        return None
    return Execution(
        exec_id=row.needed_text("execId"),
        order_id=row.text("orderId"),
        order_link_id=row.text("orderLinkId"),
        symbol=row.needed_text("symbol"),
        side=side_of(row),
        qty=row.needed("execQty"),
        price=row.needed("execPrice"),
        fee=_fee(row),
        is_maker=row.flag("isMaker"),
        kind=_kind(row),
        time=row.needed_time("execTime"),
    )


def _kind(row: Row) -> ExecutionKind:
    exec_type = row.text("execType")
    kind = (
        KINDS_BY_TYPE.get(exec_type)
        or KINDS_BY_ORIGIN.get(row.text("createType"))
        or KINDS_BY_STOP.get(row.text("stopOrderType"))
    )
    if kind is None and exec_type not in KNOWN_TYPES:
        logger.warning("bybit_unknown_exec_type", exec_type=exec_type, exec_id=row.text("execId"))
    return kind or ExecutionKind.TRADE


def _fee(row: Row) -> Decimal:
    """The fee in USDT. One paid in another coin is told by its rate, with a note in the log."""
    coin = row.text("feeCurrency") or SETTLE_COIN
    fee = row.amount("execFee")
    if coin != SETTLE_COIN:
        logger.warning("bybit_fee_in_another_coin", coin=coin, fee=str(fee), id=row.text("execId"))
        fee = row.amount("execQty") * row.amount("execPrice") * row.amount("feeRate")
    extra = (
        one.amount("fee")
        for one in row.optional_rows("extraFees")
        if one.text("feeCoin") == SETTLE_COIN
    )
    return fee + sum(extra, ZERO)


def sequence(data: Mapping[str, Any]) -> int | None:
    """Bybit's cross sequence of a symbol, shared by its executions and positions."""
    number = Row.of("row", data).number("seq")
    return None if number is None else int(number)
