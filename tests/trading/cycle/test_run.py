"""A cycle from its claim to signals: every symbol ends as a row, and each runs once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from analysis.domain import Direction
from analysis.errors import AnalysisInvalid
from analysis.models import Analysis
from exchange.errors import CandlesUnavailable
from tests.factories import OrderFactory, TradeFactory
from tests.trading.cycle.conftest import Desk
from trading.choices import (
    ApprovalDecision,
    Autonomy,
    CycleState,
    OrderState,
    SignalState,
    StepStatus,
    TradeState,
    TradingStateName,
)
from trading.cycle.run import cycle_run
from trading.cycle.signals import approval_life
from trading.models import Approval, Bot, Command, Cycle, CycleStep, Event, Lease, Signal
from trading.payload import payload_hash
from trading.services import trading_state_set

pytestmark = pytest.mark.django_db


def run(desk: Desk, attempt: int = 0) -> Cycle:
    return cycle_run(desk.cycle(attempt).pk, desk.ports())


def states() -> dict[str, str]:
    return dict(Signal.objects.values_list("symbol", "state"))


def rules() -> dict[str, str]:
    return dict(Signal.objects.values_list("symbol", "rule"))


def test_an_automatic_bot_hands_valid_signals_to_the_trader(desk: Desk) -> None:
    done = run(desk)
    assert done.state == CycleState.COMPLETED
    assert set(states().values()) == {SignalState.APPROVED}
    for signal in Signal.objects.all():
        assert signal.payload_hash == payload_hash(signal)
        assert signal.approval.decision == ApprovalDecision.APPROVED
        assert signal.approval.channel == "rule"
    assert set(Signal.objects.values_list("rank", flat=True)) == {1, 2, 3}


def test_all_seven_steps_are_recorded(desk: Desk) -> None:
    told: list[CycleStep] = []
    cycle_run(desk.cycle().pk, desk.ports(), told.append)
    steps = CycleStep.objects.order_by("number")
    assert [step.number for step in steps] == [0, 1, 2, 3, 4, 5, 6]
    assert {step.status for step in steps} == {StepStatus.DONE}
    assert [step.name for step in told] == [step.name for step in steps]


def test_an_asking_bot_waits_for_an_answer(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(Autonomy.APPROVE)
    run(desk)
    assert set(states().values()) == {SignalState.WAITING}
    waiting = Approval.objects.filter(decision=ApprovalDecision.WAITING)
    assert waiting.count() == 3
    assert Event.objects.filter(kind="approval_requested").count() == 3
    assert CycleStep.objects.get(number=6).status == StepStatus.SKIPPED


def test_an_observing_bot_only_records(make_desk: Callable[..., Desk]) -> None:
    run(make_desk(Autonomy.OBSERVE))
    assert set(states().values()) == {SignalState.OBSERVED}
    assert not Approval.objects.exists()


def test_only_the_first_attempt_trades(desk: Desk) -> None:
    run(desk, attempt=1)
    assert set(states().values()) == {SignalState.OBSERVED}


def test_a_cycle_runs_once(desk: Desk) -> None:
    cycle = desk.cycle()
    cycle_run(cycle.pk, desk.ports())
    again = cycle_run(cycle.pk, desk.ports("there/2/b"))
    assert again.claimed_by == "here/1/a"
    assert len(desk.analyst.asked) == 3
    assert Signal.objects.count() == 3


def test_one_symbol_that_can_not_be_read_leaves_the_others(desk: Desk) -> None:
    desk.analyst.says["ETHUSDT"] = AnalysisInvalid("no answer that can be read")
    assert run(desk).state == CycleState.COMPLETED
    assert rules() == {"BTCUSDT": "", "ETHUSDT": "analysis", "SOLUSDT": ""}


class BrokenFor:
    """The desk's market without one symbol's candles or quotes."""

    def __init__(self, desk: Desk, symbol: str, call: str) -> None:
        self._market, self._symbol, self._call = desk.market, symbol, call

    def __getattr__(self, name: str) -> object:
        real = getattr(self._market, name)
        if name != self._call:
            return real

        def call(symbol: str, *args: object, **kwargs: object) -> object:
            if symbol == self._symbol:
                raise CandlesUnavailable(f"{symbol} has a gap")
            return real(symbol, *args, **kwargs)

        return call


@pytest.mark.parametrize(("call", "rule"), [("candles", "shock"), ("quote", "spread")])
def test_one_symbol_without_data_leaves_the_others(desk: Desk, call: str, rule: str) -> None:
    desk.market = BrokenFor(desk, "SOLUSDT", call)  # type: ignore[assignment]
    assert run(desk).state == CycleState.COMPLETED
    assert rules() == {"BTCUSDT": "", "ETHUSDT": "", "SOLUSDT": rule}


def test_an_analysis_on_record_is_not_paid_for_again(desk: Desk) -> None:
    run(desk)
    run(desk, attempt=1)
    assert len(desk.analyst.asked) == 3
    assert Analysis.objects.count() == 3


def test_a_cycle_that_died_half_way_goes_on_with_what_it_had(desk: Desk) -> None:
    cycle = desk.cycle()

    class Died(BaseException):
        pass

    def die(step: CycleStep) -> None:
        if step.number == 3:
            raise Died

    with pytest.raises(Died):
        cycle_run(cycle.pk, desk.ports(), die)
    assert Cycle.objects.get().state == CycleState.RUNNING
    Cycle.objects.update(state=CycleState.DUE)
    assert cycle_run(cycle.pk, desk.ports()).state == CycleState.COMPLETED
    assert len(desk.analyst.asked) == 3
    assert CycleStep.objects.count() == 7


def test_signals_that_were_stored_before_the_crash_are_not_made_twice(desk: Desk) -> None:
    cycle = desk.cycle()
    cycle_run(cycle.pk, desk.ports())
    Cycle.objects.update(state=CycleState.DUE)
    assert cycle_run(cycle.pk, desk.ports()).state == CycleState.COMPLETED
    assert Signal.objects.count() == 3
    assert Approval.objects.count() == 3


def test_a_halted_account_pays_for_nothing_and_says_why(desk: Desk) -> None:
    trading_state_set(
        account=desk.account, state=TradingStateName.HALTED, actor=None, reason="stop it"
    )
    done = run(desk)
    assert (done.state, desk.analyst.asked) == (CycleState.SKIPPED, [])
    assert done.reason == "Entries are off: halted (stop it)."
    assert set(rules().values()) == {"trading_state"}


def test_without_a_trader_nothing_is_decided(desk: Desk) -> None:
    Lease.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=20))
    done = run(desk)
    assert done.state == CycleState.SKIPPED
    assert "no trader is running" in done.reason


def test_a_cycle_that_breaks_fails_with_its_reason(desk: Desk) -> None:
    Bot.objects.update(symbols=5)
    done = run(desk)
    assert done.state == CycleState.FAILED
    assert done.reason.startswith("TypeError")
    assert CycleStep.objects.get(number=0).status == StepStatus.FAILED
    assert Event.objects.latest("id").kind == "cycle_failed"


def test_exit_settings_that_can_not_be_read_skip_the_cycle(desk: Desk) -> None:
    Bot.objects.update(exit_settings={"nonsense": 1})
    done = run(desk)
    assert (done.state, done.reason.split(":")[0]) == (CycleState.SKIPPED, "ExitSettingsInvalid")


def test_a_cycle_that_was_given_to_somebody_else_keeps_their_result(desk: Desk) -> None:
    cycle = desk.cycle()

    def give_away(step: CycleStep) -> None:
        Cycle.objects.update(state=CycleState.COMPLETED, reason="theirs", claimed_by="there")

    cycle_run(cycle.pk, desk.ports(), give_away)
    assert Cycle.objects.get().reason == "theirs"


def test_a_reading_that_turned_asks_the_pending_entry_back(desk: Desk) -> None:
    run(desk)
    signal = Signal.objects.get(symbol="BTCUSDT")
    Signal.objects.exclude(pk=signal.pk).update(state=SignalState.DROPPED)
    Signal.objects.filter(pk=signal.pk).update(state=SignalState.EXECUTING)
    trade = TradeFactory.create(signal=signal, state=TradeState.PENDING, entry_qty=0)
    OrderFactory.create(trade=trade, state=OrderState.ACKNOWLEDGED, filled_qty=0)
    desk.next_bar()
    run(desk)
    assert not Command.objects.exists()
    desk.analyst.says["BTCUSDT"] = Direction.NONE
    desk.next_bar()
    run(desk)
    asked = Command.objects.get()
    assert (asked.kind, asked.target, asked.payload) == ("cancel", trade.pk, {"reason": "opposite"})


def test_an_observed_reading_takes_nothing_back(desk: Desk) -> None:
    run(desk)
    signal = Signal.objects.get(symbol="BTCUSDT")
    TradeFactory.create(signal=signal, state=TradeState.PENDING, entry_qty=0)
    desk.analyst.says["BTCUSDT"] = Direction.SHORT
    desk.next_bar()
    run(desk, attempt=1)
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("minutes", "speed", "seconds"),
    [
        (15, 1, 180),
        (60, 1, 720),
        (240, 1, 900),
        (1, 1, 60),
        (15, 0, 180),
        (15, 120, 7.5),
        (15, 10, 60),
    ],
)
def test_a_request_lives_a_fifth_of_a_bar_within_bounds(
    minutes: int, speed: float, seconds: float
) -> None:
    assert approval_life(timedelta(minutes=minutes), speed) == timedelta(seconds=seconds)
