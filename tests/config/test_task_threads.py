"""Worker and beat as threads: they take tasks, end quickly, and don't wait for a long task."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from celery import Celery

from config.celery import app
from config.embedded.tasks import TaskThreads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.embedded]

taken = threading.Event()
released = threading.Event()


@app.task(name="tests.wait")  # type: ignore[untyped-decorator]
def wait(seconds: float) -> None:
    taken.set()
    released.wait(seconds)


@pytest.fixture(autouse=True)
def in_memory() -> Iterator[Celery]:
    """A clean start, whatever ran in this process before."""
    app.close()
    taken.clear()
    released.clear()
    yield app
    app.close()


def test_task_is_taken_at_once_and_both_threads_end_in_time() -> None:
    threads = TaskThreads()
    threads.start()
    started = time.monotonic()
    wait.delay(0)
    assert taken.wait(2)
    assert time.monotonic() - started < 1
    # The in-memory broker's own loop would hold the end back for up to 4 s.
    assert threads.stop(3)
    assert time.monotonic() - started < 3


def test_long_task_does_not_hold_the_end_back() -> None:
    threads = TaskThreads()
    threads.start()
    wait.delay(30)
    assert taken.wait(2)
    started = time.monotonic()
    assert not threads.stop(1)
    assert time.monotonic() - started < 2
    released.set()
