"""Run the exit rules on closed candles and send what must shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import structlog
from django.db.models import F, Q, QuerySet

from exchange.domain import ZERO, Candle, Side
from exchange.errors import ExchangeError, MarketDataError
from trading.choices import (
    ExitReason,
    OrderRole,
    OrderState,
    TradeState,
)
from trading.domain.exits import ExitSettings, ExitSettingsInvalid, manage_all
from trading.domain.order import LIVE
from trading.domain.protocol import READINGS_APART_S, ExitFacts, next_exit
from trading.domain.trimming import trimmed_qty
from trading.execution.desk import Desk
from trading.execution.executor import shrink
from trading.execution.extremes import extremes_complete, extremes_save, prices_of, widen
from trading.execution.monitoring import Monitor
from trading.execution.rule_actions import carry_out
from trading.execution.settling import entry_is_over
from trading.managed import managed_trade
from trading.models import Order, Trade
from trading.selectors import LIVE_TRADES, RULES, trade_book

logger = structlog.get_logger(__name__)

DOUBTFUL = frozenset({OrderState.UNKNOWN, OrderState.NOT_PLACED})
# Trades that closed while nobody looked: so many of the newest are completed at the start.
UNSEEN_TRADES = 100


class ExitManager:
    """Exits of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._monitor = Monitor(desk)
        self._open: set[int] | None = None
        self._checked: set[int] = set()

    def run_rules(self, trades: Sequence[Trade]) -> None:
        """Every rule, once per closed monitor candle of each open trade, oldest first."""
        self._complete({trade.pk for trade in trades})
        sweep = self._monitor.sweep_due()
        for trade in trades:
            if trade.state != TradeState.OPEN or trade.close_wanted or not trade.managed_until:
                continue
            try:
                candles = self._monitor.candles(trade, sweep=sweep)
                if candles:
                    self._manage(trade, candles)
            except MarketDataError as exc:
                logger.warning("no candles to manage with", trade=trade.pk, error=str(exc))
            except ExitSettingsInvalid:
                # Its stop and target stand on the exchange; the other trades have their rules.
                logger.exception("exit settings can't be read", trade=trade.pk)

    def _manage(self, trade: Trade, candles: Sequence[Candle]) -> None:
        instrument = self._desk.market.instrument(trade.symbol)
        settings = ExitSettings.from_json(trade.exit_settings)
        widened = False
        for candle in candles:
            value = managed_trade(trade, instrument, settings)
            actions = manage_all(value, candle, settings, candle.close_time)
            shrinks = [carry_out(self._desk, trade, one, candle.close_time) for one in actions]
            widened |= widen(trade, *prices_of(trade, candle))
            self._monitor.managed(trade, candle)
            if any(shrinks):
                # What is left is managed with the candles after this one, once it has shrunk.
                break
        if widened:
            extremes_save(trade)

    def _complete(self, open_ids: set[int]) -> None:
        """Candles of trades that closed since the last round, or while nobody looked."""
        before, self._open = self._open, open_ids
        self._monitor.keep(open_ids)
        if before is not None and before <= open_ids:
            return
        rows = Trade.objects.filter(account=self._desk.account, state=TradeState.CLOSED)
        if before is None:
            unseen = Q(managed_until__lt=F("closed_market"), best_price__isnull=False)
            rows = rows.filter(unseen).order_by("-pk")[:UNSEEN_TRADES]
        else:
            rows = rows.filter(pk__in=before - open_ids)
        for trade in rows:
            try:
                extremes_complete(trade, self._desk.market)
            except MarketDataError as exc:
                logger.warning("no candles of a closed trade", trade=trade.pk, error=str(exc))

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
