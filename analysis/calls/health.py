"""How a profile's server is doing, for all processes: the rows behind the breaker.

Rows change only where they still say what was decided upon, so that of two processes one lets the
probe through and no failure is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from analysis.calls.breaker import (
    LONGEST_PAUSE_S,
    Admission,
    Health,
    admission_of,
    after_failure,
    after_success,
    with_probe,
)
from analysis.calls.queue import queue_for
from analysis.choices import HealthState
from analysis.errors import AnalystPaused, AnalystUnavailable
from analysis.models import AnalystHealth, AnalystProfile

# A lost race means that another one got on; so many in a row do not happen.
MOST_RACES = 200
# Beside the time a probe may take for its answer: when its process died, another follows then.
PROBE_MARGIN_S = 5.0


def health_admit(profile: AnalystProfile, now: datetime) -> None:
    """Let a call on to the queue. Raises ``AnalystPaused`` in safe mode, save for one probe after
    each of its pauses.

    A pause that the server asked for is no refusal: it is made known to the queue of this process,
    in which the call waits for it as far as its deadline allows.
    """
    for _ in range(MOST_RACES):
        health = _health_of(profile)
        admission = admission_of(health, now)
        if admission is Admission.REFUSED:
            raise AnalystPaused(_refusal(profile, health))
        if admission is Admission.WAIT and health.open_until is not None:
            queue_for(profile).pause_for((health.open_until - now).total_seconds())
        if admission is not Admission.PROBE:
            return
        probe_s = min(profile.timeout_s + PROBE_MARGIN_S, LONGEST_PAUSE_S)
        probed = with_probe(health, now, probe_s)
        if _move(profile, health, probed, now):
            return
    raise AnalystUnavailable(f"The state of {profile.name} keeps changing.")


def health_success(profile: AnalystProfile, now: datetime) -> None:
    """An answer came: failures in a row are over."""
    _change(profile, lambda health: after_success(health, now), now, last_ok_at=now)


def health_failure(
    profile: AnalystProfile,
    code: str,
    message: str,
    now: datetime,
    retry_after_s: float | None = None,
) -> None:
    """No answer came. Where this leads into safe mode, whoever waits for a turn is sent away."""

    def decide(health: Health) -> Health:
        return after_failure(
            health,
            code,
            message,
            now,
            safe_mode_after=profile.safe_mode_after,
            retry_after_s=retry_after_s,
        )

    before, after = _change(profile, decide, now)
    if after.state is HealthState.SAFE and before.state is not HealthState.SAFE:
        queue_for(profile).dismiss(_refusal(profile, after))


def _change(
    profile: AnalystProfile,
    decide: Callable[[Health], Health],
    now: datetime,
    last_ok_at: datetime | None = None,
) -> tuple[Health, Health]:
    for _ in range(MOST_RACES):
        before = _health_of(profile)
        after = decide(before)
        if _move(profile, before, after, now, last_ok_at):
            return before, after
    raise AnalystUnavailable(f"The state of {profile.name} keeps changing.")


def _health_of(profile: AnalystProfile) -> Health:
    row = AnalystHealth.objects.filter(profile=profile).first()
    if row is None:
        row, _ = AnalystHealth.objects.get_or_create(profile=profile)
    return Health(HealthState(row.state), row.failures, row.open_until, row.reason)


def _move(
    profile: AnalystProfile,
    before: Health,
    after: Health,
    now: datetime,
    last_ok_at: datetime | None = None,
) -> bool:
    """Store ``after`` if the row still says ``before``."""
    seen = {"last_ok_at": last_ok_at} if last_ok_at is not None else {}
    moved = AnalystHealth.objects.filter(
        profile=profile,
        state=before.state,
        failures=before.failures,
        open_until=before.open_until,
    ).update(
        state=after.state,
        failures=after.failures,
        open_until=after.open_until,
        reason=after.reason,
        changed_at=now,
        **seen,
    )
    return moved == 1


def _refusal(profile: AnalystProfile, health: Health) -> str:
    until = f"{health.open_until:%H:%M:%S}" if health.open_until else "now"
    return f"{profile.name} is in safe mode, next probe from {until} UTC: {health.reason}"[:300]
