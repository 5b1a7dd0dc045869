"""What a round costs in queries: they are most of the way from a decision to its POST."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exchange.domain import OrderAck, OrderRequest
from tests.trading.execution.floor import Floor
from trading.choices import CommandKind
from trading.models import Trade
from trading.services import command_request
from trading.waking import wake

IDLE = 8
# Savepoints and locks, which only some databases need, are left out.
STATEMENTS = ("SELECT", "INSERT", "UPDATE")
# A dozen of them tell the guards what they count: points, transfers, closed trades, groups, peak.
BEFORE_ENTRY = 36
BEFORE_CLOSE = 14


def before_post(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """The statements of a round up to its POST."""
    seen: list[str] = []
    place = floor.venue.place_order

    def noting(request: OrderRequest, **options: Any) -> OrderAck:
        seen.extend(query["sql"] for query in captured.captured_queries)
        return place(request, **options)

    monkeypatch.setattr(floor.venue, "place_order", noting)
    with CaptureQueriesContext(connection) as captured:
        floor.rounds()
    assert floor.venue.posts
    return [sql for sql in seen if sql.startswith(STATEMENTS) and "advisory" not in sql]


def test_an_idle_round_asks_eight_questions(floor: Floor) -> None:
    floor.rounds(2)
    with CaptureQueriesContext(connection) as captured:
        floor.rounds()
    assert len(captured) == IDLE


def test_an_entry_leaves_after_few_queries(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    floor.rounds(2)
    floor.signal()
    assert len(before_post(floor, monkeypatch)) <= BEFORE_ENTRY


def test_a_close_leaves_after_few_queries(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    trade = floor.opened()
    command_request(
        account=floor.account,
        kind=CommandKind.CLOSE,
        idempotency_key="close",
        actor=None,
        target=trade.pk,
    )
    assert len(before_post(floor, monkeypatch)) <= BEFORE_CLOSE


def test_a_sleeping_trader_enters_when_it_is_woken(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rounds of a minute only the bell can begin one in time."""
    monkeypatch.setattr("trading.execution.loop.ROUND_S", 60.0)
    floor.rounds(2)
    ended = threading.Timer(30, floor.desk.stop.set)
    place = floor.venue.place_order

    def noting(request: OrderRequest, **options: Any) -> OrderAck:
        floor.desk.stop.set()
        return place(request, **options)

    monkeypatch.setattr(floor.venue, "place_order", noting)
    later = threading.Timer(0.3, approve_elsewhere, args=(floor,))
    ended.start()
    later.start()
    floor.trader.run()
    ended.cancel()
    later.join()
    assert Trade.objects.count() == 1


def approve_elsewhere(floor: Floor) -> None:
    """A signal that is approved on a connection of its own."""
    try:
        floor.signal()
        wake(floor.account.pk)
    finally:
        connection.close()
