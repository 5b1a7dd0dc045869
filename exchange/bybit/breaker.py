"""The circuit breaker before the venue: values in, values out. Times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

THRESHOLD = 5
FIRST_PAUSE_S = 1.0
# Short enough to be back within five seconds of the venue's return.
LONGEST_PAUSE_S = 2.0
# Bybit lifts a ban of an address ten minutes after the last request, not before.
BAN_S = 600.0 + LONGEST_PAUSE_S


@dataclass(frozen=True, slots=True)
class Circuit:
    """``failures`` in a row; open while ``pause_s`` > 0, and let one through at ``open_until``.

    ``banned``: the venue refuses this address, so not even protective calls may leave.
    """

    failures: int = 0
    pause_s: float = 0.0
    open_until: float = 0.0
    banned: bool = False

    @property
    def is_open(self) -> bool:
        return self.pause_s > 0


CLOSED = Circuit()


def remaining_s(circuit: Circuit, now: float) -> float:
    """How long the circuit still holds calls back."""
    return max(0.0, circuit.open_until - now) if circuit.is_open else 0.0


def admit(circuit: Circuit, now: float, *, protective_write: bool) -> tuple[bool, Circuit]:
    """Whether a call may leave, and the circuit after that decision.

    When the pause is over one call probes; the next follows only after another pause or a success.
    """
    if not circuit.is_open or (protective_write and not circuit.banned):
        return True, circuit
    if now < circuit.open_until:
        return False, circuit
    # A probe that is never heard of again must not close the door for ever.
    pause = min(circuit.pause_s, LONGEST_PAUSE_S)
    return True, Circuit(circuit.failures, pause, now + pause)


def after_success(circuit: Circuit) -> Circuit:
    """The venue answered. A ban stays: the answer was on its way when it began."""
    return circuit if circuit.banned else CLOSED


def after_failure(circuit: Circuit, now: float, *, silent: bool = False) -> Circuit:
    """No answer, or none that the venue would give. ``silent``: nor did any other call get one for
    longer than can be chance, so the next ones should not wait for it in vain."""
    failures = circuit.failures + 1
    if circuit.banned or (failures < THRESHOLD and not silent):
        return replace(circuit, failures=failures)
    pause = min(circuit.pause_s * 2 or FIRST_PAUSE_S, LONGEST_PAUSE_S)
    return Circuit(failures, pause, now + pause)


def after_ban(circuit: Circuit, now: float) -> Circuit:
    """The venue refuses this address: nothing leaves for ten minutes."""
    return Circuit(circuit.failures + 1, BAN_S, now + BAN_S, banned=True)


def restored(left_s: float, now: float) -> Circuit:
    """The circuit at a start, from how long the stored one was still to be open.

    Only a ban outlives a process; after any other pause the first call simply tries. A stored time
    beyond a whole ban comes from a clock that was wrong, and counts as one.
    """
    if left_s <= LONGEST_PAUSE_S:
        return CLOSED
    return Circuit(0, BAN_S, now + min(left_s, BAN_S), banned=True)
