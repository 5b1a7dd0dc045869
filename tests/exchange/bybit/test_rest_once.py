"""A write leaves once, whatever comes back; only the venue's own word makes it certain."""

from __future__ import annotations

import hashlib
import hmac
import time
from decimal import Decimal
from typing import Any

import pytest

from exchange.bybit.rest import BybitRest, Endpoint, Priority
from exchange.choices import LinkState
from exchange.errors import (
    ExchangeError,
    InsufficientBalance,
    OrderOutcomeUnknown,
    OrderRejected,
)
from tests.exchange.bybit.rest_venue import (
    KEY,
    SECRET,
    Act,
    RestVenue,
    answer,
    drip,
    open_door,
    refuse,
    reset,
    silence,
    truncated,
)

CREATE = "/v5/order/create"
LIST = "/v5/position/list"
ORDER: dict[str, Any] = {"category": "linear", "symbol": "BTCUSDT", "qty": Decimal("0.00001")}

UNCERTAIN: dict[str, Act] = {
    "silent": silence(0.6),
    "dripping": drip(0.9),
    "reset": reset,
    "truncated": truncated,
    "empty": answer(b" "),
    "html": answer(b"<html>502</html>"),
    "not an object": answer(b"[1]"),
    "no code": answer(b'{"result":{}}'),
    "a code in words": answer(b'{"retCode":"0","result":{}}'),
    "not a number": answer(b'{"retCode":0,"result":{"x":NaN}}'),
    "status 502": answer(status=502),
    "status 503": answer(status=503),
    "status 429": answer(status=429),
    "status 403": answer(status=403),
    "status 404": answer(status=404),
    "redirect": answer(status=307, headers={"Location": CREATE}),
    "10000": refuse(10000, "Server Timeout"),
    "10014": refuse(10014),
    "10016": refuse(10016),
    "429": refuse(429),
    "10429": refuse(10429),
    "unlisted": refuse(987654),
}


def place(door: BybitRest, timeout_s: float = 0.4) -> ExchangeError | None:
    """Send an entry and give back what was raised."""
    try:
        door.write(Endpoint.PLACE_ORDER, priority=Priority.ENTRY, timeout_s=timeout_s, **ORDER)
    except ExchangeError as error:
        return error
    return None


@pytest.mark.parametrize("act", UNCERTAIN.values(), ids=UNCERTAIN)
def test_uncertain_write_left_once_and_is_unknown(
    door: BybitRest, rest_venue: RestVenue, act: Act
) -> None:
    rest_venue.then(CREATE, act)
    error = place(door)
    time.sleep(0.05)
    assert isinstance(error, OrderOutcomeUnknown)
    assert rest_venue.count(CREATE) == 1


@pytest.mark.parametrize(
    ("code", "name"),
    [(10002, "clock"), (10006, "rate_limited"), (10003, "halted"), (110072, "duplicate_link_id")],
)
def test_refused_write_left_once_too(
    door: BybitRest, rest_venue: RestVenue, code: int, name: str
) -> None:
    stale = {"X-Bapi-Limit-Reset-Timestamp": "1000"}
    rest_venue.then(CREATE, refuse(code, headers=stale))
    error = place(door)
    assert isinstance(error, OrderRejected)
    assert error.code == name
    assert rest_venue.count(CREATE) == 1


