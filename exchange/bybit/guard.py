"""What may leave now: the circuit breaker and the refusals of key, account and region."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import timedelta

from exchange.bybit import breaker
from exchange.bybit.breaker import Circuit
from exchange.bybit.endpoints import Endpoint, Priority
from exchange.bybit.link import Link
from exchange.bybit.refusals import AddressRefused, CircuitPaused, ban_sentence
from exchange.choices import LinkState
from exchange.errors import ExchangeError, ExchangeHalted, OrderNotSent
from exchange.ports import Clock

# While a person must act, one read a minute finds out whether they have.
HALTED_READ_EVERY_S = 60.0
# A refusal of trading is not taken back by reads; after this an entry may try again.
HALTED_WRITE_S = 600.0
# Where somebody asks at least every 1.5 s, this long without an answer is a breakdown.
SILENT_AFTER_S = 2.5
# So many failures in a row are a doubt before they open the circuit.
UNHEARD = 2


@dataclass(slots=True)
class _Halt:
    """Refused with ``sentence`` at the monotonic second ``since``."""

    sentence: str
    endpoint: Endpoint
    since: float
    last_read: float


class Guard:
    """Admits calls and learns from their ends; thread-safe. Tells ``link`` what changes."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self._clock = clock
        self._link = link
        self._lock = threading.Lock()
        self._halt: _Halt | None = None
        self._heard_at: float | None = None
        self._circuit = breaker.CLOSED
        stored = link.stored_open_until()
        if stored is not None:
            left_s = (stored - clock.now()).total_seconds()
            self._circuit = breaker.restored(left_s, clock.monotonic())
            if self._circuit.is_open:
                self._tell_open(self._circuit)

    @property
    def circuit(self) -> Circuit:
        with self._lock:
            return self._circuit

    @property
    def halted(self) -> str:
        """The sentence a person must act on, or empty."""
        with self._lock:
            halt = self._halt_now()
            return halt.sentence if halt is not None else ""

    @property
    def state(self) -> LinkState:
        if self.halted:
            return LinkState.HALTED
        circuit = self.circuit
        if circuit.is_open:
            return LinkState.OPEN
        return LinkState.DEGRADED if circuit.failures else LinkState.OK

    def doubts(self) -> tuple[str, ...]:
        """Reasons to send no entry now."""
        refusal = self._refusal(self.circuit)
        told = (self.halted, str(refusal) if refusal else self._silence())
        return tuple(each for each in told if each)

    def listen(self) -> float:
        """Seconds since the venue last answered. From the first call on, silence is a doubt."""
        now = self._clock.monotonic()
        with self._lock:
            if self._heard_at is None:
                self._heard_at = now
                return math.inf
            return now - self._heard_at

    def admit_read(self, endpoint: Endpoint) -> None:
        """Raises ``ExchangeHalted`` or ``CircuitPaused`` where a read may not leave now."""
        now = self._clock.monotonic()
        with self._lock:
            halt = self._halt_now()
            if halt is not None and self._concerns(halt, endpoint):
                if now - halt.last_read < HALTED_READ_EVERY_S:
                    raise ExchangeHalted(halt.sentence)
                halt.last_read = now
            if self._is_silent(now) and not self._circuit.is_open:
                # Others wait for an answer in vain already; one at a time is enough.
                self._circuit = breaker.after_failure(self._circuit, now, silent=True)
            self._pass_circuit(now, protective_write=False)

    def admit_write(self, priority: Priority) -> None:
        """Raises ``OrderNotSent`` where a write may not leave now. Protective ones always try,
        except while the venue refuses this address."""
        protective = priority is Priority.PROTECT
        with self._lock:
            halt = self._halt_now()
            if halt is not None and not protective:
                raise OrderNotSent(f"Not sent. {halt.sentence}")
            try:
                self._pass_circuit(self._clock.monotonic(), protective_write=protective)
            except ExchangeError as refusal:
                raise OrderNotSent(f"Not sent. {refusal}") from None

    def heard(self) -> None:
        """The venue itself spoke, whatever it said."""
        with self._lock:
            if self._heard_at is not None:
                self._heard_at = self._clock.monotonic()

    def answered(self, endpoint: Endpoint, *, good: bool) -> None:
        """The venue itself answered this call; ``good`` if it also did what was asked."""
        with self._lock:
            self._circuit = breaker.after_success(self._circuit)
            halt = self._halt_now()
            if good and halt is not None and self._concerns(halt, endpoint):
                self._halt = halt = None
            sentence = halt.sentence if halt is not None else ""
            closed = not self._circuit.is_open
        self._link.note_halt(sentence)
        if closed:
            self._link.note_success()

    def failed(self, reason: str) -> None:
        """No answer came, or none that the venue would give."""
        now = self._clock.monotonic()
        with self._lock:
            silent = self._is_silent(now)
            self._circuit = circuit = breaker.after_failure(self._circuit, now, silent=silent)
        self._link.note_failure(reason)
        if circuit.is_open:
            self._tell_open(circuit, reason)

    def banned(self) -> None:
        """The venue refuses this address."""
        with self._lock:
            self._circuit = circuit = breaker.after_ban(self._circuit, self._clock.monotonic())
        self._link.note_failure("HTTP 403")
        self._tell_open(circuit)

    def halt(self, sentence: str, endpoint: Endpoint) -> None:
        """The venue refuses the key, the account or the region until a person acts."""
        now = self._clock.monotonic()
        with self._lock:
            self._circuit = breaker.after_success(self._circuit)
            self._halt = _Halt(sentence, endpoint, since=now, last_read=now)
        self._link.note_halt(sentence)

    def _is_silent(self, now: float) -> bool:
        return self._heard_at is not None and now - self._heard_at > SILENT_AFTER_S

    def _silence(self) -> str:
        with self._lock:
            heard_at, failures = self._heard_at, self._circuit.failures
        if heard_at is None:
            return ""
        silence_s = self._clock.monotonic() - heard_at
        if silence_s > SILENT_AFTER_S or failures >= UNHEARD:
            return f"Bybit's REST interface has not answered for {silence_s:.0f} s."
        return ""

    def _halt_now(self) -> _Halt | None:
        halt = self._halt
        of_write = halt is not None and halt.endpoint.call.write
        if halt and of_write and self._clock.monotonic() - halt.since > HALTED_WRITE_S:
            self._halt = None
        return self._halt

    @staticmethod
    def _concerns(halt: _Halt, endpoint: Endpoint) -> bool:
        """A refused key does not keep anybody from public prices, a refused region does."""
        if halt.endpoint.call.write:
            return endpoint.call.write
        return endpoint.call.private or not halt.endpoint.call.private

    def _pass_circuit(self, now: float, *, protective_write: bool) -> None:
        admitted, self._circuit = breaker.admit(
            self._circuit, now, protective_write=protective_write
        )
        if not admitted:
            refusal = self._refusal(self._circuit)
            raise refusal or CircuitPaused("The connection to Bybit pauses.")

    def _refusal(self, circuit: Circuit) -> ExchangeError | None:
        if not circuit.is_open:
            return None
        left_s = breaker.remaining_s(circuit, self._clock.monotonic())
        if circuit.banned:
            return AddressRefused(ban_sentence(left_s / 60))
        return CircuitPaused(f"Bybit does not answer; the next try is in {left_s:.0f} s.")

    def _tell_open(self, circuit: Circuit, reason: str = "") -> None:
        left_s = breaker.remaining_s(circuit, self._clock.monotonic())
        self._link.open_until(
            self._clock.now() + timedelta(seconds=left_s),
            reason or ban_sentence(left_s / 60),
        )
