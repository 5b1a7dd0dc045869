"""The private PostgreSQL and Redis of the tests, and the plugin around them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from config.environment import BASE_DIR
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


def run_without_redis(**variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--services"]
    return subprocess.run(
        [*command, "tests/config/test_services.py"],
        cwd=BASE_DIR,
        env={"PATH": "/nowhere", "HOME": os.environ["AUTOTRADER_DATA"]} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_missing_redis_is_one_loud_line() -> None:
    run = run_without_redis()
    assert run.returncode == 0, run.stdout
    loud = [line for line in run.stdout.splitlines() if "SKIPPED WHAT NEEDS" in line]
    assert loud == ["SKIPPED WHAT NEEDS Redis (no redis-server in PATH)"]


def test_missing_redis_fails_the_run_where_skips_are_forbidden() -> None:
    assert run_without_redis(AUTOTRADER_FORBID_SKIPS="1").returncode == 1
