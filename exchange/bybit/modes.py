"""The two settings of a Bybit account that this system needs: isolated margin, one-way mode.

Both are changed only while nothing is open, so that no position changes under somebody's hands.
"""

from __future__ import annotations

from exchange.bybit.endpoints import Endpoint, Priority
from exchange.bybit.parse import MarginMode, position_report
from exchange.bybit.rest import BybitRest
from exchange.errors import ExchangeError


class NotFlat(ExchangeError):
    """Something is open on the account, so its modes stay as they are."""


def set_isolated_margin(rest: BybitRest) -> None:
    """Switch the whole account to isolated margin. Raises ``NotFlat`` and ``ExchangeError``."""
    _refuse_open(rest)
    rest.write(
        Endpoint.SET_MARGIN_MODE,
        priority=Priority.PROTECT,
        setMarginMode=str(MarginMode.ISOLATED),
    )


def set_one_way_mode(rest: BybitRest) -> None:
    """Switch every USDT perpetual to one-way mode. Raises ``NotFlat`` and ``ExchangeError``."""
    _refuse_open(rest)
    rest.write(
        Endpoint.SWITCH_MODE, priority=Priority.PROTECT, category="linear", coin="USDT", mode=0
    )


def _refuse_open(rest: BybitRest) -> None:
    rows = rest.pages(Endpoint.POSITIONS, category="linear", settleCoin="USDT")
    held = sorted({one.symbol for one in map(position_report, rows) if one.qty})
    if held:
        raise NotFlat(f"Close the positions in {', '.join(held)} first.")
    orders = rest.pages(Endpoint.OPEN_ORDERS, category="linear", settleCoin="USDT")
    if next(orders, None) is not None:
        raise NotFlat("Cancel the open orders first.")
