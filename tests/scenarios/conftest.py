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
from tests.scenarios.stand import GAP_LIMIT_S, SECRET, SYMBOLS, Stand, page
from tests.simulators.bybit.server import SimServer
from trading.models import Event, Lease
from trading.wiring import forget_markets


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[SimServer]:
    """An exchange in calm markets."""
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    settings.REDIS_URL = None
    tmp_path.chmod(0o700)
    forget_markets()
    with SimServer(seed=11, volatility=0.2) as running:
        settings.BYBIT_REST_URL = running.url
        settings.BYBIT_WS_PUBLIC_URL = running.ws_url
        settings.BYBIT_WS_PRIVATE_URL = running.ws_url
        running.exchange.set_key(ips=["127.0.0.1"])
        yield running
    forget_markets()


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
