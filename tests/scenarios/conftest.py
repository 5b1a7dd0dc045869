"""One simulated exchange per test, and a connected account with its trader where one is wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from exchange.models import VenueLink
from tests.scenarios.stand import GAP_LIMIT_S, SECRET, SYMBOLS, Stand, calm_exchange, page
from tests.simulators.bybit.server import SimServer
from trading.models import Event, Lease


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[SimServer]:
    """An exchange in calm markets."""
    with calm_exchange(settings, tmp_path) as running:
        yield running


@pytest.fixture
def console(transactional_db: None) -> Client:
    """The browser of an administrator who signed in."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.fixture
def stand(
    transactional_db: None, server: SimServer, console: Client, caplog: pytest.LogCaptureFixture
) -> Iterator[Stand]:
    """A reconciled trader. Whatever a test did: at its end nothing may have entered twice, no
    position of ours stood without a stop for over five seconds, and no secret was told."""
    caplog.set_level(logging.DEBUG)
    made = Stand(server)
    try:
        yield made
        assert made.broken_promises() == []
        for symbol in SYMBOLS:
            assert symbol in made.foreign or made.worst_gap_s(symbol) <= GAP_LIMIT_S
        rows = [*Event.objects.values(), *VenueLink.objects.values(), *Lease.objects.values()]
        pages = [page(console, name) for name in ("overview", "events", "connection", "trades")]
        assert SECRET not in " ".join([caplog.text, str(rows), *pages])
    finally:
        made.close()
