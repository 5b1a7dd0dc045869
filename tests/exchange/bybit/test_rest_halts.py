"""A refused key, account or region: said in words, not hammered, and never in secret's terms."""

from __future__ import annotations

import logging
import traceback

import pytest

from exchange.bybit.rest import BybitRest, Endpoint, Priority, region_hint
from exchange.bybit.session import Credentials
from exchange.choices import LinkState
from exchange.errors import ExchangeError, ExchangeHalted, OrderNotSent, OrderRejected
from tests.exchange.bybit.rest_venue import (
    KEY,
    SECRET,
    HandClock,
    RestVenue,
    answer,
    envelope,
    open_door,
    refuse,
    silence,
)

LIST = "/v5/position/list"
CREATE = "/v5/order/create"
REFUSALS = [10003, 10004, 10005, 10007, 10008, 10010, 10024, 10027, 33004, 110123]


@pytest.mark.parametrize("code", REFUSALS)
def test_refused_read_halts_with_a_sentence(
    door: BybitRest, rest_venue: RestVenue, code: int
) -> None:
    rest_venue.then(LIST, refuse(code))
    with pytest.raises(ExchangeHalted) as halted:
        door.read(Endpoint.POSITIONS)
    assert door.halted == str(halted.value)
    assert door.halted.endswith(".")
    assert len(door.halted) > 40
    assert door.halted in door.health_doubts()
    assert door.circuit is LinkState.HALTED


def test_key_refused_by_status_halts_too(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(LIST, answer(envelope(code=10003, text="invalid"), status=401))
    with pytest.raises(ExchangeHalted):
        door.read(Endpoint.POSITIONS)


def test_halted_account_is_asked_once_a_minute(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then(LIST, *[refuse(33004)] * 2)
    for _ in range(10):
        with pytest.raises(ExchangeHalted, match="expired"):
            door.read(Endpoint.POSITIONS)
    assert rest_venue.count(LIST) == 1
    clock.pass_by(61)
    with pytest.raises(ExchangeHalted):
        door.read(Endpoint.POSITIONS)
    assert rest_venue.count(LIST) == 2
    clock.pass_by(61)
    assert door.read(Endpoint.POSITIONS).result == {}
    assert door.halted == ""
    door.close()


def test_halted_account_sends_no_entry_but_tries_to_protect(
    door: BybitRest, rest_venue: RestVenue
) -> None:
    rest_venue.then(LIST, refuse(10010))
    with pytest.raises(ExchangeHalted):
        door.read(Endpoint.POSITIONS)
    with pytest.raises(OrderNotSent, match="address"):
        door.write(Endpoint.PLACE_ORDER, priority=Priority.ENTRY)
    assert rest_venue.count(CREATE) == 0
    door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT)
    assert rest_venue.count(CREATE) == 1
    assert door.halted == ""


def test_refused_key_does_not_keep_from_public_prices(
    door: BybitRest, rest_venue: RestVenue
) -> None:
    rest_venue.then(LIST, refuse(10003))
    with pytest.raises(ExchangeHalted):
        door.read(Endpoint.POSITIONS)
    assert door.read(Endpoint.TICKERS).result == {}
    assert door.halted != ""


def test_refused_region_keeps_from_prices_and_names_hosts(
    door: BybitRest, rest_venue: RestVenue
) -> None:
    rest_venue.then("/v5/market/tickers", refuse(10009))
    for _ in range(3):
        with pytest.raises(ExchangeHalted) as halted:
            door.read(Endpoint.TICKERS)
        assert "bybit.eu" in str(halted.value)
    assert rest_venue.count("/v5/market/tickers") == 1


def test_first_refusal_by_region_has_a_hint(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(LIST, refuse(10024))
    with pytest.raises(ExchangeHalted) as halted:
        door.read(Endpoint.POSITIONS)
    assert "bytick.com" in region_hint(halted.value)


def test_refusal_of_trading_outlives_reads_and_ends_by_itself(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then(CREATE, refuse(110066))
    with pytest.raises(OrderRejected) as refused:
        door.write(Endpoint.PLACE_ORDER, priority=Priority.ENTRY)
    assert refused.value.code == "halted"
    assert door.read(Endpoint.POSITIONS).result == {}
    with pytest.raises(OrderNotSent):
        door.write(Endpoint.PLACE_ORDER, priority=Priority.ENTRY)
    clock.pass_by(601)
    assert door.halted == ""
    door.write(Endpoint.PLACE_ORDER, priority=Priority.ENTRY)
    assert rest_venue.count(CREATE) == 2
    door.close()


def test_private_calls_need_a_key(rest_venue: RestVenue) -> None:
    door = open_door(rest_venue, keys=False)
    with pytest.raises(ValueError, match="key"):
        door.read(Endpoint.POSITIONS)
    assert door.read(Endpoint.TICKERS).result == {}
    door.close()


def told(error: BaseException) -> str:
    """Everything an error report could show of it."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)


@pytest.mark.parametrize(
    "act",
    [
        refuse(10004, f"error sign! origin_string[1682{KEY}5000category {SECRET}]"),
        refuse(10001, f"bad {KEY}"),
        answer(status=502),
        answer(b"<html>"),
        silence(0.4),
    ],
)
def test_no_secret_key_or_signature_is_ever_told(
    door: BybitRest,
    rest_venue: RestVenue,
    caplog: pytest.LogCaptureFixture,
    act: object,
) -> None:
    caplog.set_level(logging.DEBUG)
    rest_venue.then(CREATE, act)  # type: ignore[arg-type]
    with pytest.raises(ExchangeError) as raised:
        door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT, timeout_s=0.2, qty="0.001")
    signature = rest_venue.seen[-1].headers["x-bapi-sign"]
    for secret in (SECRET, KEY, signature):
        assert secret not in told(raised.value)
        assert secret not in caplog.text
    assert raised.value.__context__ is None
    assert SECRET not in repr(vars(door))
    assert SECRET not in repr(door)


def test_credentials_hide_their_secret() -> None:
    credentials = Credentials(KEY, SECRET)
    assert SECRET not in f"{credentials!r} {credentials}"
    assert KEY not in repr(credentials)
