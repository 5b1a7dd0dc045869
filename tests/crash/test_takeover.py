"""A second process on the same data: refused or passive, and in charge once the first is dead."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.audit import audit
from tests.crash.installation import Installation, free_port, kill, stop

# The passive trader asks once a second; the rest is reading the lease and reconciling.
TAKE_OVER_S = 5.0

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    """An account that trades all the time, not running yet."""
    place = Installation(tmp_path)
    place.prepare(market="sim", seed=5, kills=1)
    return place


@pytest.fixture
def start(place: Installation) -> Iterator[Start]:
    """Starts ``manage.py`` commands on the place; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        running.append(place.start(*arguments))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            kill(process)


def test_second_serve_is_refused_and_second_trader_waits_until_the_first_is_killed(
    place: Installation, start: Start
) -> None:
    first = start("serve")
    place.until_healthy(first)
    place.until_reconciled(first)
    said = Installation(place.folder, free_port()).refusal("serve")
    assert said.startswith(f"CommandError: Autotrader runs already on the data in {place.folder}")
    assert len(said.splitlines()) == 1

    second = start("trader")
    _until_said(place, "waiting to take over")
    token = place.lease().token
    time.sleep(2.5)
    assert (place.lease().pid, place.lease().token) == (first.pid, token)

    kill(first)
    died = time.monotonic()
    place.until_reconciled(second)
    assert time.monotonic() - died < TAKE_OVER_S
    assert place.lease().token == token + 1
    with closing(place.connect()) as database:
        assert audit(database, lambda since: 0.0).broken == ()
    assert stop(second) == 0


def _until_said(place: Installation, words: str) -> None:
    deadline = time.monotonic() + 30
    while words not in place.output():
        assert time.monotonic() < deadline, place.output()
        time.sleep(0.05)
