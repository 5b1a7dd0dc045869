"""What Bybit announces, asked over HTTP and read row by row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.notices import notices_read
from exchange.bybit.parse_notices import delisting, maintenance, system_status
from exchange.bybit.parse_values import UnreadablePayload, stamp
from exchange.bybit.rest import BybitRest
from exchange.market.clock import WallClock
from tests.simulators.bybit.server import SimServer

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Row = dict[str, Any]


def status(**changes: Any) -> Row:
    row = {
        "id": "4d95b2a0",
        "title": "Upgrade of the matching engine",
        "state": "scheduled",
        "begin": str(stamp(NOON)),
        "end": str(stamp(NOON + HOUR)),
        "href": "",
        "serviceTypes": [1, 2],
        "product": [1, 2],
        "uidSuffix": [],
        "maintainType": 1,
        "env": 1,
    }
    return row | changes


def news(title: str, **changes: Any) -> Row:
    row = {
        "title": title,
        "description": "Dear traders",
        "type": {"title": "News", "key": "news"},
        "tags": ["Derivatives"],
        "url": "https://announcements.bybit.com/en-US/article/news-blt123/",
        "dateTimestamp": stamp(NOON),
        "startDateTimestamp": stamp(NOON),
        "endDateTimestamp": stamp(NOON + HOUR),
    }
    return row | changes


def test_maintenance_of_derivatives_has_its_hours() -> None:
    found = system_status(status())
    assert found is not None
    assert (found.start, found.end, found.symbols) == (NOON, NOON + HOUR, frozenset())
    assert found.key == "status:4d95b2a0"
    cancelled = system_status(status(state="canceled"))
    assert cancelled is not None
    assert cancelled.cancelled


@pytest.mark.parametrize(
    "changes", [{"product": [2, 3]}, {"end": ""}, {"end": str(stamp(NOON))}, {"begin": "0"}]
)
def test_what_is_no_maintenance_of_derivatives_is_left_out(changes: Row) -> None:
    assert system_status(status(**changes)) is None


def test_maintenance_without_named_products_concerns_all() -> None:
    assert system_status(status(product=[])) is not None


def test_an_announcement_that_is_shown_for_weeks_is_no_window() -> None:
    shown = stamp(NOON + timedelta(days=30))
    assert maintenance(news("System upgrade")) is not None
    assert maintenance(news("System upgrade", endDateTimestamp=shown)) is None


def test_a_delisting_names_its_perpetuals_from_its_first_day_on() -> None:
    found = delisting(
        news("Delisting of ABCUSDT and 1000XYZUSDT Perpetual Contracts", description="Also DEFUSDT")
    )
    assert found is not None
    assert found.symbols == {"ABCUSDT", "1000XYZUSDT", "DEFUSDT"}
    assert found.start == NOON
    assert found.end > NOON + timedelta(days=80)
    assert delisting(news("Delisting of ABC/USDT from Spot")) is None


def test_a_row_without_what_it_must_have_is_refused() -> None:
    for broken in ({"title": ""}, {"url": ""}):
        with pytest.raises(UnreadablePayload):
            delisting(news("Delisting of ABCUSDT") | broken)


@pytest.fixture
def venue() -> Iterator[SimServer]:
    with SimServer() as server:
        yield server


def test_all_sources_are_asked_over_http_and_a_bad_row_spoils_nothing(venue: SimServer) -> None:
    venue.exchange.announce("status", status())
    venue.exchange.announce("status", {"begin": "yesterday"})
    venue.exchange.announce("maintenance_updates", news("Upgrade"))
    venue.exchange.announce("delistings", news("Delisting of ABCUSDT"))
    venue.exchange.announce("new_crypto", news("Listing of NEWUSDT"))
    rest = BybitRest(
        Hosts(venue.url, "", ""), None, clock=WallClock(), link=Link("", None, venue.url)
    )
    try:
        found = notices_read(rest)
    finally:
        rest.close()
    assert [one.title for one in found] == [
        "Upgrade of the matching engine",
        "Upgrade",
        "Delisting of ABCUSDT",
    ]
