"""Pictures of charts, drawn on demand from the candles of the account's own market."""

from __future__ import annotations

from analysis.chart import render, style_of
from analysis.chart_human import AFTER_BARS, Band, Overlay, render_for_people
from analysis.chart_source import MarketChartSource
from analysis.domain import AnalysisInput, Direction
from analysis.indicators import VISIBLE_BARS
from analysis.models import Analysis
from analysis.picture_store import PictureDamaged, picture_bytes
from exchange.candles import CandleWindow, to_ms
from exchange.domain import TIMEFRAMES
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.blackouts import windows_between
from trading.choices import TradeState
from trading.models import Signal, Trade
from trading.selectors import direction_of, trade_book
from trading.wiring import market_for

# Candles after the close, so that one sees whether leaving was right.
AFTERMATH_BARS = 6


class PictureUnavailable(Exception):
    """The picture can't be drawn; the text says why."""


def picture_model(analysis: Analysis) -> bytes:
    """The picture that was analysed: its stored bytes where a model saw them, else drawn again.

    Raises ``PictureUnavailable``, and what chart source and market raise.
    """
    if analysis.chart is not None and analysis.chart.png is not None:
        try:
            return picture_bytes(analysis.chart)
        except PictureDamaged as damaged:
            raise PictureUnavailable(str(damaged)) from damaged
    given = _given(analysis, market_for(_signal_of(analysis).account))
    return render(given, style_of(analysis.profile.image_family)).png


def picture_people(analysis: Analysis, *, dark: bool) -> bytes:
    """The same picture with real prices and the signal's levels. Raises as ``picture_model``."""
    signal = _signal_of(analysis)
    given = _given(analysis, market_for(signal.account))
    shown = style_of(analysis.profile.image_family)
    bands = _bands(signal.account, given)
    return render_for_people(given, _overlay(signal), dark=dark, shown=shown, bands=bands)


def picture_trade(trade: Trade, *, dark: bool) -> bytes:
    """A trade's levels with the candles that followed. Raises as ``picture_model``."""
    analysis = trade.signal.analysis
    if analysis is None:
        raise PictureUnavailable("the trade has no analysis")
    market = market_for(trade.account)
    overlay = Overlay(
        entry=trade_book(trade).avg_entry or trade.signal.limit_price or analysis.last_price,
        stop=trade.stop_loss,
        target=trade.take_profit,
        side=direction_of(trade.side),
        after=_after(trade, analysis, market),
    )
    shown = style_of(analysis.profile.image_family)
    given = _given(analysis, market)
    bands = _bands(trade.account, given, overlay.after)
    return render_for_people(given, overlay, dark=dark, shown=shown, bands=bands)


def _signal_of(analysis: Analysis) -> Signal:
    signal = analysis.signals.select_related("account__market_session").order_by("id").first()
    if signal is None:
        raise PictureUnavailable("no signal came of this analysis, so its market is not known")
    return signal


def _given(analysis: Analysis, market: MarketData) -> AnalysisInput:
    return MarketChartSource(market).chart_input(
        analysis.symbol, analysis.timeframe, candle_time=analysis.candle_time
    )


def _bands(
    account: ExchangeAccount, given: AnalysisInput, after: CandleWindow | None = None
) -> list[Band]:
    """Blackouts of the symbol while the chart lasts."""
    interval = TIMEFRAMES[given.timeframe]
    start = given.candle_time - VISIBLE_BARS * interval
    end = after.last_close_time if after is not None and len(after) else given.candle_time
    return [
        Band(window.name, window.start, window.end)
        for window in windows_between(account, start, end)
        if not window.symbols or given.symbol in window.symbols
    ]


def _overlay(signal: Signal) -> Overlay | None:
    if signal.entry_price is None or signal.stop_loss is None or signal.take_profit is None:
        return None
    return Overlay(
        signal.entry_price, signal.stop_loss, signal.take_profit, Direction(signal.direction)
    )


def _after(trade: Trade, analysis: Analysis, market: MarketData) -> CandleWindow | None:
    """Closed candles since the analysis, to a few after the trade's close."""
    interval = TIMEFRAMES[analysis.timeframe]
    end = market.now()
    # A part that was taken left its time; the rest goes on.
    if trade.state == TradeState.CLOSED and trade.closed_market is not None:
        end = min(end, trade.closed_market + AFTERMATH_BARS * interval)
    count = min((end - analysis.candle_time) // interval, AFTER_BARS)
    if count < 1:
        return None
    end = analysis.candle_time + count * interval
    candles = market.candles(trade.symbol, interval, end=end, limit=count)
    newer = int((candles.times >= to_ms(analysis.candle_time)).sum())
    return candles.tail(newer) if newer else None
