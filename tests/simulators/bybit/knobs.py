"""Faults on order: what goes wrong, where, how often, for whom.

A REST fault (``Knob.endpoint`` a path, "*" or a path ending in "*"), with its arguments:

    delay ms              the request arrives late
    drop_before           it never arrives; drop_after: it does, the answer is lost
    reset applied         the connection is reset, after the work if ``applied``
    status status applied an HTTP error (502); html, truncated, empty: a garbled answer
                          (``applied`` is False for status and reset, True for the garbled ones)
    retcode code message applied   an answer with this code (10016), the work done if ``applied``
    rate_limited          10006, not done
    slow_answer ms        done at once, answered late
    lag_read ms           a read that does not yet know the last ``ms``
    sl_ignored            the stop-loss of the request is silently left out

A WebSocket fault (endpoint "ws:private" or "ws:public"):

    refuse status         the handshake is answered 502; blackhole: it is never answered
    auth_fail             the auth request is refused
    silent                the connection stays open and says nothing more, pongs included
    close code, reset     the connection ends with a close frame, or with an RST
    garbage, unknown_topic  an extra frame nobody can use
    unreadable            an extra message of a topic, with values nobody can read
    duplicate, gap        a message is sent twice, or never
    reorder               a message is sent after the one that follows it
    delay ms, late ms     messages come later: all that follow wait too, or only this one
    execution_first       the executions of a match are told before its orders
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OUTCOMES = (
    "drop_before",
    "drop_after",
    "reset",
    "status",
    "html",
    "truncated",
    "empty",
    "retcode",
    "rate_limited",
)
REST_FAULTS = (*OUTCOMES, "delay", "slow_answer", "lag_read", "sl_ignored")
HANDSHAKE_FAULTS = ("refuse", "blackhole")
CONNECTION_FAULTS = ("silent", "close", "reset", "garbage", "unknown_topic", "unreadable")
MESSAGE_FAULTS = ("duplicate", "gap", "reorder", "delay", "late", "execution_first")
WS_FAULTS = (*HANDSHAKE_FAULTS, "auth_fail", *CONNECTION_FAULTS, *MESSAGE_FAULTS)
FOR_EVER = -1


@dataclass(slots=True)
class Knob:
    """One fault: ``times`` left (-1 for ever), at this ``rate``, where every ``match`` is equal."""

    endpoint: str
    fault: str
    times: int = 1
    match: dict[str, str] = field(default_factory=dict)
    rate: float = 1.0
    args: dict[str, Any] = field(default_factory=dict)

    def fits(self, endpoint: str, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it concerns this endpoint and one of these rows (a request is one row)."""
        if not (self.endpoint == endpoint or self._covers(endpoint)):
            return False
        if not self.match:
            return True
        return any(
            all(str(row.get(name, "")) == value for name, value in self.match.items())
            for row in rows
        )

    def _covers(self, endpoint: str) -> bool:
        return (
            self.endpoint.endswith("*")
            and not endpoint.startswith("ws:")
            and endpoint.startswith(self.endpoint[:-1])
        )


class Knobs:
    """The faults in force. Thread-safe; the same seed and the same calls give the same faults."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._knobs: list[Knob] = []
        self._lock = threading.Lock()

    def add(
        self,
        endpoint: str,
        fault: str,
        *,
        times: int = 1,
        match: Mapping[str, Any] | None = None,
        rate: float = 1.0,
        **args: Any,
    ) -> Knob:
        """Order a fault. Raises ValueError for one that does not exist."""
        known = WS_FAULTS if endpoint.startswith("ws:") else REST_FAULTS
        if fault not in known:
            raise ValueError(f"no fault {fault!r} for {endpoint}; there are {', '.join(known)}")
        wanted = {name: str(value) for name, value in (match or {}).items()}
        knob = Knob(endpoint, fault, times, wanted, rate, args)
        with self._lock:
            self._knobs.append(knob)
        return knob

    def clear(self) -> None:
        """Take every fault back."""
        with self._lock:
            self._knobs.clear()

    def active(self) -> list[Knob]:
        """The faults not yet used up."""
        with self._lock:
            return [knob for knob in self._knobs if knob.times]

    def for_request(self, endpoint: str, params: Mapping[str, Any]) -> list[Knob]:
        """Use up what befalls this request: one outcome at most, and each modifier once."""
        chosen: list[Knob] = []
        with self._lock:
            for knob in self._knobs:
                taken = {"outcome" if each.fault in OUTCOMES else each.fault for each in chosen}
                kind = "outcome" if knob.fault in OUTCOMES else knob.fault
                if kind not in taken and self._strikes(knob, endpoint, [params]):
                    chosen.append(knob)
            self._drop_used()
        return chosen

    def take(
        self, endpoint: str, faults: Iterable[str], rows: Sequence[Mapping[str, Any]] = ()
    ) -> Knob | None:
        """Use up and give the first of these faults that strikes here."""
        wanted = tuple(faults)
        with self._lock:
            for knob in self._knobs:
                if knob.fault in wanted and self._strikes(knob, endpoint, rows):
                    self._drop_used()
                    return knob
        return None

    def take_standing(self, endpoint: str, faults: Iterable[str]) -> Knob | None:
        """Like ``take`` for faults that wait for no message: neither random nor matching one."""
        wanted = tuple(faults)
        with self._lock:
            for knob in self._knobs:
                waits = knob.rate < 1 or bool(knob.match)
                if knob.fault in wanted and not waits and self._strikes(knob, endpoint, ()):
                    self._drop_used()
                    return knob
        return None

    def low_rates(self, rate: float, seed: int, *, without: Iterable[str] = ()) -> None:
        """Every fault at a low random rate, drawn from ``seed``; ``without`` leaves some out."""
        self._random = random.Random(seed)
        left_out = set(without)
        for fault in REST_FAULTS:
            for args in _variants(fault):
                if fault not in left_out:
                    self.add("*", fault, times=FOR_EVER, rate=rate, **args)
        for endpoint in ("ws:private", "ws:public"):
            for fault in WS_FAULTS:
                if fault not in left_out:
                    self.add(endpoint, fault, times=FOR_EVER, rate=rate, **_socket_args(fault))

    def _strikes(self, knob: Knob, endpoint: str, rows: Sequence[Mapping[str, Any]]) -> bool:
        if not knob.times or not knob.fits(endpoint, rows):
            return False
        if knob.rate < 1 and self._random.random() >= knob.rate:
            return False
        if knob.times > 0:
            knob.times -= 1
        return True

    def _drop_used(self) -> None:
        self._knobs = [knob for knob in self._knobs if knob.times]


def _variants(fault: str) -> list[dict[str, Any]]:
    """The forms in which ``low_rates`` orders a REST fault."""
    if fault in ("reset", "html", "truncated", "empty"):
        return [{"applied": False}, {"applied": True}]
    if fault == "status":
        return [{"status": 502}, {"status": 503, "applied": True}, {"status": 429}]
    if fault == "retcode":
        return [{"code": 10000}, {"code": 10016, "applied": True}]
    if fault == "delay":
        return [{"ms": 700}, {"ms": 6_000}]
    return [{"ms": 5_000 if fault == "slow_answer" else 1_500}]


def _socket_args(fault: str) -> dict[str, Any]:
    return {"ms": 800} if fault in ("delay", "late") else {}
