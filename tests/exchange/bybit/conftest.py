"""A scripted venue for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchange.bybit.rest import BybitRest
from tests.exchange.bybit.rest_venue import RestVenue, open_door


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
