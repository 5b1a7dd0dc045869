"""A REST interface that falls silent is noticed although nobody had anything to ask."""

from __future__ import annotations

import time

import pytest

from exchange.bybit import breaker
from exchange.bybit.breaker import CLOSED
from exchange.bybit.pulse import Pulse
from exchange.bybit.refusals import CircuitPaused
from exchange.bybit.rest import BybitRest, Endpoint
from exchange.errors import ExchangeHalted, ExchangeUnavailable
from tests.exchange.bybit.rest_venue import HandClock, RestVenue, answer, envelope, open_door

TIME = "/v5/market/time"
ACCOUNT = "/v5/account/info"
TICKERS = "/v5/market/tickers"


def silence_told(door: BybitRest) -> bool:
    return any("has not answered for" in text for text in door.health_doubts())


def fail_once(door: BybitRest, venue: RestVenue) -> None:
    venue.then(TICKERS, answer(status=503))
    with pytest.raises(ExchangeUnavailable):
        door.read(Endpoint.TICKERS, deadline_s=0)


def test_silence_is_a_doubt_once_somebody_feels_the_pulse(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    clock.seconds += 10
    assert not silence_told(door)
    door.feel_pulse()
    assert not silence_told(door)
    clock.seconds += 3
    assert silence_told(door)


def test_a_silent_venue_is_asked_once_a_second_until_it_answers(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    door.feel_pulse()
    clock.seconds += 3
    with pytest.raises(CircuitPaused):
        door.read(Endpoint.TICKERS)
    assert rest_venue.count(TICKERS) == 0
    clock.seconds += 1
    door.feel_pulse()
    assert not silence_told(door)
    door.read(Endpoint.TICKERS)


def test_the_venue_is_not_asked_while_others_ask(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    door.feel_pulse()
    clock.seconds += 0.9
    door.read(Endpoint.TICKERS)
    clock.seconds += 0.9
    door.feel_pulse()
    assert rest_venue.count(ACCOUNT) == 1
    clock.seconds += 0.2
    door.feel_pulse()
    assert rest_venue.count(ACCOUNT) == 2


def test_the_pulse_shows_that_a_key_is_not_taken_any_more(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then(ACCOUNT, answer(envelope(code=33004, text="expired")))
    with pytest.raises(ExchangeHalted):
        door.feel_pulse()
    assert "expired" in door.halted
    clock.seconds += 2
    door.feel_pulse()
    assert rest_venue.count(ACCOUNT) == 1
    assert not silence_told(door)


def test_two_failures_in_a_row_are_a_doubt(rest_venue: RestVenue) -> None:
    door = open_door(rest_venue, clock=HandClock())
    door.feel_pulse()
    fail_once(door, rest_venue)
    assert not silence_told(door)
    fail_once(door, rest_venue)
    assert silence_told(door)


def test_one_failure_after_a_long_silence_opens_the_circuit() -> None:
    assert not breaker.after_failure(CLOSED, 0).is_open
    assert breaker.after_failure(CLOSED, 0, silent=True).is_open


def test_the_pulse_is_felt_until_it_is_stopped(rest_venue: RestVenue) -> None:
    door = open_door(rest_venue)
    pulse = Pulse(door)
    pulse.start()
    deadline = time.monotonic() + 5
    while rest_venue.count(ACCOUNT) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    pulse.stop()
    asked = rest_venue.count(ACCOUNT)
    assert asked >= 2
    time.sleep(1.2)
    assert rest_venue.count(ACCOUNT) == asked
