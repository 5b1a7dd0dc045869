"""What an account holds, risks and has behind it, as the rules see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from analysis.domain import Direction
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.blackouts import blackouts_now
from trading.choices import (
    BotState,
    ExitReason,
    OrderRole,
    OrderState,
    SignalState,
    TradeState,
)
from trading.domain.entry_settings import SizingMethod
from trading.domain.groups import groups_of
from trading.domain.guards import LOSSES_REST
from trading.domain.portfolio import Exposure, PastSignal, PastTrade, Portfolio, StopOut
from trading.domain.protections import memory_of
from trading.domain.settings import BotSettings
from trading.domain.track_record import TrackRecord, track_record
from trading.equity import (
    Transfer,
    day_start,
    moved,
    standing,
    start_at,
    starts_of,
    transfers_since,
    week_start,
)
from trading.models import Bot, EquityPoint, Lease, Order, Signal, SymbolGroup, Trade
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

# The clocks of venue, trader and cycle differ a little, more so on fast markets: what closed within
# a minute from now has closed. What lies further ahead is of another run of the market.
CLOCKS_APART = timedelta(minutes=1)
# The lock of a side counts 24 hours back from its newest stop-out, so two days are kept.
SIDE_LOCK_MEMORY = timedelta(days=2)
# A stop that closes at a loss, wherever it stood by then.
STOPPED = (
    ExitReason.STOP_LOSS,
    ExitReason.TIGHTENED_STOP,
    ExitReason.BREAKEVEN,
    ExitReason.LIQUIDATION,
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


def closed_trades(account: ExchangeAccount, since: datetime, now: datetime) -> list[Trade]:
    """Trades that closed between ``since`` and ``now``, oldest first, with what the guards ask of
    them."""
    rows = Trade.objects.filter(
        account=account,
        state=TradeState.CLOSED,
        closed_market__gt=since,
        closed_market__lte=now + CLOCKS_APART,
    ).order_by("closed_market", "id")
    return list(
        rows.only("symbol", "side", "bot_id", "closed_market", "net_pnl", "exit_reason", "account")
    )


def stop_outs(trades: Iterable[Trade]) -> tuple[StopOut, ...]:
    """Those that their initial stop closed."""
    return tuple(
        StopOut(row.symbol, direction_of(row.side), row.closed_market)
        for row in trades
        if row.exit_reason == ExitReason.STOP_LOSS and row.closed_market is not None
    )


def past_trades(
    trades: Sequence[Trade], wallet: Decimal, transfers: Sequence[Transfer]
) -> tuple[PastTrade, ...]:
    """Closed trades as the guards see them. The wallet at each close is worked back from
    ``wallet`` now, through the results and transfers since."""
    found: list[PastTrade] = []
    later = list(transfers)
    for row in reversed(trades):
        if row.closed_market is None or row.net_pnl is None:
            continue
        while later and later[-1].time > row.closed_market:
            wallet -= later.pop().amount
        found.append(
            PastTrade(
                symbol=row.symbol,
                direction=direction_of(row.side),
                bot_id=row.bot_id,
                closed_at=row.closed_market,
                net_pnl=row.net_pnl,
                equity_share=row.net_pnl / wallet if wallet > 0 else Decimal(-1),
                stopped=row.exit_reason in STOPPED,
            )
        )
        wallet -= row.net_pnl
    return tuple(reversed(found))


def entries_today(account: ExchangeAccount, now: datetime) -> list[int]:
    """The bot of each entry that left for the venue since 00:00 UTC."""
    rows = Order.objects.filter(
        account=account, role=OrderRole.ENTRY, created_market__gte=day_start(now)
    )
    sent = rows.exclude(submitted_at=None).exclude(state=OrderState.NOT_PLACED)
    return list(sent.values_list("trade__bot_id", flat=True))


def memory(settings: BotSettings) -> timedelta:
    """How far back closed trades are known: as far as any rule looks."""
    limits, rules = settings.limits, settings.rules
    return max(
        SIDE_LOCK_MEMORY,
        rules.same_side_cooldown_bars * settings.timeframe,
        rules.cooldown(settings.timeframe),
        # A row of n losses, each less than a day after the one before, is no older than n days.
        max(limits.half_size_losses, limits.pause_losses) * LOSSES_REST,
        memory_of(settings.protections),
    )


def portfolio_get(
    *,
    account: ExchangeAccount,
    market: MarketData,
    settings: BotSettings,
    wall_now: datetime,
    wallet: Decimal | None = None,
    without: Signal | None = None,
    bot: Bot | None = None,
) -> Portfolio:
    """Everything the rules need to know of an account now.

    ``wallet`` is the venue's, where the caller holds a client; else the newest stored one.
    ``without`` leaves one signal out (the one being admitted); ``bot`` is the one that asks.
    Raises ``MarketDataError``.
    """
    now = market.now()
    trades = list(Trade.objects.filter(account=account, state__in=LIVE_TRADES))
    waiting = Signal.objects.filter(account=account, state__in=HOLDING_SIGNALS)
    if without is not None:
        waiting = waiting.exclude(pk=without.pk)
    newest = EquityPoint.objects.filter(account=account).order_by("-time").first()
    if wallet is None:
        wallet = newest.wallet if newest else account.start_equity
    equity = wallet + unrealised_pnl(trades, market)
    week = week_start(now)
    since = now - memory(settings)
    transfers = transfers_since(account, min(since, week, newest.time if newest else week))
    closed = closed_trades(account, since, now)
    today, this_week = starts_of(account, now)
    state, reason = trading_state_effective(account)
    lease = Lease.objects.filter(account=account).first()
    exposures = exposures_of(trades, live_entries(account), market)
    held = tuple(signal_exposure(row, market.instrument(row.symbol)) for row in waiting)
    entered = entries_today(account, now)
    portfolio = Portfolio(
        time=now,
        wallet=wallet,
        equity=equity,
        day_start_equity=today.equity,
        transfers_today=moved(transfers, today.since, now),
        week_start_equity=this_week.equity,
        transfers_this_week=moved(transfers, this_week.since, now),
        drawdown=standing(account, equity, now, newest, transfers).drawdown,
        entries_today=len(entered),
        trading_state=state,
        state_reason=reason,
        exposures=exposures,
        waiting=held,
        external_symbols=frozenset(lease.external_symbols if lease else ()),
        past_signals=past_signals(account, now - settings.rules.similar_bars * settings.timeframe),
        stop_outs=stop_outs(closed),
        past_trades=past_trades(closed, wallet, transfers),
        groups=symbol_groups(bot, (*exposures, *held)),
        doubts=doubts_of(account, wall_now, lease),
        blackouts=blackouts_now(account, now),
    )
    return portfolio if bot is None else _seen_by(bot, portfolio, settings, entered)


def _seen_by(
    bot: Bot, portfolio: Portfolio, settings: BotSettings, entered: Sequence[int]
) -> Portfolio:
    """The same with what ``bot`` itself has behind it; ``entered`` is the bot of each entry of the
    day."""
    return replace(
        portfolio,
        bot_id=bot.pk,
        bot_state=BotState(bot.state),
        bot_entries_today=entered.count(bot.pk),
        # Only with real money does a bot's size depend on how many it has closed.
        bot_trades=_trades_of(bot) if settings.real_money else 0,
        bot_record=_record_of(bot, settings, portfolio.time),
    )


def symbol_groups(bot: Bot | None, held: Iterable[Exposure]) -> dict[str, str]:
    """The group of each symbol that is held or that the bot trades."""
    overrides = {row.name: row.symbols for row in SymbolGroup.objects.all()}
    symbols = {item.symbol for item in held} | set(bot.symbols if bot is not None else ())
    return groups_of(symbols, overrides)


def _record_of(bot: Bot, settings: BotSettings, now: datetime) -> TrackRecord | None:
    """The bot's closed trades where Kelly sizes by them, those that can't be verified apart."""
    if settings.entries.method is not SizingMethod.KELLY:
        return None
    rows = Trade.objects.filter(
        bot=bot, state=TradeState.CLOSED, unverifiable=False, closed_market__lte=now
    )
    results = rows.values_list("r_multiple", flat=True)
    return track_record([result for result in results if result is not None])


def _trades_of(bot: Bot) -> int:
    return Trade.objects.filter(bot=bot, state=TradeState.CLOSED).count()


def equity_at_day_start(account: ExchangeAccount, now: datetime) -> Decimal:
    """Equity at 00:00 UTC, as the daily limit counts it."""
    return start_at(account, day_start(now), now).equity
