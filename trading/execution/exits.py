"""Run the exit rules on closed candles and send what must shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db.models import Q, QuerySet

from exchange.candles import floor_time
from exchange.domain import ZERO, Candle, Side
from exchange.errors import ExchangeError, MarketDataError
from trading.choices import (
    ExitReason,
    OrderRole,
    OrderState,
    TradeState,
)
from trading.domain.exits import CloseTrade, ExitSettings, MoveStop, overtaken
from trading.domain.order import LIVE
from trading.domain.pipeline import manage
from trading.domain.protocol import READINGS_APART_S, ExitFacts, next_exit
from trading.domain.trimming import trimmed_qty
from trading.execution.desk import Desk
from trading.execution.executor import shrink
from trading.execution.protection import move_stop, want_close
from trading.execution.settling import entry_is_over
from trading.models import Order, StopMove, Trade
from trading.selectors import (
    LIVE_TRADES,
    RULES,
    managed_trade,
    quote_or_none,
    trade_book,
)

logger = structlog.get_logger(__name__)

DOUBTFUL = frozenset({OrderState.UNKNOWN, OrderState.NOT_PLACED})
# How far market time may run before the newest managed candle is stored again.
STORE_EVERY = timedelta(minutes=15)
MAX_CANDLES = 2000


class ExitManager:
    """Exits of one desk. Remembers which candles it has managed; after a restart it starts at
    the newest stored one, which is harmless because stops only move one way."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._managed: dict[int, datetime] = {}
        self._checked: set[int] = set()

    def run_rules(self, trades: Sequence[Trade]) -> None:
        """``manage`` once per closed monitor candle of each open trade, oldest first."""
        now = self._desk.market.now()
        open_ids = {trade.pk for trade in trades}
        self._managed = {pk: when for pk, when in self._managed.items() if pk in open_ids}
        for trade in trades:
            if trade.state != TradeState.OPEN or trade.close_wanted or not trade.managed_until:
                continue
            done = self._managed.get(trade.pk, trade.managed_until)
            interval = self._desk.market.monitor_interval(trade.symbol)
            newest = floor_time(now, interval)
            if newest <= done:
                continue
            try:
                candles = self._candles(trade.symbol, interval, done, newest)
            except MarketDataError as exc:
                logger.warning("no candles to manage with", trade=trade.pk, error=str(exc))
                continue
            if candles:
                self._manage(trade, candles)
                # A venue may give its newest candle late: what was not given is asked again.
                self._remember(trade, candles[-1].close_time)

    def _candles(
        self, symbol: str, interval: timedelta, after: datetime, until: datetime
    ) -> list[Candle]:
        count = min(int((until - floor_time(after, interval)) / interval), MAX_CANDLES)
        window = self._desk.market.candles(symbol, interval, end=until, limit=count)
        candles = [window.candle(index) for index in range(len(window))]
        return [candle for candle in candles if candle.close_time > after]

    def _manage(self, trade: Trade, candles: Sequence[Candle]) -> None:
        instrument = self._desk.market.instrument(trade.symbol)
        settings = ExitSettings.from_json(trade.exit_settings)
        for candle in candles:
            value = managed_trade(trade, instrument)
            action = manage(value, candle, settings, candle.close_time)
            if isinstance(action, CloseTrade):
                want_close(trade, action.reason)
                return
            if isinstance(action, MoveStop):
                move = StopMove(
                    trade=trade,
                    rule=action.rule,
                    old_stop=trade.stop_loss,
                    new_stop=action.stop_loss,
                    old_target=trade.take_profit,
                    new_target=trade.take_profit,
                    numbers=action.numbers,
                    market_time=candle.close_time,
                )
                if move_stop(self._desk, trade, move):
                    continue
                # Refused or unanswered: price may have passed the stop since the candle closed.
                quote = quote_or_none(self._desk.market, trade.symbol)
                late = overtaken(value.side, action, quote.last) if quote else None
                if late is not None:
                    want_close(trade, late.reason)
                    return

    def _remember(self, trade: Trade, newest: datetime) -> None:
        self._managed[trade.pk] = newest
        if trade.managed_until is None or newest - trade.managed_until >= STORE_EVERY:
            Trade.objects.filter(pk=trade.pk).update(managed_until=newest)

    def send_exits(self, trades: Sequence[Trade]) -> bool:
        """Send one order for each trade that is larger than it should be. True if any was sent.

        Trades that are over may be among them: one that an entry filled too late.
        """
        sent = False
        for trade in trades:
            if not trade.close_wanted or trade.target_qty is None:
                continue
            open_qty = trade_book(trade).open_qty
            if open_qty <= trade.target_qty:
                self._shrunk(trade, open_qty)
                continue
            wish = next_exit(self._exit_facts(trade, open_qty, trade.target_qty))
            if wish is not None:
                shrink(self._desk, trade, wish)
                sent = True
        return sent

    def _exit_facts(self, trade: Trade, open_qty: Decimal, target: Decimal) -> ExitFacts:
        desk, side = self._desk, Side(trade.side)
        rows = trade.orders.filter(role=OrderRole.EXIT).order_by("-id")
        exits = list(rows.prefetch_related("executions"))
        doubtful = any(_is_doubtful(order) for order in exits)
        if doubtful:
            self._read_positions()
        sizes = desk.positions.sizes(trade.symbol, side)
        facts = ExitFacts(
            target=target,
            open_qty=open_qty,
            reason=ExitReason(trade.close_wanted),
            awaited=sum((_unbooked(order) for order in exits), ZERO),
            attempts=sum(order.exit_reason == trade.close_wanted for order in exits),
            working=any(order.state in LIVE and not _is_doubtful(order) for order in exits),
            doubtful=doubtful,
            position_qty=sizes[-1].qty if sizes else None,
            shared=_holders(trade).exists(),
            max_qty=self._market_limit(trade.symbol),
        )
        if not exits:
            return facts
        last = exits[0]
        return replace(
            facts,
            since_last_s=desk.seconds_since_sent(last.pk, last.submitted_at or last.created_at),
            readings=desk.positions.sizes(trade.symbol, side, desk.sent_s(last.pk)),
        )

    def _read_positions(self) -> None:
        try:
            self._desk.positions.read(READINGS_APART_S)
        except ExchangeError as exc:
            logger.warning("positions could not be read", error=str(exc))

    def _market_limit(self, symbol: str) -> Decimal | None:
        """The most that one market order takes; None where the market can't tell now."""
        try:
            instrument = self._desk.market.instrument(symbol)
        except MarketDataError:
            return None
        return instrument.max_market_qty or instrument.max_qty

    def _shrunk(self, trade: Trade, open_qty: Decimal) -> None:
        """The target is reached; a trade that stays open forgets the wish."""
        if open_qty > 0:
            Trade.objects.filter(pk=trade.pk).update(close_wanted="", target_qty=None)

    def trim(self, trades: Sequence[Trade], orders: Sequence[Order]) -> None:
        """Once the entry is final: a position that risks over 1.2 times the plan is trimmed, one
        below the venue's minimum is closed."""
        working = {order.trade_id for order in orders if order.role == OrderRole.ENTRY}
        self._checked &= {trade.pk for trade in trades}
        for trade in trades:
            fresh = trade.state == TradeState.OPEN and trade.pk not in working | self._checked
            if not fresh or trade.close_wanted or not self._is_filled(trade):
                continue
            self._checked.add(trade.pk)
            if trade.exit_qty > 0 or trade.stop_rule:
                continue
            target = self._planned_qty(trade)
            if target is not None:
                trade.close_wanted, trade.target_qty = ExitReason.RISK_TRIM, target
                Trade.objects.filter(pk=trade.pk).update(
                    close_wanted=ExitReason.RISK_TRIM, target_qty=target
                )

    @staticmethod
    def _is_filled(trade: Trade) -> bool:
        """The entry is over and all its fills are booked."""
        entry = trade.orders.filter(role=OrderRole.ENTRY).first()
        return entry is None or entry_is_over(entry, trade_book(trade))

    def _planned_qty(self, trade: Trade) -> Decimal | None:
        """The quantity to shrink to, or None when the position is as planned."""
        return trimmed_qty(
            trade_book(trade),
            trade.stop_loss,
            trade.planned_risk,
            self._desk.market.instrument(trade.symbol),
            RULES,
        )


def _holders(trade: Trade) -> QuerySet[Trade]:
    """Other trades that may hold a part of the same position."""
    live = Q(state__in=LIVE_TRADES) | ~Q(close_wanted="")
    others = Trade.objects.filter(live, account=trade.account_id, symbol=trade.symbol)
    return others.exclude(pk=trade.pk)


def _is_doubtful(order: Order) -> bool:
    """Whether some part of an exit may have happened unseen."""
    gone = order.state == OrderState.CANCELLED and order.unknown_since is not None
    return order.state in DOUBTFUL or gone


def _unbooked(order: Order) -> Decimal:
    """What the order's report counts as filled and no execution has brought yet."""
    booked: Decimal = sum((execution.qty for execution in order.executions.all()), ZERO)
    missing: Decimal = order.filled_qty - booked
    return max(ZERO, missing)
