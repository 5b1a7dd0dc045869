"""When the trader compares its tables with the exchange, and what it tells of the result."""

from __future__ import annotations

from decimal import Decimal

import structlog

from exchange.domain import ZERO
from exchange.errors import ExchangeError
from trading.choices import EventLevel, OrderRole
from trading.domain.ownership import difference_proved
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.differences import Reconciliation
from trading.execution.reconcile import reconcile
from trading.models import Order
from trading.selectors import LIVE_TRADES

logger = structlog.get_logger(__name__)

RECONCILE_EVERY_S = 60.0
# While ledger and exchange differ they are compared every second, later less often; where the
# exchange did not answer, always every second.
AGAIN_S = 1.0
DIRTY_S = 30.0
AGAIN_LATER_S = 5.0
# How long an order's report may count fills whose executions have not been told.
FILLS_LATE_S = 2.0
LOOK_FOR_FILLS_S = 0.5


def lacks_fills(desk: Desk) -> bool:
    """Whether an order of a live trade was reported as filled by more than its trade has booked:
    the execution is on its way, or the stream lost it."""
    orders = Order.objects.filter(
        account=desk.account, trade__state__in=LIVE_TRADES, filled_qty__gt=0
    )
    told: dict[tuple[int, bool], Decimal] = {}
    booked: dict[tuple[int, bool], Decimal] = {}
    for order in orders.select_related("trade"):
        trade, enters = order.trade, order.role == OrderRole.ENTRY
        told[trade.pk, enters] = told.get((trade.pk, enters), ZERO) + order.filled_qty
        booked[trade.pk, enters] = trade.entry_qty if enters else trade.exit_qty
    return any(qty > booked[key] for key, qty in told.items())


class Comparing:
    """Compares one desk with its exchange: at start, every minute, and when asked to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._compared_at: float | None = None
        self._dirty_since = desk.clock.monotonic()
        self._repair = False
        self._unanswered = False
        self._differs: set[tuple[str, str]] = set()
        self._external_since: dict[str, float] = {}
        self._external_told: set[str] = set()
        self._looked_at = desk.clock.monotonic()
        self._lacking_since: float | None = None

    def at_once(self) -> None:
        """Compare in this round."""
        self._compared_at = None

    def repair(self) -> None:
        """Mend what is proved, with this comparison or the first that has the proof."""
        self._repair = True

    def hasten(self) -> None:
        """Compare in this round where fills are late: their executions are asked for then."""
        now = self._desk.clock.monotonic()
        if now - self._looked_at < LOOK_FOR_FILLS_S:
            return
        self._looked_at = now
        if not lacks_fills(self._desk):
            self._lacking_since = None
        elif self._lacking_since is None:
            self._lacking_since = now
        elif now - self._lacking_since >= FILLS_LATE_S:
            logger.warning("an execution was not told; asking for it")
            self._lacking_since = now
            self.at_once()

    @property
    def due(self) -> bool:
        """Whether it is time to compare."""
        if self._compared_at is None:
            return True
        now = self._desk.clock.monotonic()
        pause = RECONCILE_EVERY_S
        if not self._desk.reconciled or set(self._desk.external) - self._external_told:
            fresh = self._unanswered or now - self._dirty_since < DIRTY_S
            pause = AGAIN_S if fresh else AGAIN_LATER_S
        return now - self._compared_at >= pause

    def run(self) -> None:
        """Compare now. Without an answer there is no agreement."""
        desk = self._desk
        self._compared_at = desk.clock.monotonic()
        if desk.reconciled:
            self._dirty_since = self._compared_at
        self._unanswered = False
        try:
            result = reconcile(desk, repair=self._repair)
        except ExchangeError as exc:
            logger.warning("not reconciled", error=str(exc))
            desk.reconciled = False
            self._unanswered = True
            return
        self._repair &= any(one.mend and not one.proved for one in result.differences)
        desk.reconciled = result.clean
        desk.external = list(result.external)
        self._tell_external()
        self._tell_differences(result)

    def _tell_differences(self, result: Reconciliation) -> None:
        """One event when they begin, another one when there are others, and one when they end."""
        differs = {(one.kind, one.symbol) for one in result.proved}
        if differs - self._differs:
            self._record(
                "engine_differs",
                "Ledger and exchange differ: " + "; ".join(one.text for one in result.proved),
                EventLevel.CRITICAL,
                differences=[one.as_json() for one in result.proved],
            )
        elif self._differs and result.clean:
            self._record("engine_agrees", "Ledger and exchange agree again.", EventLevel.NOTICE)
        self._differs = set() if result.clean else self._differs | differs

    def _tell_external(self) -> None:
        """Tell each new external position once. It closes its symbol at once, but a single
        reading of an exchange that may lag is no news yet."""
        desk, now = self._desk, self._desk.clock.monotonic()
        self._external_since = {
            symbol: self._external_since.get(symbol, now) for symbol in desk.external
        }
        self._external_told &= self._external_since.keys()
        for symbol in sorted(self._external_since.keys() - self._external_told):
            lasting = difference_proved(self._external_since[symbol], now)
            if lasting or desk.account.uses_paper_ledger:
                self._external_told.add(symbol)
                text = f"{symbol}: a position that is not ours. It is not touched."
                self._record("trade_external", text, EventLevel.WARNING)

    def _record(self, kind: str, text: str, level: EventLevel, **data: object) -> None:
        record(
            kind,
            text,
            account=self._desk.account,
            level=level,
            data=data,
            market_time=self._desk.market.now(),
        )
