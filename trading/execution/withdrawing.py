"""Take back entries that should not fill any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import inf

from exchange.domain import Side
from exchange.fault_points import fault_point
from trading.choices import BotState, CancelReason, OrderRole, OrderState, TradingStateName
from trading.domain.order import WorkingEntry, take_back
from trading.execution.desk import Desk
from trading.execution.executor import cancel_entry
from trading.execution.unwanted import Unwanted
from trading.models import Order, Trade
from trading.selectors import quote_or_none, trading_state_effective

# Seconds before an unanswered cancel is asked again.
CANCEL_AGAIN_S = 2.0


class Withdrawal:
    """Unfilled entries of one desk; remembers when it asked for which."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked: dict[int, tuple[float, bool]] = {}
        self._unwanted = Unwanted(desk)

    def judge(self, orders: Sequence[Order]) -> bool:
        """Ask all rules of the working entries, which takes a while; what they want back is asked
        for by the next ``run``. True when there is something new."""
        return self._unwanted.judge([order for order in orders if order.role == OrderRole.ENTRY])

    def run(self, trades: Sequence[Trade], orders: Sequence[Order]) -> None:
        """Take back entries that waited too long, that price left behind, whose trade is being
        closed, whose bot wants them no more, or that guards, blackouts or the spread forbid now;
        all of them while trading is halted."""
        by_id = {trade.pk: trade for trade in trades}
        now, wall = self._desk.market.now(), self._desk.clock.monotonic()
        entries = {order.pk: order for order in orders if order.role == OrderRole.ENTRY}
        self._asked = {pk: when for pk, when in self._asked.items() if pk in entries}
        halted = bool(entries) and self._is_halted()
        unwanted = {**self._unwanted.reasons, **_dropped_by_bots(entries.values())}
        for order in entries.values():
            trade = by_id.get(order.trade_id)
            if trade is None:
                continue
            quote = quote_or_none(self._desk.market, order.symbol)
            last = quote.last if quote else None
            entry = _working_entry(order, trade)
            if order.pk in unwanted and entry.asked is None:
                entry = replace(entry, asked=unwanted[order.pk])
            reason = take_back(entry, last, now, halted=halted)
            asked_at, was_known = self._asked.get(order.pk, (-inf, entry.known))
            # An order that turns up after it was looked for is asked back at once.
            again = wall - asked_at >= CANCEL_AGAIN_S or was_known is not entry.known
            if reason is not None and again:
                self._asked[order.pk] = wall, entry.known
                if halted:
                    fault_point("K17")
                cancel_entry(self._desk, order, reason)

    def _is_halted(self) -> bool:
        return trading_state_effective(self._desk.account)[0] is TradingStateName.HALTED


def _working_entry(order: Order, trade: Trade) -> WorkingEntry:
    return WorkingEntry(
        side=Side(trade.side),
        price=order.price,
        stop_loss=trade.stop_loss,
        take_profit=trade.take_profit,
        expires_at=order.expires_market,
        shrinking=bool(trade.close_wanted) or trade.exit_qty > 0,
        asked=CancelReason(order.cancel_reason) if order.cancel_reason else None,
        known=order.state != OrderState.UNKNOWN,
    )


def _dropped_by_bots(entries: Collection[Order]) -> dict[int, CancelReason]:
    """Entries whose bot was paused or archived, or does not trade the symbol any more."""
    if not entries:
        return {}
    rows = Order.objects.filter(pk__in=[order.pk for order in entries])
    bots = rows.values_list("pk", "trade__symbol", "trade__bot__state", "trade__bot__symbols")
    return {
        pk: CancelReason.MANUAL
        for pk, symbol, state, symbols in bots
        if state != BotState.RUNNING or symbol not in symbols
    }
