"""Trades and signals as rows into what the exit rules work with."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from exchange.domain import TIMEFRAMES, ZERO, Instrument, Side
from exchange.errors import CandlesUnavailable
from exchange.ports import MarketData
from trading.choices import ExitReason, OrderRole
from trading.domain.exits import ExitAction, ExitSettings, ManagedTrade, manage_all
from trading.domain.invalidation import Invalidation, invalidation_of
from trading.models import Execution, Signal, Trade
from trading.selectors import RULES, trade_book

# What goes for these reasons was never meant to be held.
CORRECTIONS = (ExitReason.RISK_TRIM, ExitReason.LATE_FILL)


def managed_trade(trade: Trade, instrument: Instrument, settings: ExitSettings) -> ManagedTrade:
    """An open trade as the value that ``manage`` takes with ``settings``."""
    if trade.opened_market is None:
        raise ValueError(f"{trade} has not opened")
    book = trade_book(trade)
    # The sum is only worth a query where something may be taken.
    return ManagedTrade(
        side=Side(trade.side),
        avg_entry=book.avg_entry,
        initial_stop=trade.initial_stop,
        stop_loss=trade.stop_loss,
        take_profit=trade.take_profit,
        opened_at=trade.opened_market,
        instrument=instrument,
        cost_rate=2 * instrument.taker_fee + RULES.slippage_allowance,
        full_qty=_full_qty(trade) if settings.partials else ZERO,
        open_qty=book.open_qty,
        invalidation=Invalidation.from_json(trade.invalidation),
    )


def actions_now(
    trade: Trade, settings: ExitSettings, market: MarketData
) -> tuple[datetime, tuple[ExitAction, ...]]:
    """What the rules would do to an open trade at the newest closed monitor candle if it had
    these settings, and when that candle closed. Raises ``MarketDataError``."""
    interval = market.monitor_interval(trade.symbol)
    window = market.candles(trade.symbol, interval, end=market.now(), limit=1)
    if not len(window):
        raise CandlesUnavailable(f"{trade.symbol} has no closed candle yet")
    candle = window.candle(len(window) - 1)
    if trade.opened_market is None or candle.close_time <= trade.opened_market:
        return candle.close_time, ()
    value = managed_trade(trade, market.instrument(trade.symbol), settings)
    return candle.close_time, manage_all(value, candle, settings, candle.close_time)


def _full_qty(trade: Trade) -> Decimal:
    """What the entry came to once it was trimmed to its planned risk, as far as it is ours."""
    corrected = Q(order__exit_reason__in=CORRECTIONS) | Q(order__role=OrderRole.ENTRY)
    rows = Execution.objects.filter(corrected, trade=trade).exclude(side=trade.side)
    taken: Decimal = sum((row.trade_qty or row.qty for row in rows), ZERO)
    full: Decimal = trade.entry_qty - trade.released_qty - taken
    return full


def invalidation_to_freeze(signal: Signal) -> dict[str, str | None]:
    """What proves the signal's idea wrong, as its analysis said; empty where it said nothing."""
    analysis = signal.analysis
    if analysis is None:
        return {}
    frame = TIMEFRAMES[analysis.timeframe]
    idea = invalidation_of(analysis.answer, analysis.candle_time, frame)
    return {} if idea is None else idea.as_json()
