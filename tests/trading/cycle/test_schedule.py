"""When cycles are due, once each, and what becomes of those that were interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from exchange.models import ExchangeAccount, MarketSession
from exchange.ports import MarketData
from tests.trading.cycle.conftest import BOUNDARY, Desk
from trading.choices import BotState, CycleState
from trading.cycle.schedule import cycle_due, cycle_request, cycles_create_due, cycles_requeue
from trading.models import Bot, Cycle, Event

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def running(desk: Desk) -> Desk:
    """The desk on a market that runs by itself."""
    MarketSession.objects.update(speed=60)
    return desk


def market_of(desk: Desk) -> Callable[[ExchangeAccount], MarketData]:
    return lambda account: desk.market


def test_a_cycle_is_due_three_seconds_after_the_close(desk: Desk) -> None:
    Cycle.objects.create(bot=desk.bot, timeframe="15m", boundary=BOUNDARY - 15 * MINUTE)
    assert cycle_due(desk.bot, BOUNDARY + 2 * SECOND) is None
    cycle = cycle_due(desk.bot, BOUNDARY + 3 * SECOND)
    assert cycle is not None
    assert cycle.boundary == BOUNDARY


def test_a_boundary_has_one_cycle(desk: Desk) -> None:
    assert cycle_due(desk.bot, BOUNDARY + 3 * SECOND) is not None
    assert cycle_due(desk.bot, BOUNDARY + 4 * SECOND) is None
    assert Cycle.objects.count() == 1


def test_a_cycle_does_not_begin_later_than_a_third_into_the_next_candle(desk: Desk) -> None:
    assert cycle_due(desk.bot, BOUNDARY + 5 * MINUTE + SECOND) is None
    assert cycle_due(desk.bot, BOUNDARY + 5 * MINUTE) is not None


def test_missed_boundaries_are_one_event_and_not_made_up(desk: Desk) -> None:
    cycle_due(desk.bot, BOUNDARY + 3 * SECOND)
    cycle_due(desk.bot, BOUNDARY + 4 * 15 * MINUTE + 3 * SECOND)
    assert Cycle.objects.count() == 2
    event = Event.objects.get(kind="cycle_missed")
    assert event.data["missed"] == 3


def test_run_now_never_keeps_the_real_cycle_from_its_boundary(desk: Desk) -> None:
    first = cycle_request(desk.bot, BOUNDARY + SECOND)
    second = cycle_request(desk.bot, BOUNDARY + SECOND)
    assert (first.attempt, second.attempt) == (1, 2)
    cycle = cycle_due(desk.bot, BOUNDARY + 3 * SECOND)
    assert cycle is not None
    assert cycle.attempt == 0


@pytest.mark.django_db(transaction=True)
def test_two_beats_make_one_cycle(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    start = threading.Barrier(2)
    made: list[Cycle | None] = []

    def beat() -> None:
        start.wait(10)
        made.append(cycle_due(desk.bot, BOUNDARY + 3 * SECOND))
        connection.close()

    beats = [threading.Thread(target=beat) for _ in range(2)]
    for thread in beats:
        thread.start()
    for thread in beats:
        thread.join(20)
    assert len(made) == 2
    assert len([cycle for cycle in made if cycle is not None]) == 1


def test_due_cycles_are_created_for_running_bots_only(running: Desk) -> None:
    running.clock.move_to(BOUNDARY + 3 * SECOND)
    sent: list[int] = []
    assert cycles_create_due(market_of(running), sent.append) == 1
    assert cycles_create_due(market_of(running), sent.append) == 0
    assert sent == [Cycle.objects.get().pk]
    Bot.objects.update(state=BotState.PAUSED)
    running.clock.move_to(BOUNDARY + 15 * MINUTE + 3 * SECOND)
    assert cycles_create_due(market_of(running), sent.append) == 0


def test_a_stepped_market_is_left_to_its_driver(desk: Desk) -> None:
    desk.clock.move_to(BOUNDARY + 3 * SECOND)
    sent: list[int] = []
    assert cycles_create_due(market_of(desk), sent.append) == 0
    cycle = desk.cycle()
    cycles_requeue(market_of(desk), sent.append, lambda claimant: False)
    cycle.refresh_from_db()
    assert (sent, cycle.state) == ([], CycleState.DUE)


def requeue(desk: Desk, state: CycleState, **fields: Any) -> tuple[Cycle, list[int]]:
    cycle = Cycle.objects.create(
        bot=desk.bot,
        timeframe="15m",
        boundary=BOUNDARY,
        state=state,
        claimed_by="dead/1/x",
        **fields,
    )
    sent: list[int] = []
    cycles_requeue(market_of(desk), sent.append, lambda claimant: claimant.startswith("alive"))
    cycle.refresh_from_db()
    return cycle, sent


def test_a_cycle_whose_worker_died_is_given_back_in_time(running: Desk) -> None:
    cycle, sent = requeue(running, CycleState.RUNNING)
    assert (cycle.state, cycle.claimed_by, sent) == (CycleState.DUE, "", [cycle.pk])


def test_a_message_that_got_lost_is_sent_again(running: Desk) -> None:
    cycle, sent = requeue(running, CycleState.DUE)
    assert (cycle.state, sent) == (CycleState.DUE, [cycle.pk])


@pytest.mark.parametrize("state", [CycleState.DUE, CycleState.RUNNING])
def test_too_late_it_is_failed_as_interrupted(running: Desk, state: CycleState) -> None:
    running.clock.move_to(BOUNDARY + 6 * MINUTE)
    cycle, sent = requeue(running, state)
    assert (cycle.state, cycle.reason, sent) == (CycleState.FAILED, "interrupted", [])
    assert cycle.finished_at is not None
    assert Event.objects.get().kind == "cycle_failed"


def test_an_observing_run_is_never_too_late(running: Desk) -> None:
    running.clock.move_to(BOUNDARY + 6 * MINUTE)
    cycle, sent = requeue(running, CycleState.RUNNING, attempt=1)
    assert (cycle.state, sent) == (CycleState.DUE, [cycle.pk])


def test_a_cycle_that_somebody_runs_is_left_alone(running: Desk) -> None:
    cycle = Cycle.objects.create(
        bot=running.bot,
        timeframe="15m",
        boundary=BOUNDARY,
        state=CycleState.RUNNING,
        claimed_by="alive/2/y",
    )
    sent: list[int] = []
    cycles_requeue(market_of(running), sent.append, lambda claimant: True)
    cycle.refresh_from_db()
    assert (cycle.state, sent) == (CycleState.RUNNING, [])


@pytest.mark.parametrize(("before", "by"), [("due", ""), ("running", "dead/1/x")])
def test_a_cycle_that_is_claimed_while_it_is_looked_at_is_not_given_twice(
    running: Desk, before: str, by: str
) -> None:
    cycle = Cycle.objects.create(
        bot=running.bot, timeframe="15m", boundary=BOUNDARY, state=before, claimed_by=by
    )

    def slow_market(account: ExchangeAccount) -> MarketData:
        """A worker takes the cycle while its market is opened here."""
        Cycle.objects.filter(pk=cycle.pk).update(state=CycleState.RUNNING, claimed_by="alive/2/y")
        return running.market

    cycles_requeue(slow_market, lambda _: None, lambda claimant: claimant.startswith("alive"))
    cycle.refresh_from_db()
    assert (cycle.state, cycle.claimed_by) == (CycleState.RUNNING, "alive/2/y")
