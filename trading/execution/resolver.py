"""Orders whose fate is not known: look them up until it is.

Absence needs proof. An entry counts as not placed only after three answered look-ups that did
not find it, spread over 30 seconds, and a cancel by its id; an error is never an answer. An exit
may be given up sooner, once two readings of the position a second apart agree with each other and
with what we have booked, because only the difference is sent again and it can only reduce.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import structlog
from django.db import transaction

from exchange.domain import AccountUpdate
from exchange.errors import ExchangeError, OrderRejected
from trading.choices import EventLevel, OrderRole, OrderState
from trading.events import record
from trading.execution.booking import book, settle_trades
from trading.execution.desk import Desk
from trading.models import Order
from trading.selectors import trade_book

logger = structlog.get_logger(__name__)

NOT_FOUND_NEEDED = 3
PROOF_TIME = timedelta(seconds=30)
LOOK_UP_EVERY = timedelta(seconds=1)
EXECUTIONS_BACK = timedelta(minutes=10)
NOT_OPEN = "order_not_open"


class Resolver:
    """Looks up the unknown orders of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sizes: dict[int, Decimal] = {}

    def adopt_submitted(self) -> int:
        """At start: whatever was submitted before is unknown now. Returns how many."""
        rows = Order.objects.filter(account=self._desk.account, state=OrderState.SUBMITTED)
        return self._adopt(list(rows.values_list("pk", flat=True)))

    def _adopt(self, order_ids: list[int]) -> int:
        rows = Order.objects.filter(pk__in=order_ids, state=OrderState.SUBMITTED)
        return rows.update(state=OrderState.UNKNOWN, unknown_since=self._desk.clock.now())

    def run(self, orders: Sequence[Order]) -> None:
        """Look up every unknown order that is due. ``orders`` were read before this round sent any,
        so one that is still submitted lost the trader that waited for its answer."""
        now = self._desk.clock.now()
        if any(order.state == OrderState.SUBMITTED for order in orders):
            self._adopt([o.pk for o in orders if o.state == OrderState.SUBMITTED])
        for order in orders:
            if order.state != OrderState.UNKNOWN:
                continue
            if order.last_lookup_at and now - order.last_lookup_at < LOOK_UP_EVERY:
                continue
            try:
                self._look_up(order)
            except ExchangeError as exc:
                logger.warning("look-up failed", order=order.order_link_id, error=str(exc))

    def _look_up(self, order: Order) -> None:
        desk, now = self._desk, self._desk.clock.now()
        Order.objects.filter(pk=order.pk).update(last_lookup_at=now)
        report = desk.client.order(symbol=order.symbol, order_link_id=order.order_link_id)
        since = order.created_market - EXECUTIONS_BACK
        executions = tuple(
            execution
            for execution in desk.client.executions(since=since)
            if execution.order_link_id == order.order_link_id
        )
        if report is not None or executions:
            reports = (report,) if report is not None else ()
            book(desk.account, AccountUpdate(orders=reports, executions=executions))
            if report is not None:
                self._found(order)
            return
        count = order.not_found_count + 1
        Order.objects.filter(pk=order.pk).update(not_found_count=count)
        since_unknown = now - (order.unknown_since or now)
        if order.role == OrderRole.ENTRY:
            if count >= NOT_FOUND_NEEDED and since_unknown >= PROOF_TIME:
                self._give_up_entry(order)
        elif self._size_is_steady(order, since_unknown):
            self._not_placed(order)

    def _found(self, order: Order) -> None:
        record(
            "order_found",
            f"{order.symbol}: the {order.get_role_display().lower()} had reached the exchange.",
            account=self._desk.account,
            level=EventLevel.NOTICE,
            data={"order": order.pk, "trade": order.trade_id},
            market_time=self._desk.market.now(),
        )

    def _give_up_entry(self, order: Order) -> None:
        """The last proof: a cancel by id finds nothing either."""
        try:
            self._desk.client.cancel_order(symbol=order.symbol, order_link_id=order.order_link_id)
        except OrderRejected as exc:
            if exc.code == NOT_OPEN:
                self._not_placed(order)
        # A cancel that was taken means that the order is there: the next look-up finds it.

    def _size_is_steady(self, order: Order, since_unknown: timedelta) -> bool:
        """Two readings of the position, one look-up apart, agree with each other and show nothing
        of the exit. Where they show less than we have booked its fills are on their way, and are
        waited for as long as an entry's would be."""
        size = sum(
            (
                report.qty
                for report in self._desk.client.positions()
                if report.symbol == order.symbol
            ),
            Decimal(0),
        )
        before = self._sizes.get(order.pk)
        self._sizes[order.pk] = size
        booked = trade_book(order.trade).open_qty
        return before == size and (size >= booked or since_unknown >= PROOF_TIME)

    def _not_placed(self, order: Order) -> None:
        self._sizes.pop(order.pk, None)
        with transaction.atomic():
            moved = Order.objects.filter(pk=order.pk, state=OrderState.UNKNOWN).update(
                state=OrderState.NOT_PLACED, final_at=self._desk.clock.now()
            )
            if moved == 1:
                record(
                    "order_not_placed",
                    f"{order.symbol}: the {order.get_role_display().lower()} never reached the "
                    "exchange.",
                    account=self._desk.account,
                    level=EventLevel.WARNING,
                    data={"order": order.pk, "trade": order.trade_id},
                    market_time=self._desk.market.now(),
                )
        settle_trades([order.trade_id])
