"""Orders on the venue that nothing explains are listed; the agreement of the books has an age."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from exchange.domain import OrderReport, OrderType, Side, VenueOrderStatus
from tests.trading.execution.floor import D, Floor
from trading.execution.reconcile import reconcile
from trading.models import Lease


def stranger(floor: Floor, **changes: Any) -> OrderReport:
    """A limit order that somebody placed in the venue's own app."""
    now = floor.market.now()
    return replace(
        OrderReport(
            order_link_id="",
            order_id="app-1",
            symbol="ETHUSDT",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            status=VenueOrderStatus.NEW,
            qty=D(3),
            filled_qty=D(0),
            avg_price=None,
            price=D("90.50"),
            reduce_only=False,
            created_at=now,
            updated_at=now,
        ),
        **changes,
    )


def orphans(floor: Floor, *reports: OrderReport) -> list[dict[str, str]]:
    floor.venue.reports |= {one.order_link_id or one.order_id: one for one in reports}
    reconcile(floor.desk)
    found: list[dict[str, str]] = Lease.objects.get(account=floor.account).orphan_orders
    return found


def test_an_order_of_somebody_else_is_an_orphan(floor: Floor) -> None:
    (one,) = orphans(floor, stranger(floor))
    assert (one["symbol"], one["side"], one["words"]) == ("ETHUSDT", "buy", "limit")
    assert (one["qty"], one["price"], one["id"]) == ("3", "90.5", "app-1")
    assert datetime.fromisoformat(one["since"]) == floor.market.now()


def test_an_id_of_ours_without_a_row_is_an_orphan_until_it_is_gone(floor: Floor) -> None:
    report = stranger(floor, order_link_id="at1-lost-e")
    assert [one["id"] for one in orphans(floor, report)] == ["at1-lost-e"]
    gone = replace(report, status=VenueOrderStatus.CANCELLED)
    assert orphans(floor, gone) == []


def test_our_working_entry_is_none(floor: Floor) -> None:
    floor.resting()
    floor.rounds(2)
    assert orphans(floor) == []


@pytest.mark.parametrize(("opened", "expected"), [(True, 0), (False, 1)])
def test_what_guards_a_position_is_none(floor: Floor, opened: bool, expected: int) -> None:
    if opened:
        floor.opened(symbol="ETHUSDT")
    stop = stranger(floor, reduce_only=True, order_type=OrderType.MARKET, price=None)
    assert len(orphans(floor, stop)) == expected


def test_agreement_is_dated_by_the_wall_clock_and_only_when_clean(floor: Floor) -> None:
    orphans(floor)
    agreed = Lease.objects.get(account=floor.account).compared_at
    assert agreed == floor.clock.now()
    floor.clock.pass_seconds(30)
    orphans(floor, stranger(floor, order_link_id="at1-lost-e"))
    assert Lease.objects.get(account=floor.account).compared_at == agreed
