"""When a profile's server is asked and when it is left alone: decisions only, no rows.

Too many failures in a row lead to safe mode, a wrong key or request at once. Safe mode lets one
probe through after each pause, and the pauses grow; any success ends it. Being told to wait (429)
is a pause and not a failure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from analysis.choices import HealthState

FIRST_PAUSE_S = 15.0
LONGEST_PAUSE_S = 300.0
# After a 429 that does not say how long.
RATE_PAUSE_S = 5.0
REASON_LENGTH = 300

# What nobody can wait out, with what to do about it.
REMEDIES = {
    "authentication": "Check the API key of the profile and the account behind it.",
    "bad_request": "Check address, model name and interface of the profile.",
}


@dataclass(frozen=True, slots=True)
class Health:
    """``failures`` in a row; in safe mode a probe counts as one from when it is let through."""

    state: HealthState
    failures: int
    open_until: datetime | None
    reason: str


HEALTHY = Health(HealthState.OK, 0, None, "")


class Admission(Enum):
    GO = "go"
    WAIT = "wait"
    PROBE = "probe"
    REFUSED = "refused"


def admission_of(health: Health, now: datetime) -> Admission:
    waits = health.open_until is not None and now < health.open_until
    if health.state is HealthState.SAFE:
        return Admission.REFUSED if waits else Admission.PROBE
    return Admission.WAIT if health.state is HealthState.PAUSED and waits else Admission.GO


def with_probe(health: Health, now: datetime, probe_s: float) -> Health:
    """One probe is let through; the next may follow only when this one can't come back."""
    return replace(
        health, failures=health.failures + 1, open_until=now + timedelta(seconds=probe_s)
    )


def after_success(health: Health, now: datetime) -> Health:
    """Healthy again; a pause the server asked for is still kept."""
    if admission_of(health, now) is Admission.WAIT:
        return replace(health, failures=0)
    return HEALTHY


def after_failure(
    health: Health,
    code: str,
    message: str,
    now: datetime,
    *,
    safe_mode_after: int,
    retry_after_s: float | None = None,
) -> Health:
    if code == "rate_limited":
        return _told_to_wait(health, now, RATE_PAUSE_S if retry_after_s is None else retry_after_s)
    reason = f"{REMEDIES.get(code, '')} {message}".strip()[:REASON_LENGTH]
    # In safe mode the failure was counted when the probe was let through; what else comes in was
    # sent before, and must not make the pauses longer.
    failures = health.failures + (health.state is not HealthState.SAFE)
    if code in REMEDIES:
        failures = max(failures, safe_mode_after)
    if failures < safe_mode_after and health.state is not HealthState.SAFE:
        return replace(health, failures=failures, reason=reason)
    pause_s = pause_after(failures, safe_mode_after, retry_after_s)
    return Health(HealthState.SAFE, failures, now + timedelta(seconds=pause_s), reason)


def pause_after(failures: int, safe_mode_after: int, retry_after_s: float | None) -> float:
    """Seconds of safe mode before the next probe: twice as long after each failed one."""
    doublings = min(max(failures - safe_mode_after, 0), 10)
    pause_s = min(FIRST_PAUSE_S * 2.0**doublings, LONGEST_PAUSE_S)
    return max(pause_s, retry_after_s or 0.0)


def _told_to_wait(health: Health, now: datetime, pause_s: float) -> Health:
    until = now + timedelta(seconds=pause_s)
    if health.state is HealthState.SAFE:
        return replace(health, open_until=until)
    if health.open_until is not None:
        until = max(until, health.open_until)
    return Health(HealthState.PAUSED, health.failures, until, "The server asked for a pause.")
