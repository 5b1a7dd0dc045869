"""Few at once, first come first served, none during a pause, nobody longer than they may wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from analysis.calls.queue import CallQueue, queue_for
from analysis.errors import AnalystPaused
from tests.factories.analysis import ModelProfileFactory

LONG_S = 10.0


def soon(seconds: float = LONG_S) -> float:
    return time.monotonic() + seconds


def wait_until(condition: Callable[[], bool]) -> None:
    limit = soon(5)
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


class Waiter(threading.Thread):
    """Somebody in the queue; ``refused`` is the text of what they were told."""

    def __init__(self, queue: CallQueue, started: list[str], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.queue = queue
        self.started = started
        self.refused = ""
        self.release = threading.Event()

    def run(self) -> None:
        try:
            with self.queue.turn(soon()):
                self.started.append(self.name)
                self.release.wait(LONG_S)
        except AnalystPaused as paused:
            self.refused = str(paused)


def line_up(queue: CallQueue, names: str, started: list[str]) -> list[Waiter]:
    """Waiters that came one after the other."""
    waiters = []
    for count, name in enumerate(names, start=1):
        waiter = Waiter(queue, started, name)
        waiter.start()
        waiters.append(waiter)
        wait_until(lambda count=count: len(queue._waiting) + len(started) == count)  # type: ignore[misc]
    return waiters


def test_only_so_many_at_once_and_in_their_order() -> None:
    queue, started = CallQueue(2), list[str]()
    waiters = line_up(queue, "abcde", started)
    wait_until(lambda: started == ["a", "b"])
    time.sleep(0.05)
    assert started == ["a", "b"]
    waiters[1].release.set()
    wait_until(lambda: len(started) == 3)
    assert started == ["a", "b", "c"]
    for waiter in waiters:
        waiter.release.set()
    wait_until(lambda: len(started) == 5)
    assert started == ["a", "b", "c", "d", "e"]


def test_place_is_free_again_after_a_failure() -> None:
    queue = CallQueue(1)
    with pytest.raises(RuntimeError), queue.turn(soon()):
        raise RuntimeError
    with queue.turn(soon(0.2)):
        pass


def test_no_turn_before_the_deadline_is_refused() -> None:
    queue = CallQueue(1)
    started = time.monotonic()
    with queue.turn(soon()), pytest.raises(AnalystPaused, match="deadline"), queue.turn(soon(0.1)):
        pytest.fail("two at once")
    assert 0.1 <= time.monotonic() - started < 1
    with queue.turn(soon(0.2)):
        pass


def test_whoever_gives_up_does_not_hold_up_the_next() -> None:
    queue = CallQueue(1)
    started: list[str] = []
    with queue.turn(soon()):
        with pytest.raises(AnalystPaused), queue.turn(soon(0.05)):
            pytest.fail("two at once")
        [waiter] = line_up(queue, "a", started)
    wait_until(lambda: started == ["a"])
    waiter.release.set()


def test_pause_holds_up_everybody() -> None:
    queue, started = CallQueue(4), list[str]()
    before = time.monotonic()
    queue.pause_for(0.2)
    waiters = line_up(queue, "ab", started)
    assert started == []
    wait_until(lambda: len(started) == 2)
    assert time.monotonic() - before >= 0.2
    for waiter in waiters:
        waiter.release.set()


def test_pause_reaches_those_who_wait_already() -> None:
    queue, started = CallQueue(1), list[str]()
    with queue.turn(soon()):
        [waiter] = line_up(queue, "a", started)
        pause_end = soon(0.2)
        queue.pause_until(pause_end)
    wait_until(lambda: started == ["a"])
    assert time.monotonic() >= pause_end
    waiter.release.set()


def test_shorter_pause_does_not_end_a_longer_one() -> None:
    queue = CallQueue(1)
    queue.pause_for(60)
    queue.pause_for(0)
    with pytest.raises(AnalystPaused), queue.turn(soon(0.05)):
        pytest.fail("went during the pause")


def test_pause_beyond_the_deadline_is_refused_at_once() -> None:
    queue = CallQueue(1)
    queue.pause_for(60)
    started = time.monotonic()
    with pytest.raises(AnalystPaused, match="outlasts"), queue.turn(soon(30)):
        pytest.fail("went during the pause")
    assert time.monotonic() - started < 1


def test_dismissed_are_told_why_and_later_ones_may_wait() -> None:
    queue, started = CallQueue(1), list[str]()
    first, second, third = line_up(queue, "abc", started)
    queue.dismiss("the key is wrong")
    second.join(2)
    third.join(2)
    assert (second.refused, third.refused) == ("the key is wrong", "the key is wrong")
    assert started == ["a"]
    [late] = line_up(queue, "a", [])
    first.release.set()
    late.release.set()
    late.join(2)
    assert late.refused == ""


def test_wider_queue_lets_more_through() -> None:
    queue, started = CallQueue(1), list[str]()
    waiters = line_up(queue, "ab", started)
    queue.resize(2)
    wait_until(lambda: len(started) == 2)
    assert started == ["a", "b"]
    for waiter in waiters:
        waiter.release.set()


@pytest.mark.django_db
def test_profile_has_one_queue_that_follows_its_settings() -> None:
    profile, other = ModelProfileFactory.create(max_concurrency=1), ModelProfileFactory.create()
    queue = queue_for(profile)
    assert queue_for(other) is not queue
    with queue.turn(soon()):
        profile.max_concurrency = 2
        assert queue_for(profile) is queue
        with queue.turn(soon(0.2)):
            pass
