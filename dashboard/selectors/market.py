"""Prices and time of an account's market, or the honest lack of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import structlog

from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.wiring import market_for

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MarketReading:
    """Market time, speed and last prices; ``market`` and ``now`` are None while it can't be read.

    ``speed`` is seconds of market time per second, 0 when a driver steps it.
    """

    market: MarketData | None = None
    now: datetime | None = None
    speed: float = 1.0
    last: Mapping[str, Decimal] = field(default_factory=dict)


def market_runs(account: ExchangeAccount) -> bool:
    """Whether time goes on by itself: not on a market that a driver steps or that has ended."""
    session = getattr(account, "market_session", None)
    if session is None:
        return True
    # Time is reserved a few wall seconds ahead, so the very end is told that much early.
    ended = session.end is not None and session.reserved_until >= session.end
    return session.speed > 0 and not ended


def market_read(account: ExchangeAccount, symbols: Iterable[str] = ()) -> MarketReading:
    """Read the market of ``account`` now; prices only of ``symbols``."""
    try:
        market = market_for(account)
        now, speed = market.now(), market.speed
    except Exception:
        # A page must still show what the database knows when the market is gone. Said quietly:
        # the console asks twice a second, and the dash on the page is loud enough.
        log.debug("market_unreadable", account=account.pk, exc_info=True)
        return MarketReading()
    return MarketReading(market, now, speed, _last_prices(market, symbols))


def _last_prices(market: MarketData, symbols: Iterable[str]) -> dict[str, Decimal]:
    prices = {}
    for symbol in sorted(set(symbols)):
        try:
            prices[symbol] = market.quote(symbol).last
        except Exception:
            log.debug("quote_unreadable", symbol=symbol, exc_info=True)
    return prices
