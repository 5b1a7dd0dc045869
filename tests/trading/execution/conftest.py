"""Floors for the tests of execution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.trading.execution.floor import Floor, open_floor


@pytest.fixture
def floor(transactional_db: None, settings: Settings, tmp_path: Path) -> Iterator[Floor]:
    """A started floor on a venue that a test scripts."""
    settings.DATA_DIR = tmp_path
    opened = open_floor()
    yield opened
    opened.desk.lease.abandon()


@pytest.fixture
def paper_floor(transactional_db: None, settings: Settings, tmp_path: Path) -> Iterator[Floor]:
    """A started floor on the real paper venue."""
    settings.DATA_DIR = tmp_path
    opened = open_floor(paper=True)
    yield opened
    opened.desk.lease.abandon()
