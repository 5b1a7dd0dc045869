"""What a market tells about a symbol, gathered for the market filters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import numpy as np

from analysis.indicators import INPUT_BARS, bar_sizes
from exchange.domain import ZERO
from exchange.errors import MarketDataError
from exchange.ports import MarketData
from trading.domain.filters import MarketFilters, MarketView
from trading.domain.settings import BotSettings

BTC = "BTCUSDT"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
PLACES = Decimal("0.0001")
# A bar after a time of no movement at all has no size; this is above every threshold.
BOUNDLESS = Decimal(1_000_000)

Fact = TypeVar("Fact")


def market_view(market: MarketData, symbol: str, settings: BotSettings) -> MarketView:
    """The facts as they are now; what the market fails to give is missing, never an error."""
    facts, filters = market.facts, settings.filters
    gives_btc = facts.candles and _gives_btc(market, filters)
    return MarketView(
        symbol=symbol,
        time=market.now(),
        facts=facts,
        instrument=_or_none(lambda: market.instrument(symbol)),
        quote=_or_none(lambda: market.quote(symbol)),
        ticker=_or_none(lambda: market.ticker(symbol)),
        hourly_turnover=_or_none(lambda: _hourly_turnover(market, symbol)),
        bar_sizes=_or_none(lambda: _bar_sizes(market, symbol, settings)) if facts.candles else None,
        gives_btc=gives_btc,
        btc_move=_or_none(lambda: _btc_move(market, filters)) if gives_btc else None,
    )


def _or_none(ask: Callable[[], Fact | None]) -> Fact | None:
    try:
        return ask()
    except MarketDataError:
        return None


def _hourly_turnover(market: MarketData, symbol: str) -> Decimal | None:
    """Median turnover of an hour over the last day, from the finest candles of an hour or more."""
    if not (market.facts.turnover and market.facts.candles):
        return None
    interval = max(HOUR, market.monitor_interval(symbol))
    window = market.candles(symbol, interval, end=market.now(), limit=max(DAY // interval, 1))
    if not len(window):
        return None
    per_hour = window.volume * window.close * (HOUR / interval)
    return Decimal(round(float(np.median(per_hour))))


def _bar_sizes(
    market: MarketData, symbol: str, settings: BotSettings
) -> tuple[Decimal, ...] | None:
    count = settings.filters.shock_memory
    window = market.candles(symbol, settings.timeframe, end=market.now(), limit=INPUT_BARS)
    sizes = bar_sizes(window, count)
    if sizes is None:
        return None
    return tuple(
        Decimal(repr(float(size))).quantize(PLACES) if size < BOUNDLESS else BOUNDLESS
        for size in sizes
    )


def _gives_btc(market: MarketData, filters: MarketFilters) -> bool:
    """Whether the market has Bitcoin in candles short enough to see such a move."""
    if BTC not in market.symbols():
        return False
    return market.monitor_interval(BTC) <= filters.btc_move_minutes * MINUTE


def _btc_move(market: MarketData, filters: MarketFilters) -> Decimal | None:
    """The widest range of Bitcoin's price within ``btc_move_minutes`` that ended in the last
    ``btc_pause_minutes``, as a share of its low. Of candles that span less than all of that, none
    is missing silently: too few give None."""
    interval = market.monitor_interval(BTC)
    span = filters.btc_move_minutes * MINUTE // interval
    windows = max(filters.btc_pause_minutes * MINUTE // interval, 1)
    candles = market.candles(BTC, interval, end=market.now(), limit=span + windows - 1)
    if len(candles) < span + windows - 1:
        return None
    sliding = np.lib.stride_tricks.sliding_window_view
    highs = sliding(candles.high, span).max(axis=1)
    lows = sliding(candles.low, span).min(axis=1)
    move = float(np.max(highs / lows)) - 1
    return max(Decimal(repr(move)).quantize(PLACES / 100), ZERO)
