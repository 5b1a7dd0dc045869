"""Frames of the private stream become updates; none of them can do harm."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from exchange.bybit.client import BybitClient
from exchange.domain import AccountUpdate, Side, VenueOrderStatus
from tests.exchange.bybit.scripted_wire import (
    Frames,
    ScriptedWire,
    client_on,
    fill_row,
    order_row,
    position_row,
)


@pytest.fixture
def stream() -> Frames:
    return Frames()


@pytest.fixture
def client(stream: Frames) -> BybitClient:
    return client_on(ScriptedWire(), stream)


def frame(topic: str, *rows: Any) -> dict[str, Any]:
    return {"id": "1", "topic": topic, "creationTime": 1, "data": list(rows)}


def test_frames_in_the_order_they_came(client: BybitClient, stream: Frames) -> None:
    stream.tell(
        frame("order", order_row(), order_row(orderStatus="Filled", cumExecQty="0.010")),
        frame("execution", fill_row(1), fill_row(2)),
        frame("position", position_row()),
        frame("wallet", {"accountType": "UNIFIED", "coin": []}),
    )

    update = client.drain()

    assert [one.status for one in update.orders] == [VenueOrderStatus.NEW, VenueOrderStatus.FILLED]
    assert [one.exec_id for one in update.executions] == ["e-1", "e-2"]
    assert [(one.side, one.qty) for one in update.positions] == [(Side.BUY, Decimal("0.010"))]
    assert not update.resync
    assert not client.drain()


def test_flat_position_is_told(client: BybitClient, stream: Frames) -> None:
    stream.tell(frame("position", position_row(side="", size="0", seq=11)))

    (told,) = client.drain().positions

    assert (told.side, told.qty) == (None, Decimal(0))


def test_reopened_stream_asks_for_a_resync(client: BybitClient, stream: Frames) -> None:
    stream.tell(opened=1)

    assert client.drain() == AccountUpdate(resync=True)


@pytest.mark.parametrize(
    "spoiled",
    [
        frame("order", order_row(orderStatus="Levitating")),
        frame("execution", fill_row(1, execPrice="cheap")),
        frame("position", position_row(updatedTime="soon")),
        frame("order", "no row"),
        frame("order", None),
        {"topic": "order"},
        {"topic": "order", "data": 7},
        frame("position", position_row(seq="many")),
        frame("position", position_row(positionIdx="left")),
        frame("execution", fill_row(1, execTime="9" * 30)),
    ],
)
def test_unreadable_frame_is_told_and_stops_nothing(
    client: BybitClient, stream: Frames, spoiled: dict[str, Any]
) -> None:
    stream.tell(spoiled, frame("execution", fill_row(9)))

    with capture_logs() as told:
        update = client.drain()

    assert update.resync
    assert [one.exec_id for one in update.executions] == ["e-9"]
    assert [(one["event"], one["log_level"]) for one in told] == [("bybit_frame_unread", "warning")]


def test_one_bad_row_does_not_hide_its_neighbours(client: BybitClient, stream: Frames) -> None:
    stream.tell(frame("execution", fill_row(1), fill_row(2, side="Up"), fill_row(3)))

    update = client.drain()

    assert [one.exec_id for one in update.executions] == ["e-1", "e-3"]
    assert update.resync


def test_other_markets_and_topics_are_passed_over(client: BybitClient, stream: Frames) -> None:
    stream.tell(
        frame("order", order_row(category="spot"), order_row(symbol="BTCPERP")),
        frame("execution", fill_row(1, category="option", symbol="BTC-1JAN27-1-C")),
        frame("greeks", {"baseCoin": "ETH"}),
        {"op": "pong"},
    )

    assert not client.drain()


def test_funding_and_what_was_before_are_no_executions(client: BybitClient, stream: Frames) -> None:
    stream.tell(frame("execution", fill_row(1, execType="Funding"), fill_row(2, timedelta(days=4))))

    assert not client.drain()


def test_position_that_was_told_late_is_dropped(client: BybitClient, stream: Frames) -> None:
    stream.tell(frame("position", position_row(seq=12)))
    client.drain()
    stream.tell(
        frame("position", position_row(seq=11, size="0", side="")),
        frame("position", position_row(seq=12, stopLoss="48000")),
        frame("position", position_row(symbol="ETHUSDT", seq=1)),
    )

    told = client.drain().positions

    assert [(one.symbol, one.stop_loss) for one in told] == [
        ("BTCUSDT", Decimal(48000)),
        ("ETHUSDT", Decimal(49000)),
    ]


def test_both_sides_of_hedge_mode_are_told(client: BybitClient, stream: Frames) -> None:
    stream.tell(
        frame("position", position_row(positionIdx=1, seq=12)),
        frame("position", position_row(positionIdx=2, side="Sell", seq=11)),
    )

    assert [one.side for one in client.drain().positions] == [Side.BUY, Side.SELL]


def test_after_a_gap_positions_are_taken_as_they_come(client: BybitClient, stream: Frames) -> None:
    stream.tell(frame("position", position_row(seq=12)))
    client.drain()
    stream.tell(frame("position", position_row(seq=3)), opened=1)

    assert len(client.drain().positions) == 1


def test_position_without_a_sequence_is_told(client: BybitClient, stream: Frames) -> None:
    row = position_row()
    del row["seq"]
    stream.tell(frame("position", row))

    assert len(client.drain().positions) == 1


def test_without_a_stream_nothing_is_told() -> None:
    assert not client_on(ScriptedWire()).drain()
