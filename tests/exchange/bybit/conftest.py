"""Scripted venues and streams for each test that asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from exchange.bybit.rest import BybitRest
from exchange.bybit.stream_supervisor import SupervisedStream
from tests.exchange.bybit.rest_venue import RestVenue, open_door
from tests.exchange.bybit.stream_venue import Script, StreamVenue
from tests.exchange.bybit.streaming import Start


@pytest.fixture
def rest_venue() -> Iterator[RestVenue]:
    venue = RestVenue()
    yield venue
    venue.stop()


@pytest.fixture
def door(rest_venue: RestVenue) -> Iterator[BybitRest]:
    """A door to the scripted venue, with keys and on real time."""
    rest = open_door(rest_venue)
    yield rest
    rest.close()


@pytest.fixture
def venue() -> Iterator[Callable[..., StreamVenue]]:
    open_venues: list[StreamVenue] = []

    def opened(*scripts: Script, port: int = 0) -> StreamVenue:
        open_venues.append(StreamVenue(*scripts, port=port))
        return open_venues[-1]

    yield opened
    for one in open_venues:
        one.close()


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[SupervisedStream] = []

    def begin(stream: SupervisedStream) -> SupervisedStream:
        started.append(stream)
        stream.start()
        return stream

    yield begin
    for stream in started:
        stream.stop()
