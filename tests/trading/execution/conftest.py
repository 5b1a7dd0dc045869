"""Floors for the tests of execution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.trading.execution.floor import Floor, open_floor


@pytest.fixture
def surroundings(
    transactional_db: None,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A data folder of the test's own, and leases by the hand clock also where the database
    would tell the time."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr("trading.execution.lease.database_now", lambda clock: clock.now())


@pytest.fixture
def floor(surroundings: None) -> Iterator[Floor]:
    """A started floor on a venue that a test scripts."""
    opened = open_floor()
    yield opened
    opened.desk.lease.abandon()


@pytest.fixture
def paper_floor(surroundings: None) -> Iterator[Floor]:
    """A started floor on the real paper venue."""
    opened = open_floor(paper=True)
    yield opened
    opened.desk.lease.abandon()
