"""On a live market nothing is caught up on: not what was approved meanwhile, nor a crashed bar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.factories import CycleFactory
from tests.trading.execution.floor import Floor, open_floor
from trading.choices import SignalState
from trading.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def floor() -> Iterator[Floor]:
    opened = open_floor(started=False)
    yield opened
    opened.desk.lease.abandon()


def start(floor: Floor, *, live: bool, crashed: bool) -> None:
    floor.desk.live, floor.desk.lease.inherited = live, crashed
    floor.trader.start()


@pytest.mark.parametrize("crashed", [True, False])
def test_what_was_approved_while_nobody_traded_is_dropped(floor: Floor, crashed: bool) -> None:
    signal = floor.signal()
    start(floor, live=True, crashed=crashed)
    floor.rounds(2)
    signal.refresh_from_db()
    assert (signal.state, signal.rule) == (SignalState.DROPPED, "interrupted")
    assert floor.venue.posts == []


def test_after_a_crash_entries_wait_for_the_next_bar(floor: Floor) -> None:
    start(floor, live=True, crashed=True)
    same_bar = floor.signal()
    floor.rounds(2)
    same_bar.refresh_from_db()
    assert (same_bar.state, same_bar.rule) == (SignalState.DROPPED, "after_crash")
    later = floor.market.now() + timedelta(minutes=15)
    floor.signal(cycle=CycleFactory.create(bot=floor.bot, boundary=later))
    floor.rounds(2)
    assert len(floor.venue.posts) == 1
    assert Event.objects.filter(kind="engine_crashed").count() == 1


def test_after_an_orderly_stop_entries_go_on(floor: Floor) -> None:
    start(floor, live=True, crashed=False)
    floor.signal()
    floor.rounds(2)
    assert len(floor.venue.posts) == 1


def test_a_market_that_stands_still_meanwhile_misses_nothing(floor: Floor) -> None:
    floor.signal()
    start(floor, live=False, crashed=True)
    floor.rounds(2)
    assert len(floor.venue.posts) == 1
