"""Reads are repeated until their deadline, and lists are read to the end."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from exchange.bybit.refusals import ReadRefused
from exchange.bybit.rest import BybitRest, Endpoint
from exchange.bybit.server_time import EPOCH
from exchange.errors import ExchangeUnavailable
from tests.exchange.bybit.rest_venue import (
    Act,
    HandClock,
    RestVenue,
    answer,
    envelope,
    open_door,
    refuse,
    reset,
    truncated,
)

LIST = "/v5/execution/list"


def page(rows: list[Any], cursor: str = "") -> Act:
    return answer(envelope({"list": rows, "nextPageCursor": cursor}))


def rows(first: int, count: int) -> list[dict[str, int]]:
    return [{"n": number} for number in range(first, first + count)]


@pytest.mark.parametrize(
    "act", [reset, truncated, answer(status=503), answer(b"<html>"), refuse(10000), refuse(10016)]
)
def test_failed_read_is_repeated(door: BybitRest, rest_venue: RestVenue, act: Act) -> None:
    rest_venue.then(LIST, act, act)
    assert door.read(Endpoint.EXECUTIONS).result == {}
    assert rest_venue.count(LIST) == 3


def test_pauses_are_random_grow_and_end_with_the_deadline(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then(LIST, *[refuse(10016)] * 100)
    with pytest.raises(ExchangeUnavailable):
        door.read(Endpoint.EXECUTIONS, deadline_s=20)
    assert 20 > sum(clock.waits) > 5
    assert len(set(clock.waits)) == len(clock.waits)
    assert max(clock.waits[:2]) <= 0.5
    assert max(clock.waits) <= 4
    door.close()


def test_refused_read_is_not_repeated(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(LIST, refuse(10032, "Demo trading are not supported."))
    with pytest.raises(ReadRefused) as refused:
        door.read(Endpoint.EXECUTIONS)
    assert (refused.value.ret_code, refused.value.code) == (10032, "refused")
    assert rest_venue.count(LIST) == 1


def test_reply_carries_the_venues_time(door: BybitRest, rest_venue: RestVenue) -> None:
    body = {"retCode": 0, "retMsg": "", "result": {"a": 0.10}, "time": 1_700_000_000_123}
    rest_venue.then(LIST, answer(json.dumps(body).encode()))
    reply = door.read(Endpoint.EXECUTIONS)
    assert (reply.time - EPOCH).total_seconds() == 1_700_000_000.123
    assert str(reply.result["a"]) == "0.1"
    assert 0 < reply.elapsed_s < 5


def test_missing_time_and_empty_list_are_tolerated(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(LIST, answer(b'{"retCode":0,"retMsg":"OK","result":[]}'))
    reply = door.read(Endpoint.EXECUTIONS)
    assert reply.result == {}
    assert abs((reply.time - EPOCH).total_seconds() - time.time()) < 5


def test_result_that_is_no_object_is_not_an_answer(rest_venue: RestVenue) -> None:
    door = open_door(rest_venue, clock=HandClock())
    rest_venue.then(LIST, *[answer(b'{"retCode":0,"result":"x"}')] * 9)
    with pytest.raises(ExchangeUnavailable):
        door.read(Endpoint.EXECUTIONS, deadline_s=0.5)
    door.close()


def test_all_pages_are_read_with_the_cursor_as_it_came(
    door: BybitRest, rest_venue: RestVenue
) -> None:
    rest_venue.then(LIST, page(rows(0, 2), "a%3D1%2C2"), page(rows(2, 1), "b"), page(rows(3, 2)))
    found = list(door.pages(Endpoint.EXECUTIONS, category="linear", limit=50))
    assert found == rows(0, 5)
    queries = [each.query for each in rest_venue.seen if each.path == LIST]
    assert queries[1] == "category=linear&cursor=a%3D1%2C2&limit=50"


def test_cursor_on_the_last_page_ends_with_an_empty_one(
    door: BybitRest, rest_venue: RestVenue
) -> None:
    rest_venue.then(LIST, page(rows(0, 1), "more"), page([], "more"))
    assert list(door.pages(Endpoint.EXECUTIONS)) == rows(0, 1)


def test_repeated_page_is_not_taken_twice(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(LIST, *[page(rows(0, 1), "again")] * 5)
    assert list(door.pages(Endpoint.EXECUTIONS)) == rows(0, 1)
    assert rest_venue.count(LIST) == 2


def test_list_of_something_else_is_an_error(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(LIST, page(["x"]))
    with pytest.raises(ExchangeUnavailable, match="rows"):
        list(door.pages(Endpoint.EXECUTIONS))


def test_endless_pages_end_with_the_deadline(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then(LIST, *[page(rows(n, 1), f"c{n}") for n in range(9)])
    found = door.pages(Endpoint.EXECUTIONS, deadline_s=5)
    next(found)
    clock.pass_by(6)
    with pytest.raises(ExchangeUnavailable, match="in time"):
        next(found)
    door.close()


def test_many_threads_share_one_door(door: BybitRest, rest_venue: RestVenue) -> None:
    door.measure_clock()
    results: list[dict[str, Any]] = []

    def ask() -> None:
        results.append(door.read(Endpoint.EXECUTIONS).result)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{}] * 12
