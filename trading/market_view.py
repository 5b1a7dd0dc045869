"""What a market tells about a symbol, gathered for the market filters."""

from __future__ import annotations

from exchange.errors import MarketDataError
from exchange.ports import MarketData
from trading.domain.filters import MarketView
from trading.domain.settings import BotSettings
from trading.selectors import quote_or_none


def market_view(market: MarketData, symbol: str, settings: BotSettings) -> MarketView:
    """The facts as they are now; what the market fails to give is missing, never an error."""
    try:
        ticker = market.ticker(symbol)
    except MarketDataError:
        ticker = None
    return MarketView(
        symbol=symbol,
        time=market.now(),
        facts=market.facts,
        quote=quote_or_none(market, symbol),
        ticker=ticker,
    )
