"""Which path does what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulators.bybit import rest_api_account as account
from tests.simulators.bybit import rest_api_market as market
from tests.simulators.bybit import rest_api_orders as orders
from tests.simulators.bybit.accounts import Account
from tests.simulators.bybit.params import Params
from tests.simulators.bybit.venue import Venue

Row = dict[str, Any]
PublicHandler = Callable[[Venue, Params], Row]
PrivateHandler = Callable[[Venue, Account, Params], Row]

PUBLIC: dict[tuple[str, str], PublicHandler] = {
    ("GET", "/v5/market/time"): market.server_time,
    ("GET", "/v5/market/instruments-info"): market.instruments,
    ("GET", "/v5/market/tickers"): market.tickers,
    ("GET", "/v5/market/kline"): market.kline,
    ("GET", "/v5/market/funding/history"): market.funding_history,
    ("GET", "/v5/market/price-limit"): market.price_limit,
    ("GET", "/v5/announcements/index"): market.announcements,
    ("GET", "/v5/system/status"): market.system_status,
}
PRIVATE: dict[tuple[str, str], PrivateHandler] = {
    ("POST", "/v5/order/create"): orders.create,
    ("POST", "/v5/order/amend"): orders.amend,
    ("POST", "/v5/order/cancel"): orders.cancel,
    ("POST", "/v5/order/cancel-all"): orders.cancel_all,
    ("GET", "/v5/order/realtime"): orders.realtime,
    ("GET", "/v5/order/history"): orders.history,
    ("GET", "/v5/execution/list"): orders.executions,
    ("GET", "/v5/position/list"): account.positions,
    ("POST", "/v5/position/trading-stop"): account.trading_stop,
    ("POST", "/v5/position/set-leverage"): account.set_leverage,
    ("POST", "/v5/position/switch-mode"): account.switch_mode,
    ("GET", "/v5/position/closed-pnl"): account.closed_pnl,
    ("GET", "/v5/account/wallet-balance"): account.wallet_balance,
    ("GET", "/v5/account/info"): account.account_info,
    ("POST", "/v5/account/set-margin-mode"): account.set_margin_mode,
    ("GET", "/v5/account/fee-rate"): account.fee_rate,
    ("GET", "/v5/account/transaction-log"): account.transaction_log,
    ("GET", "/v5/user/query-api"): account.key_info,
}
