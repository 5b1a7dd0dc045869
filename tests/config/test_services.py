"""The private PostgreSQL and Redis of the tests, and the plugin around them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.servers import start_redis


def test_tests_write_to_a_private_data_folder() -> None:
    folder = Path(os.environ["AUTOTRADER_DATA"])
    assert folder == settings.DATA_DIR
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.services
@pytest.mark.django_db
def test_services_run_uses_postgresql() -> None:
    assert connection.vendor == "postgresql"


@pytest.mark.services
def test_a_stopped_server_leaves_nothing_behind() -> None:
    server = start_redis()
    server.stop()
    assert server.process.poll() is not None
    assert not server.folder.exists()
