"""Where days and weeks begin: equity at exactly 00:00 UTC, which the loss limits count from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf

import structlog
from django.db.models import Q

from exchange.domain import ZERO, Side, quantise
from exchange.errors import ExchangeError, MarketDataError
from exchange.ports import MarketData
from trading.choices import EventLevel, TradeState
from trading.equity import day_start, point_save, week_start
from trading.events import record
from trading.execution.desk import Desk
from trading.models import EquityPoint, Execution, Trade

logger = structlog.get_logger(__name__)

# So soon after midnight, and with nothing traded since, the venue's own figure is that of midnight.
FRESH = timedelta(seconds=2)
# Seconds before a start that could not be told is asked for again.
ASK_AGAIN_S = 2.0


class DayStarts:
    """Keeps the points of one desk; remembers the day it has opened."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._opened: datetime | None = None
        self._failed_s = -inf

    def known(self) -> bool:
        """Whether today's and this week's start stand. Without them nobody knows what may still be
        lost, so no entry leaves."""
        now = self._desk.market.now()
        today = day_start(now)
        if self._opened == today:
            return True
        wall = self._desk.clock.monotonic()
        if self._desk.live and wall - self._failed_s < ASK_AGAIN_S:
            return False
        try:
            for moment in sorted({week_start(now), today}):
                self._keep(moment)
        except (ExchangeError, MarketDataError) as exc:
            logger.warning("the start of the day is not known", error=str(exc))
            self._tell(str(exc), now)
            self._failed_s = wall
            return False
        self._opened, self._failed_s = today, -inf
        return True

    def _tell(self, why: str, now: datetime) -> None:
        """Once for each time that it is not known."""
        if self._failed_s > -inf:
            return
        record(
            "day_start_unknown",
            f"Entries wait: where the day or week began can't be told ({why.rstrip('.')})."[:300],
            account=self._desk.account,
            level=EventLevel.WARNING,
            market_time=now,
        )

    def _keep(self, moment: datetime) -> None:
        """Keep the point at ``moment``; an account that is younger has its first one."""
        points = EquityPoint.objects.filter(account=self._desk.account)
        if points.filter(time=moment).exists() or not points.filter(time__lt=moment).exists():
            return
        desk = self._desk
        balance = desk.client.balance()
        # What the venue booked between the two questions is not in the balance.
        rows = desk.client.ledger(since=moment)
        since = [one for one in rows if moment <= one.time <= balance.time]
        wallet = balance.wallet - sum((one.amount for one in since), ZERO)
        equity = balance.equity
        if since or desk.market.now() - moment > FRESH:
            equity = wallet + unrealised_at(self._trades_at(moment), moment, desk.market)
        point_save(desk.account, time=moment, wallet=wallet, equity=quantise(equity))

    def _trades_at(self, moment: datetime) -> Sequence[Trade]:
        """Trades that held a position then."""
        return list(
            Trade.objects.filter(account=self._desk.account, opened_market__lt=moment).filter(
                # The newest exit of an open trade took only a part.
                Q(state=TradeState.OPEN) | Q(closed_market=None) | Q(closed_market__gte=moment)
            )
        )


def unrealised_at(trades: Sequence[Trade], moment: datetime, market: MarketData) -> Decimal:
    """Open result just before ``moment``, at the last price then. Raises ``MarketDataError``."""
    total = ZERO
    rows = Execution.objects.filter(trade__in=trades, time__lt=moment)
    for trade in trades:
        entered = value = left = ZERO
        for row in rows:
            if row.trade_id != trade.pk:
                continue
            qty = row.qty if row.trade_qty is None else row.trade_qty
            if row.side == trade.side:
                entered, value = entered + qty, value + qty * row.price
            else:
                left += qty
        if entered > left:
            gain = (price_at(trade.symbol, moment, market) - value / entered) * (entered - left)
            total += gain * Side(trade.side).sign
    return total


def price_at(symbol: str, moment: datetime, market: MarketData) -> Decimal:
    """The last price at ``moment``: the close of the candle that ended there, or the newest before
    it."""
    interval = market.monitor_interval(symbol)
    window = market.candles(symbol, interval, end=moment, limit=1)
    if not len(window):
        return market.quote(symbol).last
    return window.candle(len(window) - 1).close
