"""The circuit breaker alone, and its state across a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from exchange.bybit import breaker
from exchange.bybit.breaker import BAN_S, CLOSED, LONGEST_PAUSE_S, Circuit
from exchange.bybit.link import Link
from exchange.bybit.refusals import AddressRefused, CircuitPaused, Unreachable, region_hint
from exchange.bybit.rest import BybitRest, Endpoint, Priority
from exchange.choices import LinkState
from exchange.errors import (
    ExchangeUnavailable,
    OrderNotSent,
    OrderOutcomeUnknown,
)
from exchange.models import VenueLink
from tests.exchange.bybit.rest_venue import (
    HandClock,
    RestVenue,
    answer,
    open_door,
    refuse,
)

TICKERS = "/v5/market/tickers"
CREATE = "/v5/order/create"


def failed(times: int, now: float = 0.0, circuit: Circuit = CLOSED) -> Circuit:
    for _ in range(times):
        circuit = breaker.after_failure(circuit, now)
    return circuit


def fail_reads(door: BybitRest, times: int) -> None:
    """Reads that have no time to be repeated."""
    for _ in range(times):
        with pytest.raises(ExchangeUnavailable):
            door.read(Endpoint.TICKERS, deadline_s=0)


def state(door: BybitRest) -> LinkState:
    return door.circuit


def test_four_failures_change_nothing() -> None:
    circuit = failed(4)
    assert not circuit.is_open
    assert breaker.admit(circuit, 0, protective_write=False) == (True, circuit)


def test_five_failures_open_for_a_second() -> None:
    circuit = failed(5)
    assert breaker.remaining_s(circuit, 0) == 1
    assert not breaker.admit(circuit, 0.9, protective_write=False)[0]


def test_protective_writes_always_try() -> None:
    assert breaker.admit(failed(5), 0, protective_write=True)[0]


def test_half_open_lets_one_through() -> None:
    admitted, circuit = breaker.admit(failed(5), 1.0, protective_write=False)
    assert admitted
    assert not breaker.admit(circuit, 1.1, protective_write=False)[0]


def test_lost_probe_does_not_close_the_door_for_ever() -> None:
    _, circuit = breaker.admit(failed(5), 1.0, protective_write=False)
    assert breaker.admit(circuit, 2.0, protective_write=False)[0]


def test_pause_doubles_up_to_the_longest() -> None:
    pauses = [failed(times).pause_s for times in range(5, 10)]
    assert pauses == [1, 2, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_success_closes() -> None:
    assert breaker.after_success(failed(7)) == CLOSED


def test_ban_holds_everything_for_ten_minutes() -> None:
    circuit = breaker.after_ban(CLOSED, 0)
    assert not breaker.admit(circuit, 600, protective_write=True)[0]
    assert breaker.admit(circuit, BAN_S, protective_write=True)[0]


def test_late_answers_do_not_end_a_ban() -> None:
    circuit = breaker.after_ban(CLOSED, 0)
    assert breaker.after_success(circuit) == circuit
    assert breaker.after_failure(circuit, 1) == replace(circuit, failures=2)


def test_a_good_probe_after_a_ban_ends_it() -> None:
    _, circuit = breaker.admit(breaker.after_ban(CLOSED, 0), BAN_S, protective_write=False)
    assert breaker.after_success(circuit) == CLOSED


@pytest.mark.parametrize(
    ("left_s", "expected_s"), [(0, 0), (-5, 0), (LONGEST_PAUSE_S, 0), (100, 100), (1e9, BAN_S)]
)
def test_only_a_ban_outlives_the_process(left_s: float, expected_s: float) -> None:
    circuit = breaker.restored(left_s, now=50)
    assert breaker.remaining_s(circuit, 50) == expected_s
    assert circuit.banned is (expected_s > 0)


def test_refused_address_sends_nothing_for_ten_minutes(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then(TICKERS, answer(status=403))
    with pytest.raises(AddressRefused) as refused:
        door.read(Endpoint.TICKERS)
    assert "bybit.eu" in region_hint(refused.value)
    clock.pass_by(599)
    with pytest.raises(AddressRefused):
        door.read(Endpoint.TICKERS)
    with pytest.raises(OrderNotSent, match="address"):
        door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT)
    with pytest.raises(OrderNotSent):
        door.write(Endpoint.PLACE_ORDER, priority=Priority.ENTRY)
    assert len(rest_venue.seen) == 1
    assert state(door) is LinkState.OPEN
    assert "403" in door.health_doubts()[0]
    clock.pass_by(10)
    assert door.read(Endpoint.TICKERS).result == {}
    assert state(door) is LinkState.OK
    door.close()


def test_code_of_an_address_limit_is_a_ban_too(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(TICKERS, refuse(10018))
    with pytest.raises(AddressRefused):
        door.read(Endpoint.TICKERS)
    assert state(door) is LinkState.OPEN


def test_silent_venue_opens_for_reads_and_entries_only(rest_venue: RestVenue) -> None:
    door = open_door(rest_venue, clock=HandClock())
    door.measure_clock()
    rest_venue.then(TICKERS, *[answer(status=502)] * 5)
    fail_reads(door, 5)
    with pytest.raises(CircuitPaused, match="does not answer"):
        door.read(Endpoint.TICKERS)
    sent = len(rest_venue.seen)
    with pytest.raises(OrderNotSent):
        door.write(Endpoint.PLACE_ORDER, priority=Priority.ENTRY)
    with pytest.raises(OrderNotSent):
        door.write(Endpoint.SET_LEVERAGE, priority=Priority.QUERY)
    assert len(rest_venue.seen) == sent
    door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT)
    assert len(rest_venue.seen) == sent + 1
    assert state(door) is LinkState.OK
    door.close()


def test_probe_finds_the_venue_back(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then(TICKERS, *[answer(b"<html>")] * 5)
    fail_reads(door, 5)
    assert state(door) is LinkState.OPEN
    clock.pass_by(1.1)
    assert door.read(Endpoint.TICKERS).result == {}
    assert state(door) is LinkState.OK
    door.close()


def test_nobody_listening_is_said_with_the_choice_of_hosts() -> None:
    venue = RestVenue()
    door = open_door(venue, clock=HandClock())
    venue.stop()
    with pytest.raises(Unreachable) as missing:
        door.read(Endpoint.TICKERS, deadline_s=0.5)
    assert "bytick.com" in region_hint(missing.value)
    assert state(door) is LinkState.DEGRADED
    door.close()


def test_refusals_of_orders_are_no_failures_of_the_line(
    door: BybitRest, rest_venue: RestVenue
) -> None:
    rest_venue.then(CREATE, *[refuse(10016)] * 6)
    for _ in range(6):
        with pytest.raises(OrderOutcomeUnknown):
            door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT)
    assert state(door) is LinkState.OK


@pytest.mark.django_db(transaction=True)
def test_ban_survives_a_restart(rest_venue: RestVenue) -> None:
    first = open_door(rest_venue, link=Link("watchdog-1", None, rest_venue.url))
    rest_venue.then(TICKERS, answer(status=403))
    with pytest.raises(AddressRefused):
        first.read(Endpoint.TICKERS)
    first.close()
    row = VenueLink.objects.get(name="watchdog-1")
    assert row.state == LinkState.OPEN
    assert row.open_until is not None
    assert timedelta(minutes=10) <= row.open_until - row.updated_at < timedelta(minutes=11)
    assert "403" in row.reason

    again = open_door(rest_venue, link=Link("watchdog-1", None, rest_venue.url))
    neighbour = open_door(rest_venue, link=Link("market-1", None, rest_venue.url))
    elsewhere = open_door(rest_venue, link=Link("market-2", None, "https://elsewhere.example"))
    with pytest.raises(OrderNotSent):
        again.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT)
    with pytest.raises(AddressRefused):
        neighbour.read(Endpoint.TICKERS)
    assert len(rest_venue.seen) == 1
    assert elsewhere.read(Endpoint.TICKERS).result == {}
    for door in (again, neighbour, elsewhere):
        door.close()


@pytest.mark.django_db(transaction=True)
def test_ended_ban_is_forgotten(rest_venue: RestVenue) -> None:
    VenueLink.objects.create(
        name="old",
        host=rest_venue.url,
        open_until=timezone.now() - timedelta(seconds=1),
        updated_at=timezone.now(),
    )
    door = open_door(rest_venue, link=Link("old", None, rest_venue.url))
    assert door.read(Endpoint.TICKERS).result == {}
    door.close()
