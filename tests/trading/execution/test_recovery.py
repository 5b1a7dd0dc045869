"""Start-up is recovery, reconciliation opens entries, a clean stop leaves nothing in the air."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exchange.domain import ExecutionKind, Side
from exchange.errors import ExchangeUnavailable
from tests.exchange.paper.scripted_market import candles
from tests.trading.execution.floor import Floor
from trading.choices import CancelReason, OrderState, SignalState, TradeState
from trading.execution.agreement import disagreements
from trading.execution.loop import LeaseLost
from trading.execution.reconcile import expected_wallet, reconcile
from trading.models import EquityPoint, Event, Execution, Lease, Order, Trade

D = Decimal


class ProcessDied(Exception):
    """Stands for the end of the process at that point."""


def last_event(kind: str) -> Event:
    return Event.objects.filter(kind=kind).latest("id")


def die_in_post(floor: Floor, *, taken: bool) -> None:
    """Kill the trader between the POST and the storing of its answer."""

    def die(request: Any) -> None:
        if taken:
            floor.venue.take(request, told=False)
        raise ProcessDied

    floor.venue.before_post = die
    floor.signal()
    with pytest.raises(ProcessDied):
        floor.rounds()
    floor.venue.before_post = None


def test_an_order_that_had_arrived_before_the_crash_is_found(floor: Floor) -> None:
    die_in_post(floor, taken=True)
    assert floor.entry().state == OrderState.SUBMITTED
    floor.restart()
    floor.rounds(2)
    trade = Trade.objects.get()
    assert (trade.state, trade.entry_qty) == (TradeState.OPEN, D(10))
    assert len(floor.venue.posts) == 1
    assert floor.desk.reconciled


def test_an_order_that_never_left_is_not_sent_after_the_crash(floor: Floor) -> None:
    die_in_post(floor, taken=False)
    floor.restart()
    assert floor.entry().state == OrderState.UNKNOWN
    floor.leap(10, 10, 10, 1)
    assert floor.entry().state == OrderState.NOT_PLACED
    assert len(floor.venue.posts) == 1


def test_an_intent_that_was_stored_and_not_sent_is_forgotten(floor: Floor) -> None:
    def die() -> None:
        raise ProcessDied

    floor.venue.before_leverage = die
    floor.signal()
    with pytest.raises(ProcessDied):
        floor.rounds()
    assert floor.entry().state == OrderState.CREATED
    floor.restart()
    trade = Trade.objects.get()
    assert floor.entry().state == OrderState.CANCELLED
    assert (trade.state, trade.cancel_reason) == (TradeState.CANCELLED, CancelReason.NOT_PLACED)
    assert floor.venue.posts == []


def test_a_claimed_signal_is_dropped_at_the_start(floor: Floor) -> None:
    signal = floor.signal(state=SignalState.CLAIMED)
    floor.restart()
    signal.refresh_from_db()
    assert (signal.state, signal.rule) == (SignalState.DROPPED, "interrupted")


def test_fills_that_happened_while_we_were_away_are_booked(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.trigger("BTCUSDT", ExecutionKind.STOP_LOSS, D(95))
    floor.venue.pay_funding("BTCUSDT", D("-0.3"))
    floor.venue.news.clear()
    floor.restart()
    trade.refresh_from_db()
    assert (trade.state, trade.funding) == (TradeState.CLOSED, D("0.3"))
    assert floor.desk.reconciled


def test_entries_stay_off_until_the_exchange_answers(floor: Floor) -> None:
    floor.venue.down.add("positions")
    floor.restart()
    assert not floor.desk.reconciled
    assert last_event("engine_started").level == "warning"
    late = floor.signal()
    floor.rounds()
    late.refresh_from_db()
    assert (late.state, late.rule) == (SignalState.DROPPED, "health")
    floor.venue.down.clear()
    floor.leap(1)
    assert floor.desk.reconciled
    floor.signal()
    floor.rounds()
    assert len(floor.venue.posts) == 1


def test_a_difference_at_the_start_is_critical_and_keeps_entries_off(floor: Floor) -> None:
    floor.opened()
    held = floor.venue.holdings["BTCUSDT"]
    floor.venue.holdings["BTCUSDT"] = replace(held, qty=D(7))
    floor.restart()
    assert not floor.desk.reconciled
    event = last_event("engine_differs")
    assert event.level == "critical"
    assert "we hold 10" in event.text
    floor.leap(1, 1, 1)
    assert Event.objects.filter(kind="engine_differs").count() == 1
    floor.venue.holdings["BTCUSDT"] = held
    floor.leap(1, 1)
    assert Lease.objects.get().reconciled


def test_a_wallet_that_differs_is_a_difference(floor: Floor) -> None:
    floor.venue.wallet += D("0.00000001")
    result = reconcile(floor.desk)
    assert not result.clean
    assert [one.kind for one in result.differences] == ["wallet"]


def test_an_order_of_ours_that_we_do_not_know_is_a_difference(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    strange = replace(floor.venue.posts[0], order_link_id="at1-unheardof-e", symbol="ETHUSDT")
    floor.venue.take(strange, told=False)
    floor.venue.take(replace(strange, order_link_id="by-hand"), told=False)
    (difference,) = reconcile(floor.desk).differences
    assert (difference.kind, difference.order_link_id) == ("order", "at1-unheardof-e")
    assert "at1-unheardof-e works on the exchange" in difference.text


def test_a_fill_between_two_readings_is_no_difference(floor: Floor) -> None:
    trade = floor.opened()
    real = floor.venue.positions

    def positions() -> Sequence[Any]:
        floor.venue.positions = real  # type: ignore[method-assign]
        floor.venue.trigger("BTCUSDT", ExecutionKind.TAKE_PROFIT, D(110))
        return real()

    floor.venue.positions = positions  # type: ignore[method-assign]
    assert reconcile(floor.desk).clean
    trade.refresh_from_db()
    assert trade.state == TradeState.CLOSED


def test_our_own_fresh_fill_is_not_external(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    real = floor.venue.positions

    def positions() -> Sequence[Any]:
        floor.venue.positions = real  # type: ignore[method-assign]
        floor.venue.fill(floor.entry().order_link_id, price=D(99))
        return real()

    floor.venue.positions = positions  # type: ignore[method-assign]
    result = reconcile(floor.desk)
    assert (result.clean, result.external) == (True, ())


def test_an_external_position_closes_its_symbol_and_is_never_touched(floor: Floor) -> None:
    floor.venue.stranger("BTCUSDT", Side.BUY, D(3))
    floor.leap(61)
    floor.rounds()
    lease = Lease.objects.get()
    assert (lease.external_symbols, lease.reconciled) == (["BTCUSDT"], True)
    assert last_event("trade_external").level == "warning"
    ours = floor.signal("BTCUSDT")
    free = floor.signal("ETHUSDT", rank=2)
    floor.leap(3, 3)
    ours.refresh_from_db()
    free.refresh_from_db()
    assert (ours.state, ours.rule) == (SignalState.DROPPED, "occupied")
    assert free.state == SignalState.EXECUTING
    assert floor.venue.stop_calls == []
    assert floor.venue.holdings["BTCUSDT"].qty == D(3)
    floor.leap(61)
    assert Event.objects.filter(kind="trade_external").count() == 1


def test_an_unknown_order_explains_a_position_while_it_is_looked_up(floor: Floor) -> None:
    floor.venue.before_post = lambda request: floor.venue.hidden.add(request.order_link_id)
    floor.venue.lose = "after"
    floor.signal()
    floor.rounds()
    floor.venue.news.clear()
    result = reconcile(floor.desk)
    assert (result.differences, result.external) == ((), ())


def test_reconciling_runs_every_minute(floor: Floor) -> None:
    floor.venue.wallet += D(1)
    floor.leap(59)
    assert floor.desk.reconciled
    floor.leap(1)
    assert not floor.desk.reconciled


def test_an_order_whose_reports_were_lost_is_asked_for(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    order = floor.entry()
    floor.venue.cancel_order(symbol="BTCUSDT", order_link_id=order.order_link_id)
    floor.venue.news.clear()
    floor.leap(61)
    assert floor.entry().state == OrderState.CANCELLED


def test_a_part_closed_trade_agrees_to_the_last_place_per_part(floor: Floor) -> None:
    trade = floor.opened()
    Trade.objects.update(close_wanted="manual", target_qty=D(7))
    floor.rounds(2)
    trade.refresh_from_db()
    assert trade.exit_qty == D(3)
    floor.venue.wallet += D("0.00000001")
    assert reconcile(floor.desk).clean
    floor.venue.wallet += D("0.00000001")
    assert not reconcile(floor.desk).clean


def test_the_wallet_is_not_compared_once_others_have_traded(floor: Floor) -> None:
    floor.venue.stranger("ETHUSDT", Side.BUY, D(1))
    floor.rounds()
    floor.venue.holdings.clear()
    floor.venue.wallet -= D(50)
    assert reconcile(floor.desk).clean


def test_the_ledgers_agree_line_by_line(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.pay_funding("BTCUSDT", D("0.25"))
    floor.venue.trigger("BTCUSDT", ExecutionKind.TAKE_PROFIT, D(110))
    assert disagreements(floor.desk) == []
    trade.refresh_from_db()
    assert trade.net_pnl is not None
    assert expected_wallet(floor.desk) == D(10_000) + trade.net_pnl == floor.venue.wallet
    Execution.objects.filter(side="sell").update(fee=D(9))
    (sentence,) = disagreements(floor.desk)
    assert sentence.startswith("execution x2")


def test_a_clean_stop_cancels_entries_and_lists_what_stays(floor: Floor) -> None:
    floor.opened()
    floor.resting("ETHUSDT")
    floor.rounds()
    floor.venue.place_stop("BTCUSDT", None, None)
    floor.trader.shut_down()
    assert set(Order.objects.values_list("symbol", "state")) == {
        ("BTCUSDT", OrderState.FILLED),
        ("ETHUSDT", OrderState.CANCELLED),
    }
    assert Trade.objects.get(symbol="ETHUSDT").cancel_reason == CancelReason.MANUAL
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)
    assert "BTCUSDT (stop 95)" in last_event("engine_stopped").text


def test_a_stop_says_which_entries_it_could_not_confirm(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    floor.venue.down |= {"cancel_order", "drain"}
    floor.trader.shut_down()
    event = last_event("engine_stopped")
    assert event.level == "warning"
    assert "not confirmed as cancelled: BTCUSDT" in event.text


def test_a_lost_lease_ends_the_trader(floor: Floor) -> None:
    Lease.objects.update(token=50, holder="another")
    floor.clock.pass_seconds(3)
    with pytest.raises(LeaseLost):
        floor.rounds()


def test_the_loop_outlives_an_error_of_the_venue(floor: Floor) -> None:
    calls: list[int] = []

    def step() -> bool:
        calls.append(1)
        if len(calls) == 2:
            raise ExchangeUnavailable("once")
        if len(calls) == 4:
            floor.desk.stop.set()
        return len(calls) < 3

    floor.trader.step = step  # type: ignore[method-assign]
    floor.trader.run()
    assert len(calls) == 4
    assert last_event("engine_stopped").level == "notice"


def test_equity_is_kept_whenever_the_wallet_changes_and_every_quarter(floor: Floor) -> None:
    before = EquityPoint.objects.count()
    floor.rounds(3)
    floor.play(*[100] * 15)
    assert EquityPoint.objects.count() == before + 1
    floor.play(100)
    floor.opened()
    assert EquityPoint.objects.count() == before + 2


def test_a_whole_trade_on_the_paper_venue_ends_with_agreeing_ledgers(paper_floor: Floor) -> None:
    floor = paper_floor
    floor.signal()
    floor.rounds()
    floor.play(100, 104, 106, 111)
    floor.market.settle_funding("0.0001")
    floor.play(112, 111)
    floor.rounds(2)
    trade = Trade.objects.get()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, "take_profit")
    assert floor.desk.reconciled
    assert disagreements(floor.desk) == []


def test_a_crash_between_venue_and_tables_is_made_good_on_paper(paper_floor: Floor) -> None:
    floor = paper_floor
    floor.signal()
    floor.rounds()
    floor.play(100)
    # The stop fills, the venue tells it, and the process dies before it is booked.
    floor.market.play(*candles(100, 94))
    floor.client.drain()
    floor.restart()
    trade = Trade.objects.get()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, "stop_loss")
    assert disagreements(floor.desk) == []
