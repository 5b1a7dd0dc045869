"""Reads: rows into the frozen values that the rules and the console work with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from analysis.domain import Direction
from exchange.domain import ZERO, Instrument, Quote, Side
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import (
    OrderRole,
    OrderState,
    SignalState,
    TradeState,
    TradingStateName,
)
from trading.domain.order import LIVE
from trading.domain.portfolio import Exposure
from trading.domain.protocol import EntryFacts, entry_gate
from trading.domain.settings import SignalRules
from trading.domain.trade import TradeBook
from trading.kill_file import kill_file_lies, kill_file_words
from trading.models import (
    Lease,
    Order,
    Signal,
    Trade,
    TradingState,
)

RULES = SignalRules()
STRICTNESS = (TradingStateName.ACTIVE, TradingStateName.REDUCING, TradingStateName.HALTED)
LIVE_TRADES = (TradeState.PENDING, TradeState.OPEN)
HOLDING_SIGNALS = (SignalState.WAITING, SignalState.APPROVED, SignalState.CLAIMED)
HEARTBEAT_LIMIT = timedelta(seconds=15)


def trading_state_effective(account: ExchangeAccount) -> tuple[TradingStateName, str]:
    """The strictest of the account's state, that of everything and the KILL file, with its reason.

    The file is asked last, to be as fresh as can be.
    """
    rows = TradingState.objects.filter(account=account) | TradingState.objects.filter(account=None)
    worst, reason = TradingStateName.ACTIVE, ""
    for row in rows:
        state = TradingStateName(row.state)
        if STRICTNESS.index(state) > STRICTNESS.index(worst):
            worst, reason = state, row.reason
    if worst is not TradingStateName.HALTED and kill_file_lies():
        return TradingStateName.HALTED, kill_file_words()
    return worst, reason


def trade_book(trade: Trade) -> TradeBook:
    """The trade's sums as the value that ``fold`` takes."""
    return TradeBook(
        side=Side(trade.side),
        initial_stop=trade.initial_stop,
        entry_qty=trade.entry_qty,
        entry_value=trade.entry_value,
        exit_qty=trade.exit_qty,
        exit_value=trade.exit_value,
        fees=trade.fees,
        funding=trade.funding,
        released_qty=trade.released_qty,
        opened_at=trade.opened_market,
        last_at=trade.closed_market,
    )


def direction_of(side: str) -> Direction:
    return Direction.LONG if side == Side.BUY else Direction.SHORT


def exposures_of(
    trades: Iterable[Trade], entries: dict[int, Order], market: MarketData
) -> tuple[Exposure, ...]:
    """What open trades and working entries hold. ``entries`` maps trade ids to live entries;
    a partly filled entry gives two exposures, one open and one working."""
    found = []
    for trade in trades:
        instrument = market.instrument(trade.symbol)
        rate = instrument.taker_fee + RULES.slippage_allowance
        book = trade_book(trade)
        parts = [(book.open_qty, book.avg_entry, False)]
        entry = entries.get(trade.pk)
        if entry is not None and entry.price is not None:
            parts.append((entry.qty - entry.filled_qty, entry.price, True))
        found += [
            Exposure(
                symbol=trade.symbol,
                direction=direction_of(trade.side),
                qty=qty,
                price=price,
                stop_loss=trade.stop_loss,
                exit_cost_rate=rate,
                margin=qty * price / trade.leverage,
                working=working,
                entry_cost_rate=instrument.taker_fee if working else ZERO,
                bot_id=trade.bot_id,
                confidence=entry.signal.confidence if working and entry and entry.signal else None,
            )
            for qty, price, working in parts
            if qty > 0
        ]
    return tuple(found)


def signal_exposure(signal: Signal, instrument: Instrument) -> Exposure:
    """What an accepted signal will hold once its entry works."""
    return Exposure(
        symbol=signal.symbol,
        direction=Direction(signal.direction),
        qty=signal.qty,
        price=signal.worst_price,
        stop_loss=signal.stop_loss,
        exit_cost_rate=instrument.taker_fee + RULES.slippage_allowance,
        margin=signal.qty * signal.worst_price / signal.leverage,
        working=True,
        entry_cost_rate=instrument.taker_fee,
        bot_id=signal.bot_id,
    )


def unrealised_pnl(trades: Iterable[Trade], market: MarketData) -> Decimal:
    """Open result at the last price. Raises ``MarketDataError``."""
    total = ZERO
    for trade in trades:
        book = trade_book(trade)
        last = market.quote(trade.symbol).last
        total += book.side.sign * (last - book.avg_entry) * book.open_qty
    return total


def live_entries(account: ExchangeAccount) -> dict[int, Order]:
    """Working entry orders by trade id."""
    rows = Order.objects.filter(account=account, role=OrderRole.ENTRY, state__in=LIVE)
    return {row.trade_id: row for row in rows.select_related("signal")}


def doubts_of(account: ExchangeAccount, wall_now: datetime, lease: Lease | None) -> tuple[str, ...]:
    """Reasons why entries are off: a silent trader, what it told, orders without an answer.

    The orders are read from their rows, because the trader tells its doubts once a round and
    may send several entries in one.
    """
    if lease is None or wall_now - lease.heartbeat_at > HEARTBEAT_LIMIT:
        return ("no trader is running",)
    doubts = [*lease.doubts]
    known = EntryFacts(reconciled=lease.reconciled, unresolved=unresolved_symbols(account))
    return tuple(dict.fromkeys([*doubts, *entry_gate(known)]))


def unresolved_symbols(account: ExchangeAccount) -> tuple[str, ...]:
    """The symbol of each order whose fate on the venue is not known: unanswered, or taken and not
    found any more."""
    taken = (OrderState.ACKNOWLEDGED, OrderState.PARTIALLY_FILLED)
    lost = Q(state=OrderState.UNKNOWN) | Q(state__in=taken, not_found_count__gt=0)
    rows = Order.objects.filter(lost, account=account).order_by("pk")
    return tuple(rows.values_list("symbol", flat=True))


def quote_or_none(market: MarketData, symbol: str) -> Quote | None:
    """The quote, or None while the market can't give one."""
    try:
        return market.quote(symbol)
    except MarketDataError:
        return None
