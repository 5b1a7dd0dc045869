"""The best and the worst price of a trade while it was open, from its fills and its candles."""

from __future__ import annotations

from decimal import Decimal

from exchange.candles import floor_time
from exchange.domain import Candle
from exchange.ports import MarketData
from trading.models import Trade


def widen(trade: Trade, *prices: Decimal) -> bool:
    """Take ``prices`` into the trade's best and worst, in memory. True if either changed."""
    before = (trade.best_price, trade.worst_price)
    known = [price for price in (*before, *prices) if price is not None]
    low, high = min(known), max(known)
    trade.best_price, trade.worst_price = (high, low) if trade.side == "buy" else (low, high)
    return before != (trade.best_price, trade.worst_price)


def prices_of(trade: Trade, candle: Candle) -> tuple[Decimal, ...]:
    """What a candle tells of the trade. What price did before the entry, in the same candle, is
    nothing to it: only where that one closed."""
    if trade.opened_market is None or candle.open_time < trade.opened_market:
        return (candle.close,)
    return candle.high, candle.low


def extremes_save(trade: Trade) -> None:
    """Store the best and the worst price alone."""
    Trade.objects.filter(pk=trade.pk).update(
        best_price=trade.best_price, worst_price=trade.worst_price
    )


def extremes_complete(trade: Trade, market: MarketData) -> None:
    """Take in the candles between the newest managed one and the close of the trade. The one in
    which it closed is left out: what came after the exit is nothing to it.

    Raises ``MarketDataError``.
    """
    if trade.managed_until is None or trade.closed_market is None:
        return
    interval = market.monitor_interval(trade.symbol)
    start = floor_time(trade.managed_until, interval)
    end = floor_time(trade.closed_market, interval)
    count = int((end - start) / interval)
    if count < 1:
        return
    window = market.candles(trade.symbol, interval, end=end, limit=count)
    candles = [window.candle(index) for index in range(len(window))]
    prices = [
        price
        for candle in candles
        if candle.close_time > trade.managed_until
        for price in prices_of(trade, candle)
    ]
    if prices and widen(trade, *prices):
        extremes_save(trade)
    if candles:
        Trade.objects.filter(pk=trade.pk).update(managed_until=end)
