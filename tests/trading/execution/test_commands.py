"""Commands of operators: carried out once, refused in words, done when the venue shows it."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest

from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.trading.execution.floor import Floor
from trading.choices import CommandKind, CommandState, ExitReason, OrderState, TradeState
from trading.execution.commands import PLUG_WAIT_S
from trading.execution.desk import PlugPulled
from trading.execution.plug import duplicate_entries, note_death, tell_recovery
from trading.models import Command, Event, Order, StopMove, Trade
from trading.services import command_request


def command(floor: Floor, kind: CommandKind, **fields: Any) -> Command:
    return command_request(
        account=floor.account,
        kind=kind,
        idempotency_key=uuid.uuid4().hex,
        actor=None,
        **fields,
    )


def answer(asked: Command) -> tuple[str, str]:
    asked.refresh_from_db()
    return asked.state, asked.answer


def test_a_close_is_done_when_the_venue_shows_it(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    asked = command(floor, CommandKind.CLOSE, target=trade.pk)
    floor.rounds(2)
    assert answer(asked) == (CommandState.SENT, "closing")
    floor.venue.fill(Order.objects.get(role="x").order_link_id)
    floor.rounds(2)
    assert answer(asked) == (CommandState.DONE, "confirmed by the exchange")
    assert asked.finished_at is not None


def test_a_command_that_waits_for_the_venue_needs_no_round_after_round(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    command(floor, CommandKind.CLOSE, target=trade.pk)
    rounds = 0
    while floor.trader.step():
        rounds += 1
        assert rounds < 5


def test_closing_a_waiting_entry_takes_it_back(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    trade = Trade.objects.get()
    asked = command(floor, CommandKind.CLOSE, target=trade.pk)
    floor.rounds(3)
    trade.refresh_from_db()
    assert (trade.state, trade.cancel_reason) == (TradeState.CANCELLED, "manual")
    assert answer(asked)[0] == CommandState.DONE


def test_an_entry_that_fills_while_it_is_closed_is_closed_too(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    trade = Trade.objects.get()
    order = floor.entry()
    floor.venue.before_cancel = lambda: floor.venue.fill(order.order_link_id)
    command(floor, CommandKind.CLOSE, target=trade.pk)
    floor.rounds(5)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.MANUAL)


def test_reduce_keeps_what_it_names(floor: Floor) -> None:
    trade = floor.opened()
    asked = command(floor, CommandKind.REDUCE, target=trade.pk, payload={"qty": "4"})
    floor.rounds(4)
    trade.refresh_from_db()
    assert (trade.state, trade.entry_qty - trade.exit_qty) == (TradeState.OPEN, 4)
    assert answer(asked)[0] == CommandState.DONE


@pytest.mark.parametrize(
    ("qty", "why"),
    [
        ("0", "above 0 and below"),
        ("10", "above 0 and below"),
        ("-1", "must be a number"),
        ("NaN", "must be a number"),
        ("all", "must be a number"),
        (None, "must be a number"),
        ("4.0005", "multiple of 0.001"),
        ("4.123456789", "at most 8 decimal places"),
    ],
)
def test_an_impossible_reduction_is_refused(floor: Floor, qty: str | None, why: str) -> None:
    trade = floor.opened()
    payload = {} if qty is None else {"qty": qty}
    asked = command(floor, CommandKind.REDUCE, target=trade.pk, payload=payload)
    floor.rounds()
    state, text = answer(asked)
    assert state == CommandState.REFUSED
    assert why in text


def test_a_trade_that_is_being_closed_can_not_be_reduced_instead(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    command(floor, CommandKind.CLOSE, target=trade.pk)
    asked = command(floor, CommandKind.REDUCE, target=trade.pk, payload={"qty": "4"})
    floor.rounds()
    assert answer(asked) == (CommandState.REFUSED, "the trade is being closed")


def test_a_stop_is_moved_by_hand(floor: Floor) -> None:
    trade = floor.opened()
    asked = command(
        floor,
        CommandKind.MOVE_STOP,
        target=trade.pk,
        payload={"stop_loss": "97", "take_profit": "112"},
        expected_version=trade.version,
    )
    floor.rounds()
    assert answer(asked) == (CommandState.DONE, "set")
    held = floor.venue.holdings["BTCUSDT"]
    assert (held.stop_loss, held.take_profit) == (Decimal(97), Decimal(112))
    assert StopMove.objects.get().rule == "manual"


def test_a_stop_that_the_venue_refuses_is_told(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stop_refusal = "wrong side"
    levels = {"stop_loss": "101", "take_profit": "112"}
    asked = command(floor, CommandKind.MOVE_STOP, target=trade.pk, payload=levels)
    floor.rounds()
    assert answer(asked) == (CommandState.REFUSED, "the exchange did not take it: wrong side")


def test_a_trade_that_changed_since_it_was_looked_at_is_not_touched(floor: Floor) -> None:
    trade = floor.opened()
    asked = command(
        floor,
        CommandKind.REDUCE,
        target=trade.pk,
        payload={"qty": "4"},
        expected_version=trade.version - 1,
    )
    floor.rounds()
    assert answer(asked)[0] == CommandState.REFUSED
    assert "has changed" in asked.answer
    assert len(floor.venue.posts) == 1


def test_a_close_asks_for_no_version(floor: Floor) -> None:
    trade = floor.opened()
    asked = command(floor, CommandKind.CLOSE, target=trade.pk, expected_version=0)
    floor.rounds(3)
    assert answer(asked)[0] == CommandState.DONE


def test_a_trade_of_nobody_is_refused(floor: Floor) -> None:
    asked = command(floor, CommandKind.CLOSE, target=12345)
    floor.rounds()
    assert answer(asked) == (CommandState.REFUSED, "this account has no trade 12345")


def test_a_closed_trade_can_not_be_closed_again(floor: Floor) -> None:
    trade = floor.opened()
    command(floor, CommandKind.CLOSE, target=trade.pk)
    floor.rounds(3)
    again = command(floor, CommandKind.CLOSE, target=trade.pk)
    floor.rounds()
    assert answer(again) == (CommandState.REFUSED, "the trade is closed")


def test_cancel_takes_the_entry_back(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    asked = command(
        floor, CommandKind.CANCEL, target=Trade.objects.get().pk, payload={"reason": "opposite"}
    )
    floor.rounds(2)
    assert answer(asked) == (CommandState.DONE, "1 entries asked back")
    assert Trade.objects.get().cancel_reason == "opposite"


def test_flatten_closes_trades_and_takes_entries_back(floor: Floor) -> None:
    floor.opened()
    floor.resting("ETHUSDT")
    floor.rounds()
    asked = command(floor, CommandKind.FLATTEN)
    floor.rounds(4)
    assert answer(asked)[0] == CommandState.DONE
    assert Trade.objects.get(symbol="BTCUSDT").exit_reason == ExitReason.KILL_SWITCH
    assert Trade.objects.get(symbol="ETHUSDT").cancel_reason == "kill_switch"
    assert floor.venue.posts[-1].close_all


def test_resync_reads_stops_back_now(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", None, None)
    floor.rounds()
    assert floor.venue.stop_calls == []
    asked = command(floor, CommandKind.RESYNC)
    floor.rounds()
    assert len(floor.venue.stop_calls) == 1
    trade.refresh_from_db()
    assert trade.close_wanted == ""
    assert answer(asked)[0] == CommandState.DONE


def test_reconcile_compares_now(floor: Floor) -> None:
    floor.venue.wallet += 1
    command(floor, CommandKind.RECONCILE)
    floor.rounds()
    assert not floor.desk.reconciled


def test_a_command_claimed_by_a_dead_trader_is_repeated(floor: Floor) -> None:
    trade = floor.opened()
    asked = command(floor, CommandKind.CLOSE, target=trade.pk)
    Command.objects.update(state=CommandState.CLAIMED)
    floor.restart()
    floor.rounds(3)
    assert answer(asked)[0] == CommandState.DONE


def test_a_command_that_breaks_fails_and_the_trader_goes_on(floor: Floor) -> None:
    trade = floor.opened()
    asked = command(floor, CommandKind.CANCEL, target=trade.pk, payload={"reason": "because"})
    floor.rounds()
    state, text = answer(asked)
    assert state == CommandState.FAILED
    assert "ValueError" in text


def test_the_plug_kills_the_next_order_after_the_venue_took_it(floor: Floor) -> None:
    asked = command(floor, CommandKind.PLUG)
    floor.rounds()
    floor.signal()
    with pytest.raises(PlugPulled):
        floor.rounds()
    note_death(floor.desk)
    assert floor.entry().state == OrderState.SUBMITTED
    floor.venue.news.clear()
    floor.restart()
    floor.rounds()
    tell_recovery(floor.desk)
    state, text = answer(asked)
    assert state == CommandState.DONE
    assert "in flight: BTCUSDT buy entry; duplicate orders: 0" in text
    assert "ledgers agree" in text
    assert Event.objects.get(kind="plug_result").level == "notice"
    assert duplicate_entries(floor.desk) == 0


def test_without_an_order_the_plug_pulls_between_two_rounds(floor: Floor) -> None:
    command(floor, CommandKind.PLUG)
    floor.rounds()
    with pytest.raises(PlugPulled):
        floor.leap(PLUG_WAIT_S)
    note_death(floor.desk)
    assert Command.objects.get().payload["in_flight"] == "nothing"


def test_a_recovery_that_can_not_be_checked_is_no_agreement(floor: Floor) -> None:
    asked = command(floor, CommandKind.PLUG)
    floor.rounds()
    floor.venue.down.add("executions")
    tell_recovery(floor.desk)
    assert "ledgers DIFFER" in answer(asked)[1]
    assert Event.objects.get(kind="plug_result").level == "critical"


def test_real_venues_have_no_plug(floor: Floor) -> None:
    ExchangeAccount.objects.update(mode=Mode.DEMO)
    floor.account.refresh_from_db()
    asked = command(floor, CommandKind.PLUG)
    floor.rounds()
    assert answer(asked)[0] == CommandState.REFUSED
