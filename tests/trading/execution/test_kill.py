"""The kill switch at each level, on a real loop: off first, then seen done by the venue."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from tests.trading.execution.floor import Floor
from trading.choices import (
    BotState,
    ExitReason,
    KillLevel,
    KillStepKind,
    OrderState,
    TradingStateName,
)
from trading.errors import ActionRefused
from trading.execution.entries import enter_approved
from trading.execution.protection import want_close
from trading.kill import kill_press
from trading.kill_file import (
    kill_file,
    kill_file_drop,
    kill_file_dropped_at,
    kill_file_remove,
)
from trading.kill_progress import SETTLING, kill_words
from trading.models import (
    Event,
    KillRun,
    KillStep,
    OperatorAction,
    Order,
    Signal,
    Trade,
    TradingState,
)
from trading.rearming import rearm, rearm_refusals, trading_state_held
from trading.selectors import trading_state_effective

D = Decimal


def press(floor: Floor, level: KillLevel, *, everywhere: bool = False, **more: bool) -> KillRun:
    return kill_press(
        account=None if everywhere else floor.account,
        level=level,
        reason="the market looks wrong",
        actor=None,
        channel="console",
        pressed_at=timezone.now(),
        **more,
    )


def over(run: KillRun, floor: Floor) -> KillRun:
    """After the time in which orders on their way turn up."""
    KillRun.objects.filter(pk=run.pk).update(committed_at=run.committed_at - SETTLING)
    floor.rounds()
    run.refresh_from_db()
    return run


@pytest.mark.parametrize("level", list(KillLevel))
def test_no_entry_leaves_after_a_press(floor: Floor, level: KillLevel) -> None:
    floor.venue.before_look = lambda: press(floor, level)
    signal = floor.signal()
    enter_approved(floor.desk)
    assert floor.venue.posts == []
    assert Order.objects.get().state == OrderState.CANCELLED
    floor.venue.before_look = None
    later = floor.signal("ETHUSDT")
    floor.rounds(2)
    later.refresh_from_db()
    assert later.state == "dropped"
    assert floor.venue.posts == []
    assert signal.pk != later.pk


def test_pausing_takes_unfilled_entries_back_and_keeps_positions(floor: Floor) -> None:
    trade = floor.opened()
    floor.resting("ETHUSDT")
    floor.rounds()
    run = press(floor, KillLevel.PAUSE)
    floor.bot.refresh_from_db()
    assert floor.bot.state == BotState.PAUSED
    assert trading_state_effective(floor.account)[0] is TradingStateName.ACTIVE
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.close_wanted) == ("open", "")
    assert Order.objects.filter(symbol="ETHUSDT", state="cancelled").exists()
    kinds = set(KillStep.objects.filter(run=run).values_list("kind", flat=True))
    assert kinds == {KillStepKind.PAUSED, KillStepKind.CANCEL}


def test_reducing_keeps_what_works_and_takes_back_what_was_in_flight(floor: Floor) -> None:
    floor.resting()
    floor.rounds()
    floor.venue.lose = "after"
    floor.resting("ETHUSDT")
    floor.rounds()
    floor.venue.lose = ""
    run = press(floor, KillLevel.REDUCE)
    assert [step.symbol for step in run.steps.filter(kind="cancel")] == ["ETHUSDT"]
    floor.rounds(2)
    states = dict(Order.objects.values_list("symbol", "state"))
    assert states == {"BTCUSDT": "acknowledged", "ETHUSDT": "cancelled"}


def test_a_halt_cancels_entries_and_leaves_every_stop(floor: Floor) -> None:
    trade = floor.opened()
    floor.resting("ETHUSDT")
    floor.rounds()
    run = press(floor, KillLevel.HALT)
    assert "entry of ETHUSDT still out" in kill_words(run, timezone.now())
    floor.rounds(2)
    over(run, floor)
    trade.refresh_from_db()
    assert run.done_at is not None
    assert trade.state == "open"
    assert floor.venue.holdings["BTCUSDT"].stop_loss == trade.stop_loss
    assert "1 cancel 0." in kill_words(run, timezone.now())


def test_flatten_closes_at_market_at_once_and_waits_for_the_venue(floor: Floor) -> None:
    trade = floor.opened()
    run = press(floor, KillLevel.FLATTEN)
    assert "BTCUSDT still open after" in kill_words(run, timezone.now())
    floor.rounds()
    assert floor.venue.posts[-1].order_type == "market"
    floor.rounds()
    over(run, floor)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == ("closed", "kill_switch")
    assert floor.venue.size("BTCUSDT") == 0
    assert "BTCUSDT flat " in kill_words(run, timezone.now())
    assert run.done_at is not None


def test_a_close_that_the_venue_does_not_show_is_not_done(floor: Floor) -> None:
    floor.opened()
    floor.venue.lose = "before"
    run = press(floor, KillLevel.FLATTEN)
    floor.rounds(2)
    over(run, floor)
    assert run.done_at is None
    assert "BTCUSDT still open" in kill_words(run, timezone.now())
    floor.venue.lose = ""
    floor.pass_seconds(8)
    run.refresh_from_db()
    assert run.done_at is not None


def test_a_close_by_hand_gives_way_to_the_market(floor: Floor) -> None:
    trade = floor.opened()
    Trade.objects.filter(pk=trade.pk).update(close_wanted="manual", target_qty=D(4))
    press(floor, KillLevel.FLATTEN)
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == ("closed", "kill_switch")


@pytest.mark.parametrize(("level", "state"), [(KillLevel.HALT, "open"), (4, "closed")])
def test_an_entry_in_flight_that_fills_is_kept_or_closed(
    floor: Floor, level: int, state: str
) -> None:
    """Its answer is lost and it is hidden; it turns up filled."""
    floor.venue.lose = "after"
    floor.venue.fills = False
    signal = floor.signal()
    enter_approved(floor.desk)
    order = floor.entry()
    floor.venue.hidden.add(order.order_link_id)
    floor.venue.news.clear()
    floor.venue.lose = ""
    run = press(floor, KillLevel(level))
    floor.rounds()
    assert Order.objects.get(pk=order.pk).state == OrderState.UNKNOWN
    floor.venue.hidden.clear()
    floor.venue.fills = True
    floor.venue.fill(order.order_link_id)
    floor.pass_seconds(3)
    over(run, floor)
    trade = Trade.objects.get(signal=signal)
    assert trade.state == state
    assert run.done_at is not None
    kept = run.steps.get(kind="cancel").detail
    assert kept == (
        "10 had filled, " + ("kept with its stop" if level == 3 else "closed with the rest")
    )


def test_an_order_that_turns_up_is_asked_back_at_once(floor: Floor) -> None:
    floor.venue.lose = "after"
    floor.resting()
    enter_approved(floor.desk)
    order = floor.entry()
    floor.venue.hidden.add(order.order_link_id)
    floor.venue.news.clear()
    floor.venue.lose = ""
    press(floor, KillLevel.HALT)
    floor.rounds()
    asked = len(floor.venue.cancels)
    floor.venue.hidden.clear()
    floor.pass_seconds(1)
    floor.rounds(2)
    assert len(floor.venue.cancels) > asked
    assert Order.objects.get(pk=order.pk).state == OrderState.CANCELLED


def test_everything_off_leaves_a_file_that_counts_as_a_halt(floor: Floor) -> None:
    press(floor, KillLevel.HALT, everywhere=True)
    assert "the market looks wrong" in kill_file().read_text()
    press_again = press(floor, KillLevel.REDUCE, everywhere=True)
    assert trading_state_held(None) is TradingStateName.HALTED
    assert press_again.level == KillLevel.REDUCE


def test_a_press_leaves_who_and_why(floor: Floor) -> None:
    press(floor, KillLevel.HALT)
    action, event = OperatorAction.objects.get(), Event.objects.get(kind="kill_pressed")
    assert (action.action, action.reason) == ("kill 3", "the market looks wrong")
    assert event.text.startswith(
        "Kill switch, level 3 pressed (the market looks wrong): entries off"
    )


def test_arming_takes_two_steps_and_removes_the_file(floor: Floor) -> None:
    over(press(floor, KillLevel.HALT, everywhere=True), floor)
    for state in (TradingStateName.REDUCING, TradingStateName.ACTIVE):
        assert kill_file().exists()
        rearm(account=None, actor=None, reason="looked at it")
        assert trading_state_held(None) is state
    assert not kill_file().exists()
    with pytest.raises(ActionRefused, match="armed already"):
        rearm(account=None, actor=None, reason="once more")


def test_a_file_that_was_dropped_without_a_database_needs_two_steps(floor: Floor) -> None:
    kill_file().write_text("by hand")
    assert trading_state_effective(floor.account)[0] is TradingStateName.HALTED
    rearm(account=None, actor=None, reason="looked at it")
    assert trading_state_effective(floor.account)[0] is TradingStateName.HALTED
    rearm(account=None, actor=None, reason="looked at it")
    assert trading_state_effective(floor.account)[0] is TradingStateName.ACTIVE


def test_a_file_that_outlived_the_arming_can_be_lifted(floor: Floor) -> None:
    """The last step was stored, and the process died before it took the file away."""
    over(press(floor, KillLevel.HALT, everywhere=True), floor)
    TradingState.objects.filter(account=None).update(
        state=TradingStateName.ACTIVE, changed_at=timezone.now() + timedelta(seconds=1)
    )
    assert trading_state_held(None) is TradingStateName.HALTED
    for _ in range(2):
        rearm(account=None, actor=None, reason="looked at it")
    assert trading_state_effective(floor.account)[0] is TradingStateName.ACTIVE


def test_arming_leaves_a_file_that_was_dropped_meanwhile(floor: Floor) -> None:
    kill_file_drop("first")
    seen = kill_file_dropped_at()
    os.utime(kill_file(), (2e9, 2e9))
    kill_file_remove(seen)
    assert kill_file().exists()
    kill_file_remove(kill_file_dropped_at())
    assert not kill_file().exists()


def test_a_file_that_cannot_be_read_stops_entries_and_no_exit(floor: Floor) -> None:
    trade = floor.opened()
    kill_file().mkdir()
    assert trading_state_effective(floor.account) == (
        TradingStateName.HALTED,
        "the KILL file lies in the data folder (unreadable: Is a directory)",
    )
    floor.signal("ETHUSDT")
    want_close(trade, ExitReason.MANUAL)
    floor.rounds(3)
    trade.refresh_from_db()
    assert trade.state == "closed"
    assert [post.symbol for post in floor.venue.posts] == ["BTCUSDT", "BTCUSDT"]
    press(floor, KillLevel.HALT, everywhere=True)
    kill_file().rmdir()
    assert trading_state_effective(floor.account)[0] is TradingStateName.HALTED


def test_arming_is_refused_while_the_kill_waits(floor: Floor) -> None:
    floor.opened()
    run = press(floor, KillLevel.FLATTEN)
    for account in (floor.account, None):
        assert rearm_refusals(account) == ["the kill switch still waits for floor (SIM): BTCUSDT"]
    with pytest.raises(ActionRefused, match="still waits for floor"):
        rearm(account=floor.account, actor=None, reason="too soon")
    floor.rounds(2)
    over(run, floor)
    assert rearm(account=floor.account, actor=None, reason="flat").state == "reducing"


def test_a_drill_is_for_one_simulated_account(floor: Floor) -> None:
    run = press(floor, KillLevel.FLATTEN, drill=True)
    assert run.drill
    assert trading_state_effective(floor.account)[0] is TradingStateName.HALTED
    with pytest.raises(ActionRefused, match="one simulated or paper account"):
        press(floor, KillLevel.HALT, everywhere=True, drill=True)
    assert not kill_file().exists()
    floor.on_bybit()
    with pytest.raises(ActionRefused, match="one simulated or paper account"):
        press(floor, KillLevel.HALT, drill=True)


def test_a_press_needs_a_reason(floor: Floor) -> None:
    with pytest.raises(ActionRefused, match="give a reason"):
        kill_press(
            account=floor.account,
            level=KillLevel.HALT,
            reason=" ",
            actor=None,
            channel="console",
            pressed_at=timezone.now(),
        )
    assert not KillRun.objects.exists()


def test_a_kill_goes_on_after_a_restart(paper_floor: Floor) -> None:
    paper_floor.signal()
    paper_floor.rounds(2)
    run = press(paper_floor, KillLevel.FLATTEN)
    paper_floor.restart()
    paper_floor.play(100, 100)
    over(run, paper_floor)
    assert Trade.objects.get().exit_reason == "kill_switch"
    assert run.done_at is not None
    assert timezone.now() - run.committed_at < timedelta(minutes=1)
    assert Signal.objects.count() == 1