def test_margin_too_small_has_its_own_error(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(CREATE, refuse(110007, "ab not enough for new order"))
    assert isinstance(place(door), InsufficientBalance)


def test_refused_connection_is_unknown() -> None:
    venue = RestVenue()
    door = open_door(venue)
    venue.stop()
    assert isinstance(place(door), OrderOutcomeUnknown)
    door.close()


def test_time_spans_connection_and_every_byte(door: BybitRest, rest_venue: RestVenue) -> None:
    door.measure_clock()
    rest_venue.then(CREATE, drip(2.0))
    started = time.monotonic()
    place(door, timeout_s=0.3)
    assert time.monotonic() - started < 0.8


def test_door_works_after_a_call_that_never_ended(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(CREATE, drip(0.6))
    place(door, timeout_s=0.2)
    assert door.read(Endpoint.POSITIONS, category="linear").result == {}


def test_proxies_of_the_environment_are_not_used(
    door: BybitRest, rest_venue: RestVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert place(door) is None
    assert rest_venue.count(CREATE) == 1


def test_decimals_leave_as_plain_text(door: BybitRest, rest_venue: RestVenue) -> None:
    assert place(door) is None
    assert rest_venue.seen[-1].sent_json["qty"] == "0.00001"


def test_none_is_left_out_and_large_decimals_have_no_exponent(
    door: BybitRest, rest_venue: RestVenue
) -> None:
    door.write(
        Endpoint.SET_LEVERAGE, priority=Priority.QUERY, buyLeverage=Decimal("1E+2"), symbol=None
    )
    assert rest_venue.seen[-1].sent_json == {"buyLeverage": "100"}


@pytest.mark.parametrize("value", [0.1, 1.0, float("nan"), [1], b"1"])
def test_floats_and_other_things_never_leave(
    door: BybitRest, rest_venue: RestVenue, value: object
) -> None:
    with pytest.raises(TypeError):
        door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT, qty=value)
    with pytest.raises(TypeError):
        door.read(Endpoint.TICKERS, symbol=value)
    assert rest_venue.seen == []


def test_numbers_that_are_none_are_refused(door: BybitRest, rest_venue: RestVenue) -> None:
    with pytest.raises(ValueError, match="qty"):
        door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT, qty=Decimal("NaN"))
    assert rest_venue.seen == []


@pytest.mark.parametrize("endpoint", Endpoint, ids=lambda each: each.name)
def test_each_endpoint_is_posted_or_asked_as_declared(
    door: BybitRest, rest_venue: RestVenue, endpoint: Endpoint
) -> None:
    if endpoint.call.write:
        door.write(endpoint, priority=Priority.PROTECT)
    else:
        door.read(endpoint)
    last = rest_venue.seen[-1]
    assert last.method == ("POST" if endpoint.call.write else "GET")
    assert ("x-bapi-sign" in last.headers) is endpoint.call.private


def test_writes_and_reads_are_not_mixed_up(door: BybitRest) -> None:
    with pytest.raises(ValueError, match="read"):
        door.write(Endpoint.POSITIONS, priority=Priority.PROTECT)
    with pytest.raises(ValueError, match="write"):
        door.read(Endpoint.PLACE_ORDER)


def test_mistake_of_ours_is_no_failure_of_the_line(door: BybitRest, rest_venue: RestVenue) -> None:
    with pytest.raises(ValueError, match="SERVER_TIME"):
        door.read(Endpoint.SERVER_TIME, symbol="BTCUSDT")
    assert rest_venue.seen == []
    assert door.circuit is LinkState.OK


def signature(*parts: str) -> str:
    return hmac.new(SECRET.encode(), "".join(parts).encode(), hashlib.sha256).hexdigest()


def test_query_is_signed_as_it_goes_over_the_wire(door: BybitRest, rest_venue: RestVenue) -> None:
    door.read(Endpoint.POSITIONS, category="linear", cursor="LTC%2C16%2D99 x%26")
    last = rest_venue.seen[-1]
    heads = last.headers
    expected = signature(heads["x-bapi-timestamp"], KEY, heads["x-bapi-recv-window"], last.query)
    assert heads["x-bapi-sign"] == expected


def test_body_is_signed_as_it_goes_over_the_wire(door: BybitRest, rest_venue: RestVenue) -> None:
    door.write(Endpoint.PLACE_ORDER, priority=Priority.PROTECT, recv_window_ms=2000, **ORDER)
    last = rest_venue.seen[-1]
    heads = last.headers
    assert heads["x-bapi-recv-window"] == "2000"
    assert heads["x-bapi-sign"] == signature(heads["x-bapi-timestamp"], KEY, "2000", last.body)
