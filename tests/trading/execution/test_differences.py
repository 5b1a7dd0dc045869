"""Comparing with a real venue: four checks, proof by repetition, and what a repair mends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exchange.domain import ExecutionKind, LedgerKind, Side
from tests.trading.execution.floor import Floor
from trading.choices import CommandKind, CommandState, ExitReason, TradeState
from trading.execution.reconcile import reconcile
from trading.models import Command, Event, Execution, Lease, StopMove, Trade

D = Decimal


@pytest.fixture
def bybit(floor: Floor) -> Floor:
    floor.on_bybit()
    return floor


def events(kind: str) -> list[Event]:
    return list(Event.objects.filter(kind=kind))


def lose_position(floor: Floor) -> None:
    """The position is gone and no execution says why."""
    floor.venue.holdings.clear()


def test_a_difference_closes_entries_at_once_and_is_told_when_it_lasts(bybit: Floor) -> None:
    bybit.opened()
    lose_position(bybit)
    bybit.leap(61)
    bybit.rounds()
    assert not Lease.objects.get().reconciled
    assert events("engine_differs") == []
    bybit.leap(1, 1)
    (event,) = events("engine_differs")
    assert event.level == "critical"
    assert event.data["differences"] == [
        {
            "kind": "position",
            "symbol": "BTCUSDT",
            "text": "BTCUSDT: we hold 10.00000000, the exchange 0",
            "mend": "the trade is closed as external",
        }
    ]
    bybit.leap(1, 1, 1)
    assert len(events("engine_differs")) == 1
    # Another difference is news, though the first one has not ended.
    strange = replace(bybit.venue.posts[0], order_link_id="at1-unheardof-e", symbol="ETHUSDT")
    bybit.venue.fills = False
    bybit.venue.take(strange)
    bybit.leap(1, 1, 1, 1)
    newest, _ = events("engine_differs")
    assert [one["kind"] for one in newest.data["differences"]] == ["order", "position"]
    assert newest.data["differences"][0]["mend"] == "the order is cancelled"


def test_a_single_inconsistent_reading_proves_nothing(bybit: Floor) -> None:
    bybit.opened()
    held = dict(bybit.venue.holdings)
    lose_position(bybit)
    bybit.leap(61)
    bybit.venue.holdings.update(held)
    bybit.leap(1)
    assert Lease.objects.get().reconciled
    lose_position(bybit)
    bybit.leap(61)
    assert events("engine_differs") == []


def test_agreement_is_told_once_it_was_missed(bybit: Floor) -> None:
    bybit.opened()
    held = dict(bybit.venue.holdings)
    lose_position(bybit)
    bybit.leap(61, 1, 1)
    bybit.venue.holdings.update(held)
    bybit.leap(1, 61, 61)
    assert len(events("engine_agrees")) == 1


def test_after_a_while_of_differences_it_is_asked_less_often(bybit: Floor) -> None:
    bybit.opened()
    lose_position(bybit)
    bybit.leap(61)
    bybit.pass_seconds(30)
    asked: list[int] = []
    real = bybit.venue.ledger

    def ledger(**since: Any) -> Sequence[Any]:
        asked.append(1)
        return real(**since)

    bybit.venue.ledger = ledger  # type: ignore[method-assign]
    bybit.pass_seconds(10)
    assert len(asked) <= 4


def test_everything_is_asked_from_where_the_two_last_agreed(bybit: Floor) -> None:
    asked: list[Any] = []
    real = bybit.venue.executions

    def executions(**since: Any) -> Sequence[Any]:
        asked.append(since["since"])
        return real(**since)

    bybit.venue.executions = executions  # type: ignore[method-assign]
    agreed = Lease.objects.get().agreed_until
    assert agreed == bybit.market.now()
    bybit.play(*[100] * 15)
    bybit.leap(61)
    assert asked[0] < agreed
    bybit.leap(61)
    assert (bybit.market.now() - asked[-1]).total_seconds() == 600


def test_an_average_that_differs_is_a_difference(bybit: Floor) -> None:
    bybit.opened()
    held = bybit.venue.holdings["BTCUSDT"]
    bybit.venue.holdings["BTCUSDT"] = replace(held, avg_price=D("100.009"))
    assert reconcile(bybit.desk).clean
    bybit.venue.holdings["BTCUSDT"] = replace(held, avg_price=D("100.02"))
    (difference,) = reconcile(bybit.desk).differences
    assert (difference.kind, difference.mend) == ("average", "")
    assert str(difference).startswith("BTCUSDT: we entered at 100.00000000")


def test_a_result_that_differs_from_the_log_is_a_difference(bybit: Floor) -> None:
    bybit.opened()
    bybit.venue.trigger("BTCUSDT", ExecutionKind.TAKE_PROFIT, D(110))
    bybit.rounds()
    line = bybit.venue.entries[-1]
    assert line.kind is LedgerKind.EXECUTION
    bybit.venue.entries[-1] = replace(line, amount=line.amount - D(1))
    (difference,) = reconcile(bybit.desk).differences
    assert difference.kind == "result"
    bybit.venue.entries[-1] = line
    assert reconcile(bybit.desk).clean
    bybit.venue.entries[-1] = replace(line, amount=line.amount - D(1))
    assert reconcile(bybit.desk).clean


def test_a_result_is_not_judged_before_the_log_shows_it_all(bybit: Floor) -> None:
    bybit.opened()
    bybit.venue.trigger("BTCUSDT", ExecutionKind.TAKE_PROFIT, D(110))
    bybit.rounds()
    line = bybit.venue.entries.pop()
    assert reconcile(bybit.desk).clean
    bybit.venue.entries.append(replace(line, amount=D(0)))
    assert not reconcile(bybit.desk).clean


def test_an_external_position_is_told_when_it_lasts_and_closes_its_symbol_at_once(
    bybit: Floor,
) -> None:
    bybit.venue.stranger("BTCUSDT", Side.BUY, D(3), told=False)
    bybit.leap(61)
    bybit.rounds()
    assert Lease.objects.get().external_symbols == ["BTCUSDT"]
    assert events("trade_external") == []
    bybit.leap(1, 1)
    assert len(events("trade_external")) == 1
    bybit.leap(61, 61)
    assert len(events("trade_external")) == 1


def test_a_growth_that_no_execution_explains_is_a_difference(bybit: Floor) -> None:
    bybit.opened()
    held = bybit.venue.holdings["BTCUSDT"]
    bybit.venue.holdings["BTCUSDT"] = replace(held, qty=D(13))
    result = reconcile(bybit.desk)
    assert [(one.kind, one.mend) for one in result.differences] == [("position", "")]
    assert result.external == ("BTCUSDT",)


def repair(floor: Floor) -> tuple[str, ...]:
    """What two comparisons, far enough apart, mend."""
    assert reconcile(floor.desk, repair=True).mended == ()
    floor.clock.pass_seconds(2)
    return reconcile(floor.desk, repair=True).mended


def test_a_repair_closes_a_trade_whose_position_is_gone(bybit: Floor) -> None:
    trade = bybit.opened()
    lose_position(bybit)
    assert repair(bybit) == (
        "BTCUSDT: we hold 10.00000000, the exchange 0: the trade is closed as external",
    )
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.EXTERNAL)
    assert trade.closed_market == bybit.market.now()
    assert reconcile(bybit.desk).clean
    assert len(events("engine_mended")) == 1


def test_a_repair_counts_what_is_left_of_a_smaller_position(bybit: Floor) -> None:
    trade = bybit.opened()
    held = bybit.venue.holdings["BTCUSDT"]
    bybit.venue.holdings["BTCUSDT"] = replace(held, qty=D(4))
    (done,) = repair(bybit)
    assert done.endswith("the trade is reduced")
    trade.refresh_from_db()
    assert (trade.state, trade.released_qty) == (TradeState.OPEN, D(6))
    assert reconcile(bybit.desk).clean


def test_a_repair_sets_a_missing_stop(bybit: Floor) -> None:
    bybit.opened()
    bybit.venue.place_stop("BTCUSDT", None, None)
    found = reconcile(bybit.desk)
    assert found.clean
    assert [one.kind for one in found.differences] == ["stop"]
    bybit.clock.pass_seconds(2)
    assert len(reconcile(bybit.desk, repair=True).mended) == 1
    assert bybit.venue.holdings["BTCUSDT"].stop_loss == D(95)
    assert not StopMove.objects.exists()


def test_a_repair_cancels_an_order_with_our_prefix_that_is_in_no_table(bybit: Floor) -> None:
    bybit.resting()
    bybit.rounds()
    strange = replace(bybit.venue.posts[0], order_link_id="at1-unheardof-e", symbol="ETHUSDT")
    bybit.venue.take(strange, told=False)
    (done,) = repair(bybit)
    assert done.endswith("the order is cancelled")
    assert bybit.venue.cancels == ["at1-unheardof-e"]
    assert reconcile(bybit.desk).clean


def test_a_repair_that_the_venue_refuses_says_so(bybit: Floor) -> None:
    bybit.opened()
    bybit.venue.place_stop("BTCUSDT", None, None)
    bybit.venue.stop_refusal = "price is past it"
    reconcile(bybit.desk)
    bybit.clock.pass_seconds(2)
    (done,) = reconcile(bybit.desk, repair=True).mended
    assert done == "BTCUSDT: the position has no stop: not mended, price is past it"


def test_the_command_repairs_as_soon_as_the_proof_is_there(bybit: Floor) -> None:
    trade = bybit.opened()
    lose_position(bybit)
    command = Command.objects.create(
        account=bybit.account,
        kind=CommandKind.RECONCILE,
        payload={"repair": True},
        idempotency_key="mend",
    )
    bybit.rounds()
    command.refresh_from_db()
    assert (command.state, command.answer) == (
        CommandState.DONE,
        "comparing with the exchange and mending what is proved",
    )
    bybit.leap(1, 1, 1)
    trade.refresh_from_db()
    assert trade.state == TradeState.CLOSED
    assert Lease.objects.get().reconciled
    # The wish is spent: the next difference waits for its own.
    other = bybit.opened()
    lose_position(bybit)
    bybit.leap(61, 1, 1, 1)
    other.refresh_from_db()
    assert other.state == TradeState.OPEN


def test_our_own_executions_explain_a_growth_that_was_not_told(bybit: Floor) -> None:
    bybit.resting()
    bybit.rounds()
    bybit.venue.fill(bybit.entry().order_link_id, price=D(99), told=False)
    assert reconcile(bybit.desk).clean
    assert Trade.objects.get().entry_qty == D(10)
    assert Execution.objects.count() == 1
