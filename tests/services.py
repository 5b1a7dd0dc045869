"""Private surroundings for the tests, made before Django reads its settings.

Every process that runs tests gets its own data folder. With ``--services`` (or
``AUTOTRADER_TEST_SERVICES=1``) a PostgreSQL of our own and one Redis per process run beside it,
and only the tests that touch database or broker run. What can't be started is said in one loud
line and the tests that need it are left out. ``AUTOTRADER_FORBID_SKIPS=1`` turns that, and every
other skip, into a failure of the run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from config.environment import Environment
from tests.servers import Server, ServiceMissing, start_postgresql, start_redis

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_setup", "live_server"})

_servers: list[Server] = []
_folders: list[str] = []
_missing: dict[str, str] = {}
_skipped: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--services",
        action="store_true",
        default=os.environ.get("AUTOTRADER_TEST_SERVICES") == "1",
        help="run what touches database or broker on a private PostgreSQL and Redis",
    )


# A fixture would be too late: pytest-django reads the settings while it loads the conftests.
@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    in_worker = "PYTEST_XDIST_WORKER" in os.environ
    if not in_worker:
        _forget_the_developers_environment()
    folder = tempfile.mkdtemp(prefix="autotrader-test-")
    _folders.append(folder)
    os.environ["AUTOTRADER_DATA"] = folder
    if not early_config.known_args_namespace.services:
        return
    if not in_worker:
        _start("PostgreSQL", "DATABASE_URL", start_postgresql)
    # One Redis per process, because publish and subscribe knows no separate databases.
    _start("Redis", "REDIS_URL", start_redis)


def _forget_the_developers_environment() -> None:
    for field in Environment.model_fields:
        os.environ.pop(field.upper(), None)
        os.environ.pop(f"{field.upper()}_FILE", None)


def _start(name: str, variable: str, start: Callable[[], Server]) -> None:
    os.environ.pop(variable, None)
    try:
        server = start()
    except ServiceMissing as exc:
        _missing[name] = str(exc)
    else:
        _servers.append(server)
        os.environ[variable] = server.url


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of PostgreSQL and Redis to the run that has them, and the rest out of it."""
    with_services = bool(config.getoption("services"))
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (kept if _belongs(item, with_services) else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def _belongs(item: pytest.Item, with_services: bool) -> bool:
    needs_both = item.get_closest_marker("services") is not None
    if not with_services:
        return not needs_both
    if item.get_closest_marker("embedded") is not None:
        return False
    if needs_both:
        return not _missing
    if item.get_closest_marker("broker") is not None:
        return "REDIS_URL" in os.environ
    return _touches_database(item) and "DATABASE_URL" in os.environ


def _touches_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    marked = item.get_closest_marker("django_db") is not None
    return marked or not DATABASE_FIXTURES.isdisjoint(fixtures)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note_skip(report)


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    if "shared_data" in getattr(report, "keywords", {}) and not SHARED_DATA.is_dir():
        return
    _skipped.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    forbidden = os.environ.get("AUTOTRADER_FORBID_SKIPS") == "1"
    if forbidden and (_skipped or _missing):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif _missing and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _missing:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in _missing.items())
        terminalreporter.write_line(f"SKIPPED WHAT NEEDS {reasons}", red=True, bold=True)
    if _skipped and os.environ.get("AUTOTRADER_FORBID_SKIPS") == "1":
        terminalreporter.write_line(f"SKIPS ARE FORBIDDEN HERE: {_skipped}", red=True, bold=True)


def pytest_unconfigure() -> None:
    while _servers:
        _servers.pop().stop()
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
