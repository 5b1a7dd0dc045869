"""Reads: rows into the frozen values that the rules and the console work with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from analysis.domain import Direction
from exchange.domain import TIMEFRAMES, ZERO, Instrument, Quote, Side
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import (
    Autonomy,
    CashflowKind,
    ExitReason,
    OrderRole,
    OrderState,
    RiskProfile,
    SignalState,
    TradeState,
    TradingStateName,
)
from trading.domain.exits import ExitSettings, ManagedTrade, default_exits
from trading.domain.order import LIVE
from trading.domain.portfolio import Exposure, PastSignal, Portfolio, StopOut
from trading.domain.protocol import EntryFacts, entry_gate
from trading.domain.settings import BotSettings, Limits, SignalRules
from trading.domain.trade import TradeBook
from trading.models import (
    Bot,
    Cashflow,
    EquityPoint,
    Lease,
    Order,
    RiskLimits,
    Signal,
    Trade,
    TradingState,
)

RULES = SignalRules()
STRICTNESS = (TradingStateName.ACTIVE, TradingStateName.REDUCING, TradingStateName.HALTED)
LIVE_TRADES = (TradeState.PENDING, TradeState.OPEN)
HOLDING_SIGNALS = (SignalState.WAITING, SignalState.APPROVED, SignalState.CLAIMED)
HEARTBEAT_LIMIT = timedelta(seconds=15)


def limits_current(account: ExchangeAccount) -> RiskLimits:
    """The newest limits of the account."""
    return RiskLimits.objects.filter(account=account).latest("version")


def limits_value(row: RiskLimits) -> Limits:
    """The row as the value the rules take."""
    return Limits(
        version=row.version,
        min_confidence=row.min_confidence,
        min_rr_net=row.min_rr_net,
        risk_per_trade=row.risk_per_trade,
        max_slots=row.max_slots,
        max_same_direction=row.max_same_direction,
        max_entries_per_day=row.max_entries_per_day,
        max_open_risk=row.max_open_risk,
        max_same_direction_risk=row.max_same_direction_risk,
        max_daily_loss=row.max_daily_loss,
        max_position_notional=row.max_position_notional,
        max_gross_exposure=row.max_gross_exposure,
        max_leverage=row.max_leverage,
    )


def bot_settings(bot: Bot, limits: RiskLimits) -> BotSettings:
    """Settings of a bot's next decision. Raises ``ExitSettingsInvalid``."""
    timeframe = TIMEFRAMES[bot.timeframe]
    stored = bot.exit_settings
    exits = (
        ExitSettings.from_json(stored)
        if stored
        else default_exits(RiskProfile(limits.profile), timeframe)
    )
    return BotSettings(
        timeframe=timeframe,
        autonomy=Autonomy(bot.autonomy),
        capital_share=bot.capital_share,
        limits=limits_value(limits),
        exits=exits,
        rules=RULES,
    )


def trading_state_effective(account: ExchangeAccount) -> tuple[TradingStateName, str]:
    """The stricter of the account's state and that of everything, with its reason."""
    rows = TradingState.objects.filter(account=account) | TradingState.objects.filter(account=None)
    worst, reason = TradingStateName.ACTIVE, ""
    for row in rows:
        state = TradingStateName(row.state)
        if STRICTNESS.index(state) > STRICTNESS.index(worst):
            worst, reason = state, row.reason
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


