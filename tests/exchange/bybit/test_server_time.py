"""The venue's clock is told from its answers, whatever this machine's does."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from exchange.bybit.rest import BybitRest, Endpoint, Priority
from exchange.bybit.server_time import EPOCH, ServerTime
from exchange.errors import OrderRejected
from tests.exchange.bybit.rest_venue import AheadClock, HandClock, RestVenue, open_door, refuse

CREATE = "/v5/order/create"
TIME = "/v5/market/time"


def ms_of(clock: HandClock, ahead_ms: int = 0) -> int:
    return (clock.now() - EPOCH) // timedelta(milliseconds=1) + ahead_ms


def note(server: ServerTime, clock: HandClock, ahead_ms: int, trip_s: float) -> None:
    """An answer spoken ``ahead_ms`` ahead in the middle of its trip."""
    sent = clock.monotonic()
    clock.pass_by(trip_s / 2)
    spoken = ms_of(clock, ahead_ms)
    clock.pass_by(trip_s / 2)
    server.note(spoken, sent, clock.monotonic())


def test_before_a_measurement_it_is_this_machines() -> None:
    clock = HandClock()
    server = ServerTime(clock)
    assert server.now() == clock.now()
    assert server.offset_ms is None
    assert server.age_s == math.inf


def test_half_the_trip_is_taken_off() -> None:
    clock = HandClock()
    server = ServerTime(clock)
    note(server, clock, ahead_ms=700, trip_s=0.2)
    assert server.offset_ms == 700
    assert server.now() == clock.now() + timedelta(milliseconds=700)


def test_slow_answers_say_nothing() -> None:
    clock = HandClock()
    server = ServerTime(clock)
    note(server, clock, ahead_ms=700, trip_s=2.1)
    server.note(5, sent=10.0, received=9.0)
    assert server.offset_ms is None


def test_a_slower_answer_does_not_spoil_a_good_one() -> None:
    clock = HandClock()
    server = ServerTime(clock)
    note(server, clock, ahead_ms=700, trip_s=0.02)
    note(server, clock, ahead_ms=900, trip_s=1.0)
    assert server.offset_ms == 700
    assert server.age_s == 0


def test_a_contradicting_answer_counts() -> None:
    clock = HandClock()
    server = ServerTime(clock)
    note(server, clock, ahead_ms=700, trip_s=0.02)
    note(server, clock, ahead_ms=5000, trip_s=1.0)
    assert server.offset_ms == 5000


def test_a_step_of_the_wall_clock_is_seen_at_once_and_signs_no_differently() -> None:
    clock = HandClock()
    server = ServerTime(clock)
    note(server, clock, ahead_ms=0, trip_s=0.02)
    before = server.now()
    clock.wall += timedelta(hours=1)
    assert server.now() == before
    assert server.offset_ms == -3_600_000


def test_age_grows_and_forgetting_starts_anew() -> None:
    clock = HandClock()
    server = ServerTime(clock)
    note(server, clock, ahead_ms=0, trip_s=0.02)
    clock.pass_by(40)
    assert server.age_s == pytest.approx(40)
    server.forget()
    assert server.offset_ms is None


@pytest.mark.parametrize("ahead_s", [2.0, -2.0, 3600.0])
def test_a_wrong_machine_clock_still_signs_with_the_venues_time(
    rest_venue: RestVenue, ahead_s: float
) -> None:
    door = open_door(rest_venue, clock=AheadClock(ahead_s))
    door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT, symbol="BTCUSDT")
    signed_ms = int(rest_venue.seen[-1].headers["x-bapi-timestamp"])
    right_ms = AheadClock(0).now().timestamp() * 1000
    assert abs(signed_ms - right_ms) < 500
    [doubt] = door.health_doubts()
    assert ("ahead of" if ahead_s > 0 else "behind") in doubt
    door.close()


def test_a_good_clock_leaves_no_doubt(door: BybitRest) -> None:
    assert door.health_doubts() == ("Bybit's clock has not been measured yet.",)
    door.measure_clock()
    assert door.health_doubts() == ()


def test_an_old_measurement_is_a_doubt(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    door.measure_clock()
    clock.pass_by(91)
    assert "91 s ago" in door.health_doubts()[0]
    door.close()


def test_each_quick_answer_measures(door: BybitRest, rest_venue: RestVenue) -> None:
    door.read(Endpoint.TICKERS, category="linear")
    assert door.server_time.offset_ms is not None
    assert rest_venue.count(TIME) == 0


def test_a_refused_time_is_measured_anew(door: BybitRest, rest_venue: RestVenue) -> None:
    door.measure_clock()
    rest_venue.then(CREATE, refuse(10002, "timestamp"))
    with pytest.raises(OrderRejected) as refused:
        door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT)
    assert refused.value.code == "clock"
    door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT)
    assert rest_venue.count(TIME) == 2


def test_a_read_refused_for_its_time_is_repeated(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then("/v5/position/list", refuse(10002, "timestamp"))
    assert door.read(Endpoint.POSITIONS).result == {}
