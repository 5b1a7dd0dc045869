"""From an approved signal to one order, or to a reason why not."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from analysis.choices import ExamState, Grade
from analysis.identity import reading_identity
from analysis.models import EyeTest
from tests.factories import (
    AnalysisFactory,
    EyeTestFactory,
    ModelProfileFactory,
    PromptVersionFactory,
    RiskLimitsFactory,
    TradingStateFactory,
)
from tests.trading.execution.floor import Floor
from trading.choices import (
    ApprovalDecision,
    BotState,
    CancelReason,
    OrderState,
    SignalState,
    TradeState,
    TradingStateName,
)
from trading.execution.entries import _expire, enter_approved, expire_approvals
from trading.execution.executor import _store_intent, send
from trading.models import Approval, Bot, Event, Lease, Order, Signal, Trade, TradingState
from trading.settings_of import bot_settings, limits_current

D = Decimal


def dropped(signal: Signal) -> str:
    signal.refresh_from_db()
    assert signal.state == SignalState.DROPPED
    return signal.rule


def test_an_approved_signal_becomes_one_filled_trade(floor: Floor) -> None:
    trade = floor.opened()
    assert (trade.state, trade.entry_qty, trade.entry_value) == (TradeState.OPEN, D(10), D(1000))
    assert Order.objects.get().state == OrderState.FILLED
    assert trade.signal.state == SignalState.EXECUTING
    assert trade.protected_at is not None


def test_the_intent_is_committed_as_submitted_before_the_post(floor: Floor) -> None:
    floor.opened()
    assert floor.venue.states_at_post == [OrderState.SUBMITTED]


def test_stop_and_target_travel_inside_the_entry(floor: Floor) -> None:
    floor.opened()
    (request,) = floor.venue.posts
    assert (request.stop_loss, request.take_profit) == (D(95), D(110))
    assert floor.venue.stop_calls == []


@pytest.mark.parametrize("lost", ["", "before", "after"])
def test_an_entry_is_posted_once_whatever_is_answered(floor: Floor, lost: str) -> None:
    floor.venue.lose = lost
    floor.signal()
    floor.leap(10, 10, 10, 10)
    assert len(floor.venue.posts) == 1


def test_a_rejected_entry_is_final_and_frees_the_symbol(floor: Floor) -> None:
    floor.venue.rejects = "insufficient_margin"
    floor.signal()
    floor.rounds(3)
    assert len(floor.venue.posts) == 1
    assert floor.entry().state == OrderState.REJECTED
    trade = Trade.objects.get()
    assert (trade.state, trade.cancel_reason) == (TradeState.CANCELLED, CancelReason.REJECTED)


def test_leverage_that_can_not_be_set_sends_nothing(floor: Floor) -> None:
    floor.venue.down.add("set_leverage")
    floor.signal()
    floor.rounds()
    assert floor.venue.posts == []
    assert floor.entry().state == OrderState.REJECTED


def test_a_second_claim_of_the_same_signal_sends_nothing(floor: Floor) -> None:
    signal = floor.signal()
    claims: list[bool] = []
    floor.venue.before_post = lambda request: claims.append(enter_approved(floor.desk))
    floor.rounds()
    assert claims == [False]
    assert Order.objects.filter(signal=signal).count() == 1


def test_a_lease_that_moved_on_keeps_the_entry_here(floor: Floor) -> None:
    floor.signal()
    Lease.objects.update(token=99, holder="somebody else")
    enter_approved(floor.desk)
    assert floor.venue.posts == []
    assert floor.entry().state == OrderState.CANCELLED
    assert Trade.objects.get().cancel_reason == CancelReason.NOT_PLACED


def test_less_than_seven_seconds_of_lease_are_too_few(floor: Floor) -> None:
    floor.signal()
    floor.clock.pass_seconds(8.5)
    enter_approved(floor.desk)
    assert floor.venue.posts == []
    assert floor.entry().submitted_at is None


def test_seven_seconds_of_lease_are_enough(floor: Floor) -> None:
    floor.signal()
    floor.clock.pass_seconds(7.9)
    enter_approved(floor.desk)
    assert len(floor.venue.posts) == 1


def test_the_kill_file_stops_an_entry_at_the_last_moment(floor: Floor, tmp_path: Path) -> None:
    floor.venue.before_look = (tmp_path / "KILL").touch
    floor.signal()
    floor.rounds()
    assert floor.venue.posts == []
    assert Trade.objects.get().cancel_reason == CancelReason.KILL_SWITCH


def test_trading_halted_after_the_admission_stops_the_post(floor: Floor) -> None:
    floor.signal()
    floor.venue.before_leverage = lambda: TradingState.objects.update(state=TradingStateName.HALTED)
    enter_approved(floor.desk)
    assert floor.venue.posts == []
    assert floor.entry().state == OrderState.CANCELLED
    assert Trade.objects.get().cancel_reason == CancelReason.KILL_SWITCH


@pytest.mark.parametrize("state", [TradingStateName.REDUCING, TradingStateName.HALTED])
@pytest.mark.parametrize("everywhere", [True, False])
def test_no_entry_unless_trading_is_active(
    floor: Floor, state: TradingStateName, everywhere: bool
) -> None:
    if everywhere:
        TradingStateFactory.create(account=None, state=state)
    else:
        TradingState.objects.filter(account=floor.account).update(state=state)
    signal = floor.signal()
    floor.rounds()
    assert dropped(signal) == "trading_state"
    assert floor.venue.posts == []


def test_a_payload_that_is_not_the_approved_one_is_dropped(floor: Floor) -> None:
    signal = floor.signal()
    Signal.objects.filter(pk=signal.pk).update(qty=D(11))
    floor.rounds()
    assert dropped(signal) == "payload"
    assert Order.objects.count() == 0


def test_limits_tightened_meanwhile_apply(floor: Floor) -> None:
    signal = floor.signal()
    RiskLimitsFactory.create(account=floor.account, version=2, min_rr_net=D("1.7"))
    floor.rounds()
    assert dropped(signal) == "rr_net"


def test_a_price_that_drifted_away_drops_the_signal(floor: Floor) -> None:
    signal = floor.signal()
    floor.play(101.3)
    assert dropped(signal) == "price_drift"


def test_an_analysis_older_than_a_bar_is_stale(floor: Floor) -> None:
    signal = floor.signal(state=SignalState.WAITING)
    floor.play(*[100] * 16)
    Signal.objects.update(state=SignalState.APPROVED)
    floor.rounds()
    assert dropped(signal) == "analysis_age"


def test_a_paused_bot_sends_nothing_that_was_approved_before(floor: Floor) -> None:
    signal = floor.signal()
    Bot.objects.update(state=BotState.PAUSED)
    floor.rounds()
    assert dropped(signal) == "bot_state"


def test_exit_settings_that_can_not_be_read_drop_the_signal_only(floor: Floor) -> None:
    signal = floor.signal()
    Bot.objects.update(exit_settings={"max_holding_bars": "many"})
    floor.rounds(2)
    assert dropped(signal) == "exit_settings"


def test_without_fresh_data_the_signal_is_dropped(floor: Floor) -> None:
    signal = floor.signal()
    floor.venue.down.add("balance")
    enter_approved(floor.desk)
    assert dropped(signal) == "data"


def test_a_signal_without_an_analysis_is_a_bug(floor: Floor) -> None:
    floor.signal(analysis=None)
    with pytest.raises(ValueError, match="without an analysis"):
        enter_approved(floor.desk)


def test_the_best_rank_goes_first(floor: Floor) -> None:
    second = floor.signal("ETHUSDT", rank=2)
    floor.signal("BTCUSDT", rank=1, cycle=second.cycle)
    floor.rounds()
    assert [request.symbol for request in floor.venue.posts] == ["BTCUSDT", "ETHUSDT"]


def test_an_unknown_entry_stops_the_next_one_of_the_same_round(floor: Floor) -> None:
    floor.venue.lose = "before"
    first = floor.signal("BTCUSDT", rank=1)
    second = floor.signal("ETHUSDT", rank=2, cycle=first.cycle)
    floor.rounds()
    assert len(floor.venue.posts) == 1
    assert dropped(second) == "health"


def test_a_symbol_that_the_bot_was_told_to_leave_is_not_entered(floor: Floor) -> None:
    signal = floor.signal()
    Bot.objects.update(symbols=["ETHUSDT"])
    floor.rounds()
    assert (dropped(signal), floor.venue.posts) == ("bot_symbols", [])


def test_an_order_is_never_sent_a_second_time(floor: Floor) -> None:
    floor.opened()
    send(floor.desk, floor.entry())
    assert len(floor.venue.posts) == 1
    assert floor.entry().state == OrderState.FILLED


def test_of_ten_senders_of_one_order_one_posts(floor: Floor) -> None:
    settings = bot_settings(floor.bot, limits_current(floor.account))
    order = _store_intent(floor.desk, floor.signal(), settings.exits)
    start = threading.Barrier(10)

    def sender() -> None:
        mine = Order.objects.get(pk=order.pk)
        start.wait(20)
        send(floor.desk, mine)
        connection.close()

    senders = [threading.Thread(target=sender) for _ in range(10)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join(30)
    assert len(floor.venue.posts) == 1
    assert floor.entry().submitted_at is not None
    assert not Event.objects.filter(kind="order_refused").exists()
    floor.rounds()
    assert floor.entry().state == OrderState.FILLED
    assert Trade.objects.get().close_wanted == ""


def waiting(floor: Floor, seconds: int = 60) -> Approval:
    """A request that lives for ``seconds`` more."""
    signal = floor.signal(state=SignalState.WAITING)
    now = floor.clock.now()
    return Approval.objects.create(
        signal=signal,
        payload_hash=signal.payload_hash,
        requested_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )


def decision(approval: Approval) -> tuple[str, str]:
    approval.refresh_from_db()
    return approval.decision, Signal.objects.get(pk=approval.signal_id).state


def test_a_request_that_nobody_answered_expires(floor: Floor) -> None:
    approval = waiting(floor, seconds=2)
    floor.pass_seconds(1)
    assert decision(approval) == (ApprovalDecision.WAITING, SignalState.WAITING)
    floor.pass_seconds(1)
    assert decision(approval) == (ApprovalDecision.EXPIRED, SignalState.EXPIRED)


def test_a_request_dies_when_price_leaves_its_entry(floor: Floor) -> None:
    approval = waiting(floor)
    floor.play(98.7)
    assert decision(approval) == (ApprovalDecision.EXPIRED, SignalState.EXPIRED)


def test_without_a_quote_a_request_waits_on(floor: Floor) -> None:
    approval = waiting(floor)
    Signal.objects.update(symbol="NOCOINUSDT")
    expire_approvals(floor.desk)
    assert decision(approval) == (ApprovalDecision.WAITING, SignalState.WAITING)


def test_an_answer_given_at_the_last_moment_is_not_overwritten(floor: Floor) -> None:
    approval = waiting(floor, seconds=0)
    Approval.objects.update(decision=ApprovalDecision.APPROVED)
    _expire(floor.desk, approval, "too late")
    assert decision(approval) == (ApprovalDecision.APPROVED, SignalState.WAITING)


def test_events_tell_what_was_stored_before_it_was_sent(floor: Floor) -> None:
    floor.opened()
    kinds = list(Event.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds.index("order_created") < kinds.index("trade_opened")


def examined_signal(floor: Floor) -> Signal:
    """An approved signal of a model that had passed its eye test when it was decided."""
    profile, prompt = ModelProfileFactory.create(), PromptVersionFactory.create()
    EyeTestFactory.create(
        profile=profile,
        prompt_version=prompt,
        identity=reading_identity(profile, prompt),
        state=ExamState.DONE,
        grade=Grade.ANALYST,
    )
    analysis = AnalysisFactory.create(
        symbol="BTCUSDT",
        candle_time=floor.market.now(),
        profile=profile,
        prompt_version=prompt,
    )
    return floor.signal(analysis=analysis)


def test_a_model_that_passed_enters_above_paper(floor: Floor) -> None:
    floor.on_bybit()
    examined_signal(floor)
    floor.rounds()
    assert len(floor.venue.posts) == 1


def test_a_grade_lowered_after_the_approval_sends_nothing_above_paper(floor: Floor) -> None:
    floor.on_bybit()
    signal = examined_signal(floor)
    EyeTest.objects.update(lowered_by="The canary reads differently.")
    floor.rounds()
    assert dropped(signal) == "analyst"
    assert floor.venue.posts == []


def test_a_lowered_grade_still_enters_on_paper(floor: Floor) -> None:
    examined_signal(floor)
    EyeTest.objects.update(lowered_by="The canary reads differently.")
    floor.rounds()
    assert len(floor.venue.posts) == 1
