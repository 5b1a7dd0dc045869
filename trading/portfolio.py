"""What an account holds, risks and has behind it, as the rules see it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import CashflowKind, ExitReason, OrderRole, OrderState, SignalState
from trading.domain.portfolio import PastSignal, Portfolio, StopOut
from trading.domain.settings import BotSettings
from trading.models import Cashflow, EquityPoint, Lease, Order, Signal, Trade
from trading.selectors import (
    HOLDING_SIGNALS,
    LIVE_TRADES,
    direction_of,
    doubts_of,
    exposures_of,
    live_entries,
    signal_exposure,
    trading_state_effective,
    unrealised_pnl,
)


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


def equity_at_day_start(account: ExchangeAccount, now: datetime) -> Decimal:
    """Equity at 00:00 UTC: the newest point up to then, else the first of the day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    points = EquityPoint.objects.filter(account=account)
    before = points.filter(time__lte=midnight).order_by("-time").first()
    first = before or points.filter(time__lte=now).order_by("time").first()
    equity: Decimal = first.equity if first else account.start_equity
    return equity
