"""The link's row follows what happened, without standing in anybody's way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from exchange.bybit.link import Link
from exchange.choices import LinkState
from exchange.models import VenueLink

HOST = "https://api-demo.bybit.com"


def row(name: str = "account-1") -> VenueLink:
    return VenueLink.objects.get(name=name)


@pytest.mark.django_db(transaction=True)
def test_success_is_shown_with_clock_and_streams() -> None:
    link = Link("account-1", None, HOST)
    link.note_clock(120)
    link.stream_state("private", "connected")
    link.stream_state("public", "waiting")
    link.note_success()
    stored = row()
    assert (stored.state, stored.failures, stored.host) == (LinkState.OK, 0, HOST)
    assert stored.clock_offset_ms == 120
    assert stored.streams == {"private": "connected", "public": "waiting"}


@pytest.mark.django_db(transaction=True)
def test_repeated_news_costs_no_query() -> None:
    link = Link("account-1", None, HOST)
    link.note_success()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(5):
            link.note_success()
    assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
def test_changes_are_written_at_most_once_a_second() -> None:
    link = Link("account-1", None, HOST)
    link.note_success()
    link.note_failure("HTTP status 502")
    assert row().state == LinkState.OK
    link.flush(at_once=True)
    assert (row().state, row().failures) == (LinkState.DEGRADED, 1)
    assert row().reason == "HTTP status 502"


@pytest.mark.django_db(transaction=True)
def test_an_open_circuit_and_a_halt_are_written_at_once() -> None:
    link = Link("account-1", None, HOST)
    link.note_success()
    link.open_until(timezone.now() + timedelta(minutes=10), "banned")
    assert row().state == LinkState.OPEN
    link.note_halt("The API key has expired.")
    assert (row().state, row().reason) == (LinkState.HALTED, "The API key has expired.")
    link.note_halt("")
    link.note_success()
    link.flush(at_once=True)
    assert (row().state, row().open_until) == (LinkState.OK, None)


@pytest.mark.django_db(transaction=True)
def test_small_wavering_of_the_clock_is_not_written() -> None:
    link = Link("account-1", None, HOST)
    link.note_clock(100)
    link.note_clock(149)
    link.flush(at_once=True)
    assert row().clock_offset_ms == 100
    link.note_clock(150)
    link.flush(at_once=True)
    assert row().clock_offset_ms == 150


@pytest.mark.django_db(transaction=True)
def test_streams_are_replaced_as_a_whole() -> None:
    link = Link("account-1", None, HOST)
    link.stream_state("private", "connected")
    link.streams({"public": "silent"})
    link.flush(at_once=True)
    assert row().streams == {"public": "silent"}


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_inside_an_open_transaction() -> None:
    link = Link("account-1", None, HOST)
    with transaction.atomic():
        link.note_halt("The API key has expired.")
        assert not VenueLink.objects.exists()
        assert link.stored_open_until() is None
    link.note_success()
    assert row().state == LinkState.HALTED


@pytest.mark.django_db(transaction=True)
def test_a_link_without_a_name_leaves_no_trace() -> None:
    link = Link("", None, HOST)
    link.note_halt("The API key has expired.")
    link.flush(at_once=True)
    assert link.stored_open_until() is None
    assert not VenueLink.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_refuses_stops_nobody() -> None:
    link = Link("account-1", 999_999, HOST)
    link.note_success()
    link.note_failure("HTTP status 502")
    assert not VenueLink.objects.exists()


def test_without_a_database_it_goes_on() -> None:
    link = Link("account-1", None, HOST)
    assert link.stored_open_until() is None
    link.note_failure("HTTP status 502")
    link.flush(at_once=True)
    link.note_success()
