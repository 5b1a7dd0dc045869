"""Positions, account and key: the paths under /v5/position, /v5/account and /v5/user."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.simulators.bybit import changing
from tests.simulators.bybit.accounts import Account
from tests.simulators.bybit.paging import page, view_at, window
from tests.simulators.bybit.params import Params, check_linear, number, required, word
from tests.simulators.bybit.payloads import closed_pnl_row, position_row
from tests.simulators.bybit.payloads_account import wallet_row
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import DAY_MS, MAKER_FEE, TAKER_FEE, ZERO, Refused, text
from tests.simulators.bybit.venue import Venue

Row = dict[str, Any]


def positions(venue: Venue, account: Account, params: Params) -> Row:
    """Give a symbol's rows, flat or not, or with settleCoin every open position."""
    check_linear(params)
    symbol, settle = word(params, "symbol"), word(params, "settleCoin")
    if not symbol and not settle:
        raise Refused(10001, "params error: symbol or settleCoin is required")
    if symbol:
        venue.rules_of(symbol)
        idxs = (1, 2) if account.hedged(symbol) else (0,)
        wanted = [account.position(symbol, idx, venue.now_ms) for idx in idxs]
    else:
        wanted = [each for each in account.positions.values() if settle == "USDT"]
    rows = [(each.idx, _seen(venue, account, each)) for each in wanted]
    if symbol:
        listed = [row for _, row in rows]
        return {"nextPageCursor": _rows_cursor(listed), "category": "linear", "list": listed}
    numbered = [(n, row) for n, (_, row) in enumerate(rows, 1) if row["size"] != "0"]
    return page(numbered, params, 20, 200)


def _rows_cursor(rows: list[Row]) -> str:
    first = rows[0]
    return f"{first['symbol']}%2C{first['updatedTime']}%2C0"


def _seen(venue: Venue, account: Account, position: Position) -> Row:
    """Give the position as a reader sees it, which may lag behind."""
    lag = venue.lag_ms["positions"]
    if not lag:
        return position_row(venue, account, position)
    flat = Position(position.symbol, position.idx, position.created_ms, position.created_ms)
    seen = view_at(position.views, venue.now_ms - lag)
    return seen or position_row(venue, account, flat)


def trading_stop(venue: Venue, account: Account, params: Params) -> Row:
    check_linear(params)
    changing.trading_stop(venue, account, params)
    return {}


def set_leverage(venue: Venue, account: Account, params: Params) -> Row:
    check_linear(params)
    buy, sell = number(params, "buyLeverage") or ZERO, number(params, "sellLeverage") or ZERO
    changing.set_leverage(venue, account, required(params, "symbol"), buy, sell)
    return {}


def switch_mode(venue: Venue, account: Account, params: Params) -> Row:
    check_linear(params)
    symbol, mode = word(params, "symbol"), word(params, "mode")
    if mode not in ("0", "3") or not (symbol or word(params, "coin") == "USDT"):
        raise Refused(10001, "params error: mode, symbol or coin invalid")
    changing.switch_mode(venue, account, symbol, mode == "3")
    return {}


def closed_pnl(venue: Venue, account: Account, params: Params) -> Row:
    """Give one row per closing order."""
    check_linear(params)
    start, end = window(params, venue.now_ms)
    end = min(end, venue.now_ms - venue.lag_ms["closed_pnl"])
    symbol = word(params, "symbol")
    rows = [
        (trade.n, closed_pnl_row(trade))
        for trade in account.closed.values()
        if start <= trade.updated_ms <= end and symbol in ("", trade.order.symbol)
    ]
    return page(rows, params, 50, 100)


def wallet_balance(venue: Venue, account: Account, params: Params) -> Row:
    if word(params, "accountType") != "UNIFIED":
        raise Refused(10001, "accountType only support UNIFIED.")
    row = wallet_row(venue, account)
    coins = word(params, "coin")
    if coins and "USDT" not in coins.split(","):
        row["coin"] = []
    return {"list": [row]}


def account_info(venue: Venue, account: Account, params: Params) -> Row:
    return {
        "marginMode": account.margin_mode,
        "updatedTime": str(account.margin_mode_ms),
        "unifiedMarginStatus": 5,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def set_margin_mode(venue: Venue, account: Account, params: Params) -> Row:
    changing.set_margin_mode(venue, account, required(params, "setMarginMode"))
    return {"reasons": []}


def fee_rate(venue: Venue, account: Account, params: Params) -> Row:
    if venue.profile.demo:
        raise Refused(10032, "Demo trading are not supported.")
    check_linear(params)
    symbol = word(params, "symbol")
    if symbol:
        venue.rules_of(symbol)
    fees = {"takerFeeRate": text(TAKER_FEE), "makerFeeRate": text(MAKER_FEE)}
    names = [symbol] if symbol else list(venue.rules)
    return {"list": [{"symbol": name, **fees} for name in names]}


def transaction_log(venue: Venue, account: Account, params: Params) -> Row:
    """Give every change of the wallet; without times, those of the last day."""
    start, end = window(params, venue.now_ms, DAY_MS)
    end = min(end, venue.now_ms - venue.lag_ms["transaction_log"])
    kind, currency = word(params, "type"), word(params, "currency")
    rows = [
        (record.n, record.row)
        for record in account.log
        if start <= record.ms <= end
        and kind in ("", record.row["type"])
        and currency in ("", record.row["currency"])
    ]
    found = page(rows, params, 20, 50)
    del found["category"]
    return found


def key_info(venue: Venue, account: Account, params: Params) -> Row:
    """Give what the key may do."""
    created = datetime.fromtimestamp(account.created_ms / 1000, UTC)
    facts: Row = {
        "id": "2208369",
        "note": "simulator",
        "apiKey": "sim-key",
        "readOnly": 0,
        "secret": "",
        "ips": ["127.0.0.1"],
        "type": 1,
        "deadlineDay": -2,
        "expiredAt": "1970-01-01T00:00:00Z",
        "createdAt": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "unified": 0,
        "uta": 1,
        "userID": int(account.uid) if account.uid.isdigit() else 0,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "",
        "userIDInt64": "0",
        "inviterIDInt64": "0",
        "affiliateIDInt64": "0",
    }
    return facts | account.key | {"permissions": account.permissions()}
