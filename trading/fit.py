"""Which symbols an account can trade, by the prices of now."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from analysis.errors import NotEnoughCandles
from analysis.indicators import INPUT_BARS, indicators
from exchange.candles import decimal_of
from exchange.domain import ZERO
from exchange.errors import ExchangeError, MarketDataError
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import BotState, TradingStateName
from trading.domain.exits import ExitSettingsInvalid
from trading.domain.fit import Fit, fit_of, fit_unknown
from trading.domain.invalid import SettingsInvalid
from trading.domain.portfolio import Portfolio
from trading.domain.settings import BotSettings
from trading.errors import TradingError
from trading.market_view import market_view
from trading.models import Bot, EquityPoint
from trading.settings_of import bot_settings, limits_current

# What keeps the fit of an account from being told at all.
UNTOLD = (ExchangeError, MarketDataError, TradingError, SettingsInvalid, ExitSettingsInvalid)


def fits_of(account: ExchangeAccount, market: MarketData) -> list[tuple[Bot, list[Fit]]]:
    """Every symbol of every bot that is not archived. Raises one of ``UNTOLD``."""
    limits = limits_current(account)
    bots = Bot.objects.filter(account=account).exclude(state=BotState.ARCHIVED)
    found = []
    for bot in bots.select_related("account").order_by("name"):
        settings = bot_settings(bot, limits)
        fits = [_fit(market, symbol, settings, account) for symbol in bot.symbols]
        found.append((bot, fits))
    return found


def _fit(market: MarketData, symbol: str, settings: BotSettings, account: ExchangeAccount) -> Fit:
    try:
        atr = _atr(market, symbol, settings)
        portfolio = _empty_portfolio(account, market)
    except (MarketDataError, NotEnoughCandles) as error:
        return fit_unknown(symbol, str(error))
    return fit_of(market_view(market, symbol, settings), atr, portfolio, settings)


def _atr(market: MarketData, symbol: str, settings: BotSettings) -> Decimal:
    window = market.candles(symbol, settings.timeframe, end=market.now(), limit=INPUT_BARS)
    return decimal_of(indicators(window).atr[-1])


def _empty_portfolio(account: ExchangeAccount, market: MarketData) -> Portfolio:
    """The account's money with nothing open, so that fit does not depend on the hour."""
    newest = EquityPoint.objects.filter(account=account).order_by("-time").first()
    wallet = newest.wallet if newest else account.start_equity
    flat = Portfolio(
        time=market.now(),
        wallet=wallet,
        equity=wallet,
        day_start_equity=wallet,
        transfers_today=ZERO,
        entries_today=0,
        trading_state=TradingStateName.ACTIVE,
    )
    return replace(flat, equity=newest.equity) if newest else flat
