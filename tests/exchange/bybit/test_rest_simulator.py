"""The door against the simulated exchange, whose ledger counts what arrived."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.rest import BybitRest, Credentials, Endpoint, Priority
from exchange.errors import OrderNotSent, OrderOutcomeUnknown, OrderRejected
from exchange.market.clock import WallClock
from tests.exchange.bybit.rest_venue import AheadClock
from tests.simulators.bybit.server import SimServer

CREATE = "/v5/order/create"
ACCOUNTS = 60
_numbers = count(2)
LIST: dict[str, Any] = {"category": "linear", "symbol": "BTCUSDT"}
# Fault, its arguments, and how many orders the venue has afterwards.
FAULTS = [
    ("drop_before", {}, 0),
    ("drop_after", {}, 1),
    ("reset", {"applied": False}, 0),
    ("reset", {"applied": True}, 1),
    ("status", {"status": 502, "applied": False}, 0),
    ("status", {"status": 502, "applied": True}, 1),
    ("html", {"applied": True}, 1),
    ("truncated", {"applied": True}, 1),
    ("empty", {"applied": True}, 1),
    ("retcode", {"code": 10000, "applied": True}, 1),
    ("retcode", {"code": 10016, "applied": False}, 0),
    ("slow_answer", {"ms": 900}, 1),
]


@pytest.fixture(scope="module")
def venue() -> Iterator[SimServer]:
    with SimServer(accounts=ACCOUNTS) as server:
        yield server


def door_to(venue: SimServer, clock: WallClock | None = None) -> BybitRest:
    """A door of an account that nobody has used: the venue counts requests by account."""
    return BybitRest(
        Hosts(venue.url, "", ""),
        Credentials(f"sim-key-{next(_numbers)}", "sim-secret"),
        clock=clock or WallClock(),
        link=Link("", None, venue.url),
    )


@pytest.fixture
def door(venue: SimServer) -> Iterator[BybitRest]:
    rest = door_to(venue)
    yield rest
    rest.close()
    venue.knobs.clear()


def place(door: BybitRest, link_id: str, priority: Priority = Priority.PROTECT) -> None:
    door.write(
        Endpoint.PLACE_ORDER,
        priority=priority,
        timeout_s=0.5,
        **LIST,
        side="Buy",
        orderType="Limit",
        qty=Decimal("0.01"),
        price=Decimal("1000"),
        orderLinkId=link_id,
    )


@pytest.mark.parametrize(("fault", "args", "orders"), FAULTS)
def test_lost_answer_leaves_the_venue_with_one_request(
    door: BybitRest, venue: SimServer, fault: str, args: dict[str, Any], orders: int
) -> None:
    link_id = f"lost-{fault}-{orders}-{args.get('code', 0)}"
    venue.knobs.add(CREATE, fault, times=1, **args)
    with pytest.raises(OrderOutcomeUnknown):
        place(door, link_id)
    found = door.read(Endpoint.OPEN_ORDERS, priority=Priority.PROTECT, **LIST, orderLinkId=link_id)
    assert len(found.result["list"]) == orders


def test_same_id_twice_is_told_as_such(door: BybitRest) -> None:
    place(door, "same")
    with pytest.raises(OrderRejected) as refused:
        place(door, "same")
    assert refused.value.code == "duplicate_link_id"


def test_clock_two_seconds_ahead_is_accepted(venue: SimServer) -> None:
    door = door_to(venue, AheadClock(2))
    assert door.read(Endpoint.POSITIONS, **LIST).result["list"]
    assert "ahead" in door.health_doubts()[0]
    door.close()


def test_wrong_secret_is_said_in_words(venue: SimServer) -> None:
    wrong = BybitRest(
        Hosts(venue.url, "", ""),
        Credentials("sim-key", "another secret"),
        clock=WallClock(),
        link=Link("", None, venue.url),
    )
    with pytest.raises(OrderRejected) as refused:
        place(wrong, "wrong-secret")
    assert refused.value.code == "halted"
    assert "secret" in wrong.halted
    wrong.close()


def test_a_burst_is_never_throttled_by_the_venue(door: BybitRest) -> None:
    sent = 0
    for number in range(9):
        try:
            place(door, f"burst-{number}", Priority.ENTRY)
            sent += 1
        except OrderNotSent:
            break
    for number in range(12):
        place(door, f"exit-{number}")
    assert 1 <= sent <= 7


def test_nothing_is_missed_over_short_pages(door: BybitRest) -> None:
    for number in range(7):
        place(door, f"page-{number}")
    rows = list(door.pages(Endpoint.OPEN_ORDERS, **LIST, limit=2))
    ids = [row["orderLinkId"] for row in rows]
    assert {f"page-{number}" for number in range(7)} <= set(ids)
    assert len(ids) == len(set(ids))
