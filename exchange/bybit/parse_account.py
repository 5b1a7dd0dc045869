"""Positions, wallet, transaction log, closed P&L and the facts of account and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import structlog

from exchange.bybit.parse_orders import SETTLE_COIN, side_of
from exchange.bybit.parse_values import Row
from exchange.domain import Balance, LedgerEntry, LedgerKind, PositionReport, Side

logger = structlog.get_logger(__name__)

# Words of the transaction log; any other word is money that came or went without a trade.
LEDGER_KINDS = {
    "TRADE": LedgerKind.EXECUTION,
    "LIQUIDATION": LedgerKind.EXECUTION,
    "ADL": LedgerKind.EXECUTION,
    "DELIVERY": LedgerKind.EXECUTION,
    "SETTLEMENT": LedgerKind.FUNDING,
    "TRANSFER_IN": LedgerKind.TRANSFER,
    "TRANSFER_OUT": LedgerKind.TRANSFER,
}
UNIFIED_STATUSES = frozenset({5, 6})


class MarginMode(StrEnum):
    """How the account backs its positions."""

    ISOLATED = "ISOLATED_MARGIN"
    CROSS = "REGULAR_MARGIN"
    PORTFOLIO = "PORTFOLIO_MARGIN"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """``unified`` is True for the one account type (UTA 2.0) that this venue is built for;
    ``dcp_on`` where Bybit cancels all orders of a client that lost its connection."""

    margin_mode: MarginMode
    unified: bool
    dcp_on: bool = False


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key may do. ``expires_at`` is None for a key bound to addresses, which stays."""

    user_id: str
    read_only: bool
    may_trade: bool
    may_withdraw: bool
    may_transfer: bool
    addresses: tuple[str, ...]
    expires_at: datetime | None
    unified: bool


@dataclass(frozen=True, slots=True)
class ClosedPnl:
    """What one closing order realised: price difference less both fees, without funding.

    ``side`` is the side of the closing order.
    """

    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    time: datetime


def position_report(data: Mapping[str, Any]) -> PositionReport:
    """One row of position/list or of the position topic; flat where its size is 0."""
    row = Row.of("position", data)
    qty = row.amount("size")
    average = row.level("avgPrice") or row.level("entryPrice")
    return PositionReport(
        symbol=row.needed_text("symbol"),
        side=side_of(row) if qty else None,
        qty=qty,
        avg_price=average if qty else None,
        stop_loss=row.level("stopLoss"),
        take_profit=row.level("takeProfit"),
        leverage=row.amount("leverage"),
        mark=row.level("markPrice"),
        updated_at=row.needed_time("updatedTime", "createdTime"),
    )


def is_hedged(data: Mapping[str, Any]) -> bool:
    """Whether a position row belongs to hedge mode, where long and short stand side by side."""
    return Row.of("position", data).whole("positionIdx") != 0


def balance(result: Mapping[str, Any], *, time: datetime, isolated: bool) -> Balance:
    """The USDT wallet of wallet-balance; all 0 for an account that never held USDT."""
    accounts = Row.of("wallet-balance", result).rows("list")
    if not accounts:
        raise Row.of("wallet-balance", result).refuse("list")
    account = accounts[0]
    coin = next((one for one in account.rows("coin") if one.text("coin") == SETTLE_COIN), None)
    if coin is None:
        return Balance(Decimal(0), Decimal(0), Decimal(0), time)
    wallet = coin.needed("walletBalance")
    equity = coin.number("equity")
    shared = None if isolated else account.number("totalAvailableBalance")
    return Balance(
        wallet=wallet,
        equity=wallet + coin.amount("unrealisedPnl") if equity is None else equity,
        available=max(Decimal(0), _unbound(coin, wallet) if shared is None else shared),
        time=time,
    )


def _unbound(coin: Row, wallet: Decimal) -> Decimal:
    """What no position, order or bonus binds: the free margin of an isolated account."""
    bound = ("totalPositionIM", "totalOrderIM", "locked", "bonus")
    return wallet - sum(coin.amount(name) for name in bound)


def ledger_entry(data: Mapping[str, Any]) -> LedgerEntry | None:
    """One row of the transaction log; None for a change of another coin's wallet."""
    row = Row.of("transaction-log", data)
    if row.text("currency") not in ("", SETTLE_COIN):
        return None
    word = row.needed_text("type")
    kind = LEDGER_KINDS.get(word)
    if kind is not None and row.text("category") not in ("", "linear"):
        # A trade on another market of the account: for us, money that came or went.
        kind = LedgerKind.TRANSFER
    if kind is None:
        logger.warning("bybit_other_ledger_entry", type=word, amount=str(row.number("change")))
    trade_id = row.text("tradeId")
    # One id is shared by all rows of a match; only the trade's own id tells them apart.
    return LedgerEntry(
        entry_id=f"{word}:{trade_id or row.needed_text('id')}",
        kind=kind or LedgerKind.TRANSFER,
        symbol=row.text("symbol"),
        amount=row.needed("change"),
        time=row.needed_time("transactionTime"),
        exec_id=trade_id if kind is LedgerKind.EXECUTION else "",
    )


def closed_pnl(data: Mapping[str, Any]) -> ClosedPnl:
    """One row of position/closed-pnl."""
    row = Row.of("closed-pnl", data)
    return ClosedPnl(
        order_id=row.needed_text("orderId"),
        symbol=row.needed_text("symbol"),
        side=side_of(row),
        qty=row.needed("closedSize"),
        entry_price=row.needed("avgEntryPrice"),
        exit_price=row.needed("avgExitPrice"),
        pnl=row.needed("closedPnl"),
        time=row.needed_time("updatedTime", "createdTime"),
    )


def account_facts(result: Mapping[str, Any]) -> AccountFacts:
    """The answer of account/info."""
    row = Row.of("account/info", result)
    word = row.needed_text("marginMode")
    known = {mode.value: mode for mode in MarginMode}
    return AccountFacts(
        margin_mode=known.get(word, MarginMode.UNKNOWN),
        unified=row.whole("unifiedMarginStatus") in UNIFIED_STATUSES,
        dcp_on=row.text("dcpStatus") == "ON",
    )


def key_facts(result: Mapping[str, Any]) -> KeyFacts:
    """The answer of user/query-api."""
    row = Row.of("query-api", result)
    granted = row.fields.get("permissions")
    if not isinstance(granted, Mapping):
        raise row.refuse("permissions")
    contracts = set(granted.get("ContractTrade") or ())
    wallet = set(granted.get("Wallet") or ())
    # "*" stands for any address.
    addresses = tuple(one for one in row.fields.get("ips") or () if one != "*")
    expires = row.time("expiredAt")
    return KeyFacts(
        user_id=row.text("userID"),
        read_only=row.flag("readOnly"),
        may_trade={"Order", "Position"} <= contracts and not row.flag("readOnly"),
        may_withdraw="Withdraw" in wallet,
        may_transfer=bool(wallet - {"Withdraw"}),
        addresses=addresses,
        expires_at=expires if expires and expires > datetime(2001, 1, 1, tzinfo=UTC) else None,
        unified=row.flag("uta"),
    )
