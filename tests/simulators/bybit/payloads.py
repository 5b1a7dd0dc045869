"""Rows as clients see them: orders, executions, positions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.simulators.bybit.accounts import ISOLATED, Account, ClosedTrade
from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import MONEY, Profile, money, text
from tests.simulators.bybit.venue import Venue

Row = dict[str, Any]


def order_row(order: Order, profile: Profile) -> Row:
    """Give the row of order/realtime and order/history."""
    unset = profile.unset_price
    leaves = order.leaves if order.is_open else Decimal(0)
    average = order.cum_value / order.cum_qty if order.cum_qty else None
    row = {
        "symbol": order.symbol,
        "orderType": order.order_type,
        "orderLinkId": order.link_id,
        "slLimitPrice": "0",
        "orderId": order.order_id,
        "cancelType": order.cancel_type,
        "avgPrice": text(average.quantize(MONEY) if average else None),
        "stopOrderType": order.stop_order_type or profile.plain_stop_type,
        "lastPriceOnCreated": text(order.last_on_created),
        "orderStatus": order.status,
        "createType": order.create_type,
        "takeProfit": text(order.take_profit) or unset,
        "cumExecValue": text(order.cum_value),
        "tpslMode": order.tpsl_mode or profile.plain_tpsl_mode,
        "smpType": "None",
        "triggerDirection": order.trigger_direction,
        "blockTradeId": "",
        "cumFeeDetail": {"USDT": text(order.cum_fee)} if order.cum_fee else {},
        "isLeverage": "",
        "rejectReason": order.reject_reason,
        "price": text(order.price),
        "orderIv": "",
        "createdTime": str(order.created_ms),
        "tpTriggerBy": order.tp_trigger_by,
        "positionIdx": order.position_idx,
        "timeInForce": order.time_in_force,
        "leavesValue": text(leaves * order.price),
        "updatedTime": str(order.updated_ms),
        "side": order.side,
        "smpGroup": 0,
        "triggerPrice": text(order.trigger_price) or unset,
        "tpLimitPrice": "0",
        "cumExecFee": text(order.cum_fee),
        "slTriggerBy": order.sl_trigger_by,
        "leavesQty": text(leaves),
        "closeOnTrigger": order.close_on_trigger,
        "placeType": "",
        "cumExecQty": text(order.cum_qty),
        "reduceOnly": order.reduce_only,
        "qty": text(order.qty),
        "stopLoss": text(order.stop_loss) or unset,
        "marketUnit": "",
        "smpOrderId": "",
        "triggerBy": order.trigger_by,
    }
    if profile.extra_fields:
        row |= _newer_fields(order)
    return row


def _newer_fields(order: Order) -> Row:
    """Give what only newer profiles tell of an order."""
    return {
        "parentOrderLinkId": order.parent_link_id,
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "0",
        "extraFees": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
        "aFieldOfTomorrow": {"unknown": ["to", "every", "client"]},
    }


def order_push(order: Order, row: Row) -> Row:
    """Give the row of the `order` topic."""
    return {
        "category": "linear",
        **row,
        "closedPnl": text(money(order.closed_pnl)),
        "feeCurrency": "",
    }


def position_row(venue: Venue, account: Account, position: Position) -> Row:
    """Give the row of position/list as things stand now."""
    unset = venue.profile.unset_price
    held = bool(position.size)
    mark = venue.mark(position.symbol)
    leverage = account.leverage(position.symbol)
    value = position.entry_value
    rate = venue.rules_of(position.symbol).maintenance_margin_rate
    trail = position.trailing_stop
    liquidation, bust = _death_prices(venue, account, position)
    row = {
        "symbol": position.symbol,
        "leverage": text(leverage),
        "autoAddMargin": 0,
        "avgPrice": text(position.average.quantize(MONEY)) if held else "0",
        "liqPrice": text(liquidation),
        "riskLimitValue": "2000000",
        "takeProfit": _level(position.take_profit) or unset,
        "positionValue": text(value.quantize(MONEY)) if held else "",
        "isReduceOnly": False,
        "tpslMode": "Full",
        "riskId": 1,
        "trailingStop": text(trail.trail_by) if trail else "0",
        "unrealisedPnl": text(money(position.unrealised(mark))) if held else "",
        "markPrice": text(mark),
        "adlRankIndicator": 2 if held else 0,
        "cumRealisedPnl": text(position.realised_ever),
        "curRealisedPnl": text(position.realised),
        "positionMM": text(money(value * rate)),
        "createdTime": str(position.created_ms),
        "positionIdx": position.idx,
        "positionIM": text(money(value / leverage)),
        "seq": position.seq,
        "updatedTime": str(position.updated_ms),
        "side": position.side or venue.profile.flat_side,
        "bustPrice": text(bust),
        "positionBalance": text(money(value / leverage)),
        "leverageSysUpdatedTime": "",
        "size": text(abs(position.size)),
        "positionStatus": position.status,
        "mmrSysUpdatedTime": "",
        "stopLoss": _level(position.stop_loss) or unset,
        "tradeMode": 0,
    }
    if venue.profile.extra_fields:
        row |= {
            "openTime": position.opened_ms if held else 0,
            "breakEvenPrice": text(position.average.quantize(MONEY)) if held else "",
            "sessionAvgPrice": "",
            "positionIMByMp": row["positionIM"],
            "positionMMByMp": row["positionMM"],
        }
    return row


def _level(order: Order | None) -> str:
    return text(order.trigger_price) if order else ""


def _death_prices(
    venue: Venue, account: Account, position: Position
) -> tuple[Decimal | None, Decimal | None]:
    if not position.size:
        return None, None
    rules = venue.rules_of(position.symbol)
    rate = rules.maintenance_margin_rate
    if account.margin_mode != ISOLATED:
        return position.cross_liquidation_price(account.wallet, rate), None
    leverage = account.leverage(position.symbol)
    return (
        position.liquidation_price(leverage, rate).quantize(rules.tick_size),
        position.bust_price(leverage).quantize(rules.tick_size),
    )


def position_push(row: Row) -> Row:
    """Give the row of the `position` topic: another name for the entry price, zeros when flat."""
    pushed = {"category": "linear", **row}
    pushed["entryPrice"] = pushed.pop("avgPrice")
    for field in ("positionValue", "unrealisedPnl"):
        pushed[field] = pushed[field] or "0"
    return pushed


def closed_pnl_row(trade: ClosedTrade) -> Row:
    """Give the row of position/closed-pnl."""
    return {
        "symbol": trade.order.symbol,
        "orderType": trade.order.order_type,
        "leverage": text(trade.leverage),
        "updatedTime": str(trade.updated_ms),
        "side": trade.order.side,
        "orderId": trade.order.order_id,
        "closedPnl": text(money(trade.pnl)),
        "avgEntryPrice": text(money(trade.entry_value / trade.qty)),
        "qty": text(trade.order.qty),
        "cumEntryValue": text(money(trade.entry_value)),
        "createdTime": str(trade.created_ms),
        "orderPrice": text(trade.order.price),
        "closedSize": text(trade.qty),
        "avgExitPrice": text(money(trade.exit_value / trade.qty)),
        "execType": trade.exec_type,
        "fillCount": str(trade.fills),
        "cumExitValue": text(money(trade.exit_value)),
        "openFee": text(money(trade.open_fee)),
        "closeFee": text(money(trade.close_fee)),
    }
