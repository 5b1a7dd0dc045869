"""Orders whose fate is not known: look them up until it is.

Absence needs proof; ``trading.domain.protocol.absence`` says how much. An error is never an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import transaction

from exchange.domain import AccountUpdate, Side
from exchange.errors import ExchangeError, OrderRejected
from trading.choices import EventLevel, OrderRole, OrderState
from trading.domain.protocol import (
    READINGS_APART_S,
    Absence,
    Evidence,
    Reading,
    absence,
    after_cancel_by_id,
)
from trading.events import record
from trading.execution.booking import book
from trading.execution.desk import Desk
from trading.execution.settling import settle_trades
from trading.models import Order
from trading.selectors import trade_book

logger = structlog.get_logger(__name__)

TAKEN = (OrderState.ACKNOWLEDGED, OrderState.PARTIALLY_FILLED)
LOOK_UP_EVERY = timedelta(seconds=1)
EXECUTIONS_BACK = timedelta(minutes=10)


def is_lost(order: Order) -> bool:
    """Whether the fate of an order is not known: its answer is missing, or a comparison did not
    find it any more."""
    missed = order.not_found_count > 0 and order.state in TAKEN
    return missed or order.state == OrderState.UNKNOWN


class Resolver:
    """Looks up the unknown orders of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
            if not is_lost(order):
                continue
            if order.last_lookup_at and now - order.last_lookup_at < LOOK_UP_EVERY:
                continue
            try:
                self._look_up(order)
            except ExchangeError as exc:
                logger.warning("look-up failed", order=order.order_link_id, error=str(exc))

    def _look_up(self, order: Order) -> None:
        """Ask for the order and for its executions; both must answer to count."""
        desk, now = self._desk, self._desk.clock.now()
        Order.objects.filter(pk=order.pk).update(last_lookup_at=now)
        report = desk.client.order(symbol=order.symbol, order_link_id=order.order_link_id)
        executions = tuple(
            desk.client.executions(
                since=order.created_market - EXECUTIONS_BACK, order_link_id=order.order_link_id
            )
        )
        if report is not None or executions:
            reports = (report,) if report is not None else ()
            book(desk.account, AccountUpdate(orders=reports, executions=executions))
            if report is not None:
                self._found(order)
            return
        order.not_found_count += 1
        Order.objects.filter(pk=order.pk).update(not_found_count=order.not_found_count)
        role = OrderRole(order.role)
        answer = absence(role, self._evidence(order))
        if answer is Absence.CANCEL_BY_ID:
            answer = self._cancel_by_id(order)
        if answer is Absence.NOT_PLACED:
            self._not_placed(order)

    def _evidence(self, order: Order) -> Evidence:
        desk = self._desk
        readings: tuple[Reading, ...] = ()
        if order.role != OrderRole.ENTRY:
            desk.positions.read(READINGS_APART_S)
            side = Side(order.trade.side)
            readings = desk.positions.sizes(order.symbol, side, desk.sent_s(order.pk))
        return Evidence(
            not_found=order.not_found_count,
            since_sent_s=self._missing_s(order),
            readings=readings,
            booked_qty=trade_book(order.trade).open_qty,
        )

    def _missing_s(self, order: Order) -> float:
        """How long the order could have been found: since it was sent, or since it was missed."""
        if order.state in TAKEN and order.unknown_since is not None:
            return max(0.0, (self._desk.clock.now() - order.unknown_since).total_seconds())
        return self._desk.seconds_since_sent(order.pk, order.submitted_at)

    def _cancel_by_id(self, order: Order) -> Absence:
        """The last proof: a cancel by id finds nothing either."""
        try:
            self._desk.client.cancel_order(symbol=order.symbol, order_link_id=order.order_link_id)
        except OrderRejected as exc:
            return after_cancel_by_id(exc)
        return after_cancel_by_id(None)

    def _found(self, order: Order) -> None:
        record(
            "order_found",
            f"{order.symbol}: the {order.get_role_display().lower()} had reached the exchange.",
            account=self._desk.account,
            level=EventLevel.NOTICE,
            data={"order": order.pk, "trade": order.trade_id},
            market_time=self._desk.market.now(),
        )

    def _not_placed(self, order: Order) -> None:
        known = order.state != OrderState.UNKNOWN
        state = OrderState.CANCELLED if known else OrderState.NOT_PLACED
        with transaction.atomic():
            moved = Order.objects.filter(pk=order.pk, state=order.state).update(
                state=state, final_at=self._desk.clock.now()
            )
            if moved == 1:
                record(
                    "order_lost" if known else "order_not_placed",
                    f"{order.symbol}: the {order.get_role_display().lower()} "
                    + (
                        "is not known to the exchange any more."
                        if known
                        else "never reached the exchange."
                    ),
                    account=self._desk.account,
                    level=EventLevel.WARNING,
                    data={"order": order.pk, "trade": order.trade_id},
                    market_time=self._desk.market.now(),
                )
        settle_trades([order.trade_id])
