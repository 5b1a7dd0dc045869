"""Executions, ledger and closed P&L over windows and pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exchange.errors import (
    ExchangeUnavailable,
)
from tests.exchange.bybit.scripted_wire import (
    CLOSED,
    EXECUTIONS,
    LEDGER,
    NOW,
    NOW_MS,
    ScriptedWire,
    client_on,
    fill_row,
    listed,
    stamp,
)

DAY = timedelta(days=1)


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


def test_executions_in_windows_oldest_first_each_once(wire: ScriptedWire) -> None:
    wire.script(
        EXECUTIONS,
        listed(fill_row(2, 9 * DAY), cursor="more"),
        listed(fill_row(1, 10 * DAY), fill_row(1, 10 * DAY)),
        listed(
            fill_row(5, DAY),
            fill_row(4, DAY),
            fill_row(7, execType="Funding"),
            fill_row(8, symbol="BTCPERP"),
            fill_row(3, 2 * DAY),
        ),
    )
    client = client_on(wire, connected_at=NOW - 11 * DAY)

    found = client.executions(since=NOW - 400 * DAY)

    assert [one.exec_id for one in found] == ["e-1", "e-2", "e-3", "e-4", "e-5"]
    spans = [
        (int(one["startTime"]), int(one["endTime"]))
        for one in wire.sent(EXECUTIONS)
        if "cursor" not in one
    ]
    week_ms = 7 * 86_400_000
    assert spans[0][0] == NOW_MS - 11 * 86_400_000
    assert all(end - start < week_ms for start, end in spans)
    assert spans[1][0] == spans[0][1] + 1
    assert spans[-1][1] >= NOW_MS


def test_executions_before_the_connection_are_not_told(wire: ScriptedWire) -> None:
    wire.script(EXECUTIONS, listed(fill_row(2, DAY), fill_row(1, 4 * DAY)))

    found = client_on(wire).executions(since=NOW - 5 * DAY)

    assert [one.exec_id for one in found] == ["e-2"]


def test_history_reaches_back_two_years_at_most(wire: ScriptedWire) -> None:
    wire.script(EXECUTIONS, listed())
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    assert client_on(wire, connected_at=epoch).executions(since=epoch) == []

    assert len(wire.sent(EXECUTIONS)) == 105


def test_executions_of_one_order(wire: ScriptedWire) -> None:
    wire.script(EXECUTIONS, listed(fill_row(2, orderLinkId="at1-b-e"), fill_row(1)))

    found = client_on(wire).executions(since=NOW - DAY, order_link_id="at1-a-e")

    assert [one.exec_id for one in found] == ["e-1"]
    assert wire.sent(EXECUTIONS)[0]["orderLinkId"] == "at1-a-e"


def test_one_unreadable_execution_spoils_the_answer(wire: ScriptedWire) -> None:
    wire.script(EXECUTIONS, listed(fill_row(2), fill_row(1, execQty="")))

    with pytest.raises(ExchangeUnavailable, match="execQty"):
        client_on(wire).executions(since=NOW - DAY)


def ledger_row(number: int, age: timedelta, **facts: Any) -> dict[str, Any]:
    return {
        "id": f"t-{number}",
        "type": "TRADE",
        "tradeId": f"e-{number}",
        "symbol": "BTCUSDT",
        "currency": "USDT",
        "category": "linear",
        "change": f"-{number}",
        "transactionTime": stamp(age),
        **facts,
    }


def test_ledger_oldest_first(wire: ScriptedWire) -> None:
    wire.script(
        LEDGER,
        listed(ledger_row(3, DAY, type="SETTLEMENT"), ledger_row(2, DAY), cursor="c"),
        listed(ledger_row(9, DAY, currency="MNT"), ledger_row(1, 2 * DAY), ledger_row(0, 4 * DAY)),
    )

    found = client_on(wire).ledger(since=NOW - 5 * DAY)

    assert [one.entry_id for one in found] == ["TRADE:e-1", "TRADE:e-2", "SETTLEMENT:e-3"]
    assert wire.sent(LEDGER)[0]["currency"] == "USDT"


def test_closed_pnl(wire: ScriptedWire) -> None:
    def row(number: int, age: timedelta) -> dict[str, Any]:
        return {
            "orderId": f"o-{number}",
            "symbol": "BTCUSDT",
            "side": "Sell",
            "closedSize": "0.001",
            "avgEntryPrice": "50000",
            "avgExitPrice": "51000",
            "closedPnl": "0.94",
            "updatedTime": stamp(age),
        }

    wire.script(CLOSED, listed(row(3, DAY), row(2, 2 * DAY), row(1, 4 * DAY)))

    found = client_on(wire).closed_pnl(since=NOW - 5 * DAY)

    assert [one.order_id for one in found] == ["o-2", "o-3"]
