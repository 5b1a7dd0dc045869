"""Take an unfilled entry back for a better signal of the same bot.

The old entry is cancelled and its final state read. Only if it has filled nothing is the new one
admitted, anew and by every rule; any fill, or a doubt that lasts, drops the new signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from exchange.errors import ExchangeError
from trading.choices import CancelReason, EventLevel, OrderRole, OrderState
from trading.domain.order import LIVE
from trading.domain.replacement import Exchanged, exchanged
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.executor import cancel_entry
from trading.models import Order, Signal

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Swap:
    """A claimed signal that waits for the slot of an order, since ``asked_s``."""

    signal: Signal
    order_id: int
    asked_s: float


class Replacing:
    """The swaps under way on one desk. They do not outlive the trader: a signal that was claimed
    and never sent is dropped at the next start."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._swaps: list[_Swap] = []

    def begin(self, signal: Signal, symbol: str) -> bool:
        """Ask the entry of ``symbol`` back for ``signal``; False where it is not there any more."""
        desk = self._desk
        order = Order.objects.filter(
            account=desk.account,
            role=OrderRole.ENTRY,
            symbol=symbol,
            state__in=LIVE,
            trade__bot=signal.bot_id,
            cancel_reason="",
        ).first()
        if order is None or order.filled_qty > 0:
            return False
        self._swaps.append(_Swap(signal, order.pk, desk.clock.monotonic()))
        record(
            "entry_replaced",
            f"{symbol}: the unfilled entry is taken back for {signal.symbol} "
            f"{signal.direction}, which is more confident.",
            account=desk.account,
            level=EventLevel.NOTICE,
            data={"order": order.pk, "signal": signal.pk},
            market_time=desk.market.now(),
        )
        cancel_entry(desk, order, CancelReason.REPLACED)
        return True

    def answers(self) -> list[tuple[Signal, Exchanged]]:
        """What became of the swaps; those that still wait are kept for the next round."""
        answered: list[tuple[Signal, Exchanged]] = []
        waiting: list[_Swap] = []
        for swap in self._swaps:
            answer = self._answer(swap)
            if answer is Exchanged.WAIT:
                waiting.append(swap)
            else:
                answered.append((swap.signal, answer))
        self._swaps = waiting
        return answered

    def _answer(self, swap: _Swap) -> Exchanged:
        order = Order.objects.select_related("trade").get(pk=swap.order_id)
        filled = max(order.filled_qty, order.trade.entry_qty)
        waited_s = self._desk.clock.monotonic() - swap.asked_s
        return exchanged(OrderState(order.state), filled, self._read_back(order), waited_s)

    def _read_back(self, order: Order) -> bool | None:
        try:
            report = self._desk.client.order(symbol=order.symbol, order_link_id=order.order_link_id)
        except ExchangeError as exc:
            logger.warning("replaced entry not read back", order=order.pk, error=str(exc))
            return None
        if report is None or not report.status.final:
            return None
        return report.filled_qty == 0
