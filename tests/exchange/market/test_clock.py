from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from exchange.market.clock import SessionClock, SteppedClock, WallClock
from exchange.models import MarketSession
from tests.exchange.market.made import MARKET_START, HandClock, market_session


def minutes(count: float) -> datetime:
    return MARKET_START + timedelta(minutes=count)


def run_for(clock: SessionClock, wall: HandClock, seconds: int) -> None:
    for _ in range(seconds):
        wall.pass_seconds(1)
        clock.extend()


def test_wall_clock_is_aware_and_moves() -> None:
    clock = WallClock()
    before = clock.monotonic()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() >= before


def test_stepped_clock_moves_only_forward() -> None:
    clock = SteppedClock(MARKET_START)
    clock.move_to(minutes(5))
    with pytest.raises(ValueError, match="cannot go back"):
        clock.move_to(minutes(4))
    assert clock.now() == minutes(5)


@pytest.mark.django_db
def test_time_runs_with_the_speed_of_the_session() -> None:
    wall = HandClock()
    clock = SessionClock(market_session(speed=60).pk, wall)
    wall.pass_seconds(2)
    assert clock.now() == minutes(2)


@pytest.mark.django_db
def test_time_stands_still_when_no_trader_extends_it() -> None:
    wall = HandClock()
    clock = SessionClock(market_session(speed=60).pk, wall)
    wall.pass_seconds(500)
    assert clock.now() == minutes(3)


@pytest.mark.django_db
def test_extending_keeps_time_running_without_a_jump() -> None:
    wall = HandClock()
    clock = SessionClock(market_session(speed=60).pk, wall)
    run_for(clock, wall, 20)
    assert clock.now() == minutes(20)


@pytest.mark.django_db
def test_time_goes_on_from_where_it_stood_after_the_trader_was_away() -> None:
    wall = HandClock()
    clock = SessionClock(market_session(speed=60).pk, wall)
    wall.pass_seconds(1000)
    clock.extend()
    stood = clock.now()
    wall.pass_seconds(1)
    assert (stood, clock.now()) == (minutes(3), minutes(4))


@pytest.mark.django_db
def test_time_goes_on_when_the_wall_clock_is_set_back() -> None:
    wall = HandClock()
    clock = SessionClock(market_session(speed=60).pk, wall)
    run_for(clock, wall, 10)
    wall.set_back(timedelta(hours=1))
    clock.extend()
    stood = clock.now()
    run_for(clock, wall, 2)
    assert (stood, clock.now()) == (minutes(10), minutes(12))


@pytest.mark.django_db
def test_a_wall_clock_that_is_behind_does_not_lead_before_the_anchor() -> None:
    wall = HandClock()
    wall.set_back(timedelta(hours=1))
    assert SessionClock(market_session(speed=60).pk, wall).now() == MARKET_START


@pytest.mark.django_db
def test_a_new_trader_resumes_where_the_reservation_ended() -> None:
    wall = HandClock()
    session = market_session(speed=60)
    run_for(SessionClock(session.pk, wall), wall, 10)
    wall.pass_seconds(3600)
    clock = SessionClock(session.pk, wall)
    clock.resume()
    assert clock.now() == minutes(13)


@pytest.mark.django_db
def test_frozen_time_stays_until_it_is_resumed() -> None:
    wall = HandClock()
    session = market_session(speed=60)
    clock = SessionClock(session.pk, wall)
    run_for(clock, wall, 10)
    clock.freeze()
    wall.pass_seconds(3600)
    frozen = SessionClock(session.pk, wall).now()
    clock.resume()
    clock.extend()
    wall.pass_seconds(1)
    assert (frozen, clock.now()) == (minutes(10), minutes(11))


@pytest.mark.django_db
def test_time_ends_with_the_session() -> None:
    wall = HandClock()
    clock = SessionClock(market_session(speed=60, end=minutes(5)).pk, wall)
    run_for(clock, wall, 30)
    assert clock.now() == minutes(5)


@pytest.mark.django_db
def test_speed_zero_waits_for_its_driver() -> None:
    wall = HandClock()
    clock = SessionClock(market_session(speed=0).pk, wall)
    run_for(clock, wall, 10)
    assert clock.now() == MARKET_START


@pytest.mark.django_db
def test_a_reader_in_another_process_sees_the_same_time() -> None:
    wall = HandClock()
    session = market_session(speed=120)
    trader, reader = SessionClock(session.pk, wall), SessionClock(session.pk, wall)
    run_for(trader, wall, 7)
    assert reader.now() == trader.now()


@pytest.mark.django_db
def test_time_told_once_is_not_taken_back_when_another_process_freezes() -> None:
    wall = HandClock()
    session = market_session(speed=60)
    reader = SessionClock(session.pk, wall)
    wall.pass_seconds(2)
    told = reader.now()
    MarketSession.objects.filter(pk=session.pk).update(reserved_until=minutes(1))
    wall.pass_seconds(1)
    assert reader.now() == told


@pytest.mark.django_db
def test_the_row_is_read_at_most_twice_a_second(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    wall = HandClock()
    clock = SessionClock(market_session().pk, wall)
    clock.now()
    with django_assert_num_queries(2):
        for _ in range(100):
            wall.pass_seconds(0.01)
            clock.now()


@pytest.mark.django_db
def test_a_trader_that_lost_the_session_does_not_move_its_time() -> None:
    wall = HandClock()
    session = market_session(speed=60)

    class TakenOver(HandClock):
        def now(self) -> datetime:
            # Between reading the row and writing it, another trader anchors anew.
            MarketSession.objects.filter(pk=session.pk).update(
                anchor_wall=wall.now() + timedelta(seconds=9)
            )
            return wall.now()

    wall.pass_seconds(10)
    SessionClock(session.pk, TakenOver()).extend()
    session.refresh_from_db()
    assert session.reserved_until == minutes(3)


@pytest.mark.django_db(transaction=True)
def test_threads_never_see_time_go_back() -> None:
    wall = WallClock()
    session = market_session(speed=120)
    session.anchor_wall = wall.now()
    session.reserved_until = minutes(60)
    session.save()
    clock = SessionClock(session.pk, wall)
    went_back: list[datetime] = []

    def read() -> None:
        seen = clock.now()
        for _ in range(500):
            moment = clock.now()
            if moment < seen:
                went_back.append(moment)
            seen = moment
        connection.close()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert went_back == []
    assert clock.now() > MARKET_START


@pytest.mark.django_db(transaction=True)
def test_reading_the_time_never_waits_for_a_writer() -> None:
    # A transaction that holds the database asks for the time while another thread extends it.
    session = market_session(speed=60)
    clock = SessionClock(session.pk, WallClock())
    clock.now()
    answered = threading.Event()

    def extend() -> None:
        clock.extend()
        connection.close()

    with transaction.atomic():
        MarketSession.objects.filter(pk=session.pk).update(seed=1)
        extender = threading.Thread(target=extend)
        extender.start()
        time.sleep(0.7)
        clock.now()
        answered.set()
    extender.join(timeout=10)
    assert answered.is_set()
    assert not extender.is_alive()
