"""When a server is asked, when it is left alone, and that all processes agree on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from analysis.calls.breaker import (
    HEALTHY,
    Admission,
    Health,
    admission_of,
    after_failure,
    after_success,
    pause_after,
    with_probe,
)
from analysis.calls.health import health_admit, health_failure, health_success
from analysis.calls.queue import queue_for
from analysis.choices import HealthState
from analysis.errors import AnalystPaused
from analysis.models import AnalystHealth, AnalystProfile
from tests.factories.analysis import ModelProfileFactory

OK, PAUSED, SAFE = HealthState.OK, HealthState.PAUSED, HealthState.SAFE
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WAIT = "The server asked for a pause."


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def failed(health: Health, code: str, retry_after_s: float | None = None) -> Health:
    return after_failure(
        health, code, "No luck", NOON, safe_mode_after=3, retry_after_s=retry_after_s
    )


@pytest.mark.parametrize(
    ("health", "code", "retry_after_s", "expected"),
    [
        (HEALTHY, "timeout", None, Health(OK, 1, None, "No luck")),
        (Health(OK, 1, None, ""), "refused", None, Health(OK, 2, None, "No luck")),
        (Health(OK, 2, None, ""), "server", None, Health(SAFE, 3, after(15), "No luck")),
        (Health(OK, 2, None, ""), "server", 40, Health(SAFE, 3, after(40), "No luck")),
        (Health(SAFE, 4, NOON, ""), "server", None, Health(SAFE, 4, after(30), "No luck")),
        (Health(SAFE, 8, NOON, ""), "server", None, Health(SAFE, 8, after(300), "No luck")),
        (HEALTHY, "rate_limited", None, Health(PAUSED, 0, after(5), WAIT)),
        (HEALTHY, "rate_limited", 60, Health(PAUSED, 0, after(60), WAIT)),
        (Health(OK, 2, None, ""), "rate_limited", 60, Health(PAUSED, 2, after(60), WAIT)),
        (
            Health(PAUSED, 0, after(60), WAIT),
            "rate_limited",
            10,
            Health(PAUSED, 0, after(60), WAIT),
        ),
        (
            Health(PAUSED, 0, after(9), WAIT),
            "timeout",
            None,
            Health(PAUSED, 1, after(9), "No luck"),
        ),
        (
            Health(SAFE, 4, after(9), "No luck"),
            "rate_limited",
            20,
            Health(SAFE, 4, after(20), "No luck"),
        ),
    ],
)
def test_failure(health: Health, code: str, retry_after_s: float | None, expected: Health) -> None:
    assert failed(health, code, retry_after_s) == expected


@pytest.mark.parametrize(
    ("code", "remedy"), [("authentication", "Check the API key"), ("bad_request", "model name")]
)
def test_what_waiting_does_not_mend_leads_to_safe_mode_at_once(code: str, remedy: str) -> None:
    health = failed(HEALTHY, code)
    assert (health.state, health.failures, health.open_until) == (SAFE, 3, after(15))
    assert remedy in health.reason
    assert health.reason.endswith("No luck")


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (HEALTHY, HEALTHY),
        (Health(OK, 2, None, "No luck"), HEALTHY),
        (Health(SAFE, 9, after(30), "No luck"), HEALTHY),
        (Health(PAUSED, 2, after(-1), WAIT), HEALTHY),
        (Health(PAUSED, 2, after(30), WAIT), Health(PAUSED, 0, after(30), WAIT)),
    ],
)
def test_success(health: Health, expected: Health) -> None:
    assert after_success(health, NOON) == expected


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (HEALTHY, Admission.GO),
        (Health(OK, 2, None, ""), Admission.GO),
        (Health(PAUSED, 0, after(1), ""), Admission.WAIT),
        (Health(PAUSED, 0, NOON, ""), Admission.GO),
        (Health(SAFE, 3, after(1), ""), Admission.REFUSED),
        (Health(SAFE, 3, NOON, ""), Admission.PROBE),
        (Health(SAFE, 3, None, ""), Admission.PROBE),
    ],
)
def test_admission(health: Health, expected: Admission) -> None:
    assert admission_of(health, NOON) is expected


def test_pauses_double_up_to_a_limit() -> None:
    pauses = [pause_after(failures, 3, None) for failures in range(3, 10)]
    assert pauses == [15, 30, 60, 120, 240, 300, 300]
    assert pause_after(4_000_000_000, 1, None) == 300


def test_what_was_under_way_before_safe_mode_does_not_lengthen_it() -> None:
    health = failed(Health(OK, 2, None, ""), "timeout")
    for _ in range(10):
        health = failed(health, "timeout")
    assert health == Health(SAFE, 3, after(15), "No luck")


def test_failed_probe_doubles_the_pause() -> None:
    health = failed(with_probe(Health(SAFE, 3, NOON, ""), NOON, 65), "timeout")
    assert health == Health(SAFE, 4, after(30), "No luck")


@pytest.fixture
def profile(db: None) -> AnalystProfile:
    return ModelProfileFactory.create(safe_mode_after=3, timeout_s=20)


def fail(profile: AnalystProfile, code: str, times: int = 1) -> None:
    for _ in range(times):
        health_failure(profile, code, "No luck", NOON)


def test_unknown_server_is_asked(profile: AnalystProfile) -> None:
    health_admit(profile, NOON)
    assert AnalystHealth.objects.get(profile=profile).state == OK


def test_safe_mode_refuses_and_says_why(profile: AnalystProfile) -> None:
    fail(profile, "timeout", 2)
    health_admit(profile, NOON)
    fail(profile, "timeout")
    with pytest.raises(AnalystPaused, match=r"safe mode.*12:00:15 UTC.*No luck"):
        health_admit(profile, after(14))


def test_safe_mode_lets_one_probe_through_and_ends_with_its_success(
    profile: AnalystProfile,
) -> None:
    fail(profile, "timeout", 3)
    health_admit(profile, after(15))
    with pytest.raises(AnalystPaused):
        health_admit(profile, after(15))
    health_success(profile, after(18))
    health_admit(profile, after(18))
    row = AnalystHealth.objects.get(profile=profile)
    assert (row.state, row.failures, row.open_until, row.reason) == (OK, 0, None, "")
    assert (row.last_ok_at, row.changed_at) == (after(18), after(18))


def test_lost_probe_is_followed_by_another(profile: AnalystProfile) -> None:
    fail(profile, "timeout", 3)
    health_admit(profile, after(15))
    with pytest.raises(AnalystPaused):
        health_admit(profile, after(39))
    health_admit(profile, after(40))


def test_pause_is_waited_for_in_the_queue(profile: AnalystProfile) -> None:
    health_failure(profile, "rate_limited", "Slow", NOON, 60)
    health_admit(profile, after(59.8))
    started = time.monotonic()
    with queue_for(profile).turn(started + 5):
        assert time.monotonic() - started >= 0.15


def test_whoever_waits_is_sent_away_by_safe_mode(profile: AnalystProfile) -> None:
    queue = queue_for(profile)
    queue.resize(1)
    told: list[str] = []

    def wait() -> None:
        try:
            with queue.turn(time.monotonic() + 10):
                told.append("went")
        except AnalystPaused as paused:
            told.append(str(paused))

    profile.max_concurrency = 1
    with queue.turn(time.monotonic() + 10):
        waiter = threading.Thread(target=wait)
        waiter.start()
        while not queue._waiting:
            time.sleep(0.005)
        fail(profile, "authentication")
        waiter.join(5)
    assert len(told) == 1
    assert "Check the API key" in told[0]


def at_once(action: Callable[[], None], count: int) -> None:
    """Run ``action`` in as many threads, all starting together."""
    barrier = threading.Barrier(count)

    def run() -> None:
        try:
            barrier.wait()
            action()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_the_probe() -> None:
    profile = ModelProfileFactory.create(safe_mode_after=1)
    fail(profile, "timeout")
    through: list[bool] = []

    def admit() -> None:
        try:
            health_admit(profile, after(60))
            through.append(True)
        except AnalystPaused:
            through.append(False)

    at_once(admit, 8)
    assert sorted(through) == [False] * 7 + [True]


@pytest.mark.django_db(transaction=True)
def test_no_failure_is_lost_among_many_at_once() -> None:
    profile = ModelProfileFactory.create(safe_mode_after=100)
    at_once(lambda: fail(profile, "timeout", 3), 8)
    assert AnalystHealth.objects.get(profile=profile).failures == 24


@pytest.mark.django_db(transaction=True)
def test_of_many_pauses_at_once_the_longest_is_kept() -> None:
    profile = ModelProfileFactory.create()
    asked = iter(range(10, 90, 10))

    def pause() -> None:
        health_failure(profile, "rate_limited", "Slow", NOON, next(asked))

    at_once(pause, 8)
    assert AnalystHealth.objects.get(profile=profile).open_until == after(80)
