"""Bybit's calls that this project uses, each with its budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Priority(Enum):
    """Who goes first where the venue limits calls.

    ``PROTECT``: exits, stops and look-ups of unknown orders; part of each budget is theirs alone.
    ``ENTRY``: refused rather than late. ``QUERY``: everything that may wait.
    """

    ENTRY = "entry"
    QUERY = "query"
    PROTECT = "protect"


@dataclass(frozen=True, slots=True)
class Call:
    """``method`` is pybit's name; ``per_second`` the venue's limit for one account."""

    method: str
    per_second: int
    write: bool = False
    private: bool = True


def _public(method: str, per_second: int = 50) -> Call:
    return Call(method, per_second, private=False)


def _write(method: str, per_second: int = 10) -> Call:
    return Call(method, per_second, write=True)


class Endpoint(Enum):
    """One call of the venue."""

    SERVER_TIME = _public("get_server_time")
    INSTRUMENTS = _public("get_instruments_info")
    TICKERS = _public("get_tickers")
    KLINES = _public("get_kline")
    FUNDING_HISTORY = _public("get_funding_rate_history")
    PRICE_LIMIT = _public("get_price_limit")
    ANNOUNCEMENTS = _public("get_announcement")
    SYSTEM_STATUS = _public("get_system_status")

    WALLET_BALANCE = Call("get_wallet_balance", 50)
    ACCOUNT_INFO = Call("get_account_info", 50)
    FEE_RATE = Call("get_fee_rates", 5)
    TRANSACTION_LOG = Call("get_transaction_log", 25)
    KEY_INFO = Call("get_api_key_information", 10)
    POSITIONS = Call("get_positions", 50)
    OPEN_ORDERS = Call("get_open_orders", 50)
    ORDER_HISTORY = Call("get_order_history", 50)
    EXECUTIONS = Call("get_executions", 50)
    CLOSED_PNL = Call("get_closed_pnl", 50)

    PLACE_ORDER = _write("place_order")
    AMEND_ORDER = _write("amend_order")
    CANCEL_ORDER = _write("cancel_order")
    CANCEL_ALL = _write("cancel_all_orders")
    TRADING_STOP = _write("set_trading_stop")
    SET_LEVERAGE = _write("set_leverage")
    SWITCH_MODE = _write("switch_position_mode")
    SET_MARGIN_MODE = _write("set_margin_mode", 5)

    @property
    def call(self) -> Call:
        return self.value