def managed_trade(trade: Trade, instrument: Instrument) -> ManagedTrade:
    """An open trade as the value that ``manage`` takes."""
    if trade.opened_market is None:
        raise ValueError(f"{trade} has not opened")
    return ManagedTrade(
        side=Side(trade.side),
        avg_entry=trade_book(trade).avg_entry,
        initial_stop=trade.initial_stop,
        stop_loss=trade.stop_loss,
        take_profit=trade.take_profit,
        opened_at=trade.opened_market,
        instrument=instrument,
        cost_rate=2 * instrument.taker_fee + RULES.slippage_allowance,
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
    return {row.trade_id: row for row in rows}


def equity_at_day_start(account: ExchangeAccount, now: datetime) -> Decimal:
    """Equity at 00:00 UTC: the newest point up to then, else the first of the day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    points = EquityPoint.objects.filter(account=account)
    before = points.filter(time__lte=midnight).order_by("-time").first()
    first = before or points.filter(time__lte=now).order_by("time").first()
    equity: Decimal = first.equity if first else account.start_equity
    return equity


def doubts_of(account: ExchangeAccount, wall_now: datetime) -> tuple[str, ...]:
    """Reasons why entries are off: a silent trader, what it told, orders without an answer.

    The orders are read from their rows, because the trader tells its doubts once a round and
    may send several entries in one.
    """
    lease = Lease.objects.filter(account=account).first()
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


def past_signals(account: ExchangeAccount, since: datetime) -> tuple[PastSignal, ...]:
    """Signals that were executed, refused by a person or expired since ``since``."""
    rows = Signal.objects.filter(
        account=account,
        decided_at__gt=since,
        state__in=(SignalState.EXECUTING, SignalState.REFUSED, SignalState.EXPIRED),
    )
    return tuple(
        PastSignal(
            symbol=row.symbol,
            direction=Direction(row.direction),
            entry_price=row.entry_price,
            time=row.decided_at,
            what="executed" if row.state == SignalState.EXECUTING else row.state,
        )
        for row in rows
    )


def stop_outs(account: ExchangeAccount, since: datetime) -> tuple[StopOut, ...]:
    """Trades that their initial stop closed since ``since``."""
    rows = Trade.objects.filter(
        account=account, exit_reason=ExitReason.STOP_LOSS, closed_market__gt=since
    )
    return tuple(
        StopOut(row.symbol, direction_of(row.side), row.closed_market)
        for row in rows
        if row.closed_market is not None
    )


def entries_today(account: ExchangeAccount, now: datetime) -> int:
    """Entries that left for the venue since 00:00 UTC."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        Order.objects.filter(account=account, role=OrderRole.ENTRY, created_market__gte=midnight)
        .exclude(submitted_at=None)
        .exclude(state=OrderState.NOT_PLACED)
        .count()
    )


def portfolio_get(
    *,
    account: ExchangeAccount,
    market: MarketData,
    settings: BotSettings,
    wall_now: datetime,
    wallet: Decimal | None = None,
    without: Signal | None = None,
) -> Portfolio:
    """Everything the rules need to know of an account now.

    ``wallet`` is the venue's, where the caller holds a client; else the newest stored one.
    ``without`` leaves one signal out (the one being admitted). Raises ``MarketDataError``.
    """
    now = market.now()
    trades = list(Trade.objects.filter(account=account, state__in=LIVE_TRADES))
    waiting = Signal.objects.filter(account=account, state__in=HOLDING_SIGNALS)
    if without is not None:
        waiting = waiting.exclude(pk=without.pk)
    if wallet is None:
        newest = EquityPoint.objects.filter(account=account).order_by("-time").first()
        wallet = newest.wallet if newest else account.start_equity
    state, reason = trading_state_effective(account)
    lease = Lease.objects.filter(account=account).first()
    rules = settings.rules
    # The lock of a side counts 24 hours back from its newest stop-out, so two days are kept.
    memory = max(timedelta(days=2), rules.same_side_cooldown_bars * settings.timeframe)
    return Portfolio(
        time=now,
        wallet=wallet,
        equity=wallet + unrealised_pnl(trades, market),
        day_start_equity=equity_at_day_start(account, now),
        transfers_today=_transfers_today(account, now),
        entries_today=entries_today(account, now),
        trading_state=state,
        state_reason=reason,
        exposures=exposures_of(trades, live_entries(account), market),
        waiting=tuple(signal_exposure(row, market.instrument(row.symbol)) for row in waiting),
        external_symbols=frozenset(lease.external_symbols if lease else ()),
        past_signals=past_signals(account, now - rules.similar_bars * settings.timeframe),
        stop_outs=stop_outs(account, now - max(memory, rules.cooldown(settings.timeframe))),
        doubts=doubts_of(account, wall_now),
    )


def _transfers_today(account: ExchangeAccount, now: datetime) -> Decimal:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = Cashflow.objects.filter(
        account=account, kind=CashflowKind.TRANSFER, time__gte=midnight, time__lte=now
    )
    return sum((row.amount for row in rows), ZERO)


def quote_or_none(market: MarketData, symbol: str) -> Quote | None:
    """The quote, or None while the market can't give one."""
    try:
        return market.quote(symbol)
    except MarketDataError:
        return None
