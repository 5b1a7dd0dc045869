"""Trades on simulated fills whose prices were missing for a while: nobody can say what they would
have done, so they are marked, and no statistics count them.

Fills on a real exchange are what they are, however little we saw of its prices.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from django.db import transaction

from exchange.candles import floor_time, to_ms
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import EventLevel, TradeState
from trading.events import record
from trading.execution.desk import Desk
from trading.models import Lease, Trade

# A gap longer than this was no pause between two rounds: the trader was off.
OFF_AFTER = timedelta(minutes=5)
LOOK_BACK = timedelta(days=2)
# Candles that a market can't give for so long after a trade's close are taken for lost.
GIVEN_UP_AFTER = timedelta(days=1)
CANDLES_AT_ONCE = 1000


def tell_replayed(desk: Desk) -> None:
    """Note on each open trade that the prices of the time without a trader are replayed through its
    orders now. Simulated and replayed markets stand still meanwhile, so nothing is missed there."""
    if not desk.live or not desk.account.uses_paper_ledger:
        return
    lease, now = Lease.objects.filter(account=desk.account).first(), desk.market.now()
    since = lease.agreed_until if lease else None
    if since is None or now - since < OFF_AFTER:
        return
    for trade in Trade.objects.filter(account=desk.account, state=TradeState.OPEN):
        record(
            "trade_replayed",
            f"{trade.symbol}: nobody traded from {since:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} "
            "UTC; the candles of that time are replayed through its orders.",
            account=desk.account,
            level=EventLevel.NOTICE,
            data={"trade": trade.pk},
            market_time=now,
        )


def unverifiable_mark(
    account: ExchangeAccount,
    market: MarketData,
    checked: set[int],
    *,
    since: datetime | None = None,
) -> list[Trade]:
    """Mark the trades that closed from ``since`` (two days back) on and that lack a candle while
    they were open; ``checked`` remembers those that are known. Nothing is done on a real exchange.
    """
    if not account.uses_paper_ledger:
        return []
    now = market.now()
    closed = Trade.objects.filter(
        account=account,
        state=TradeState.CLOSED,
        unverifiable=False,
        opened_market__isnull=False,
        closed_market__gte=since or now - LOOK_BACK,
    ).exclude(pk__in=checked)
    marked = []
    for trade in closed:
        missing = _missing(market, trade, now)
        if missing is None:
            continue
        checked.add(trade.pk)
        if missing:
            _mark(trade, missing)
            marked.append(trade)
    return marked


def _missing(market: MarketData, trade: Trade, now: datetime) -> int | None:
    """How many monitor candles the market lacks between the trade's first fill and its last; None
    while that can't be said yet."""
    if trade.opened_market is None or trade.closed_market is None:
        return None
    try:
        interval = market.monitor_interval(trade.symbol)
        first = floor_time(trade.opened_market, interval)
        end = floor_time(trade.closed_market, interval) + interval
        if end > now:
            return None
        return _lacking(market, trade.symbol, interval, first, end)
    except MarketDataError:
        expected = max(1, int((trade.closed_market - trade.opened_market).total_seconds() // 60))
        return expected if now - trade.closed_market > GIVEN_UP_AFTER else None


def _lacking(
    market: MarketData, symbol: str, interval: timedelta, first: datetime, end: datetime
) -> int:
    lacking = 0
    while first < end:
        until = min(end, first + CANDLES_AT_ONCE * interval)
        expected = int((until - first) / interval)
        window = market.candles(symbol, interval, end=until, limit=expected)
        have = int(np.count_nonzero(window.times >= to_ms(first)))
        lacking += expected - have
        first = until
    return lacking


def _mark(trade: Trade, missing: int) -> None:
    with transaction.atomic():
        Trade.objects.filter(pk=trade.pk).update(unverifiable=True)
        trade.unverifiable = True
        candles = f"{missing} candle{'' if missing == 1 else 's'}"
        record(
            "trade_unverifiable",
            f"{trade.symbol}: {candles} of the time it was open can't be had, so its result is "
            "not certain. It stays in the books and is in no statistics.",
            account=trade.account,
            level=EventLevel.WARNING,
            data={"trade": trade.pk, "missing": missing},
            market_time=trade.closed_market,
        )
