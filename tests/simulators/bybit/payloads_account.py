"""Rows as clients see them: executions, the transaction log, the wallet, key facts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.simulators.bybit.accounts import ISOLATED, Account
from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.rules import ZERO, money, text
from tests.simulators.bybit.venue import Venue

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of one order, or a booking that looks like one (funding, settlement)."""

    exec_id: str
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_rate: Decimal
    closed: Decimal
    exec_type: str
    is_maker: bool
    seq: int
    ms: int
    mark: Decimal
    gross: Decimal = ZERO


def execution_row(fill: Fill, order: Order | None, order_id: str, profile_extra: bool) -> Row:
    """Give the row of execution/list; bookings without an order have an id but no order facts."""
    row = {
        "symbol": fill.symbol,
        "orderType": order.order_type if order else "UNKNOWN",
        "underlyingPrice": "",
        "orderLinkId": order.link_id if order else "",
        "orderId": order_id,
        "stopOrderType": (order.stop_order_type if order else "") or "UNKNOWN",
        "execTime": str(fill.ms),
        "feeCurrency": "",
        "createType": order.create_type if order else "",
        "feeRate": text(fill.fee_rate),
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": text(fill.mark),
        "execPrice": text(fill.price),
        "markIv": "",
        "orderQty": text(order.qty) if order else "0",
        "orderPrice": text(order.price) if order else "0",
        "execValue": text(fill.price * fill.qty),
        "closedSize": text(fill.closed),
        "execType": fill.exec_type,
        "seq": fill.seq,
        "side": fill.side,
        "indexPrice": "",
        "leavesQty": text(order.leaves) if order else "0",
        "isMaker": fill.is_maker,
        "execFee": text(fill.fee),
        "execId": fill.exec_id,
        "marketUnit": "",
        "execQty": text(fill.qty),
    }
    if profile_extra:
        row |= {"execPnl": text(fill.gross), "extraFees": "", "aFieldOfTomorrow": ["?"]}
    return row


def execution_push(row: Row) -> Row:
    """Give the row of the `execution` topic."""
    return {"category": "linear", **row, "isLeverage": "0"}


def log_row(
    fill: Fill,
    *,
    kind: str,
    order: Order | None,
    order_id: str,
    change: Decimal,
    balance: Decimal,
    size: Decimal,
    uid: str,
) -> Row:
    """Give the row of account/transaction-log; funding has the opposite sign of its execFee."""
    funding = kind == "SETTLEMENT"
    return {
        "transSubType": "",
        "id": f"{uid}_{fill.symbol}_{fill.seq}",
        "symbol": fill.symbol,
        "side": fill.side,
        "funding": text(-fill.fee) if funding else "",
        "orderLinkId": order.link_id if order else "",
        "orderId": order_id,
        "fee": "0" if funding else text(fill.fee),
        "change": text(change),
        "cashFlow": text(fill.gross),
        "transactionTime": str(fill.ms),
        "type": kind,
        "feeRate": text(fill.fee_rate),
        "bonusChange": "",
        "size": text(size),
        "qty": text(fill.qty),
        "cashBalance": text(balance),
        "currency": "USDT",
        "category": "linear",
        "tradePrice": text(fill.price),
        "tradeId": fill.exec_id,
        "extraFees": "",
    }


def transfer_row(row_id: str, amount: Decimal, balance: Decimal, ms: int) -> Row:
    """Give the transaction-log row of money moved in or out."""
    return {
        "transSubType": "",
        "id": row_id,
        "symbol": "",
        "side": "None",
        "funding": "",
        "orderLinkId": "",
        "orderId": "",
        "fee": "0",
        "change": text(amount),
        "cashFlow": text(amount),
        "transactionTime": str(ms),
        "type": "TRANSFER_IN" if amount > 0 else "TRANSFER_OUT",
        "feeRate": "",
        "bonusChange": "",
        "size": "0",
        "qty": text(abs(amount)),
        "cashBalance": text(balance),
        "currency": "USDT",
        "category": "",
        "tradePrice": "",
        "tradeId": "",
        "extraFees": "",
    }


def wallet_row(venue: Venue, account: Account) -> Row:
    """Give the one element of wallet-balance and of the `wallet` topic."""
    unrealised = money(account.unrealised(venue.mark))
    position_margin = money(account.position_margin())
    order_margin = money(account.order_margin())
    maintenance = sum(
        (
            each.entry_value * venue.rules_of(each.symbol).maintenance_margin_rate
            for each in account.open_positions()
        ),
        ZERO,
    )
    equity = account.wallet + unrealised
    coin = {
        "availableToBorrow": "",
        "bonus": "0",
        "accruedInterest": "0",
        "availableToWithdraw": "",
        "totalOrderIM": text(order_margin),
        "equity": text(equity),
        "totalPositionMM": text(money(maintenance)),
        "usdValue": text(equity),
        "unrealisedPnl": text(unrealised),
        "collateralSwitch": True,
        "spotHedgingQty": "0",
        "borrowAmount": "0.000000000000000000",
        "totalPositionIM": text(position_margin),
        "walletBalance": text(account.wallet),
        "cumRealisedPnl": text(account.realised_ever),
        "locked": "0",
        "marginCollateral": True,
        "coin": "USDT",
    }
    if venue.profile.extra_fields:
        coin |= {"spotBorrow": "0", "colRes": "", "aFieldOfTomorrow": None}
    # Bybit leaves the figures of the whole account empty where each position has its own margin.
    isolated = account.margin_mode == ISOLATED
    initial = position_margin + order_margin
    row = {
        "totalEquity": text(equity),
        "accountIMRate": "" if isolated else _rate(initial, equity),
        "totalMarginBalance": "" if isolated else text(equity),
        "totalInitialMargin": "" if isolated else text(initial),
        "accountType": "UNIFIED",
        "totalAvailableBalance": "" if isolated else text(equity - initial),
        "accountMMRate": "" if isolated else _rate(maintenance, equity),
        "totalPerpUPL": text(unrealised),
        "totalWalletBalance": text(account.wallet),
        "accountLTV": "0",
        "totalMaintenanceMargin": "" if isolated else text(money(maintenance)),
        "coin": [coin],
    }
    if venue.profile.extra_fields:
        doubled = ("accountIMRate", "accountMMRate", "totalInitialMargin", "totalMaintenanceMargin")
        row |= {f"{name}ByMp": row[name] for name in doubled}
    return row


def _rate(part: Decimal, whole: Decimal) -> str:
    return text((part / whole).quantize(Decimal("0.0001"))) if whole > 0 else "0"
