"""The line between product and simulated venue, and every way in which it breaks down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tests.crash.proxy import FaultProxy

REST, PRIVATE, PUBLIC = "REST", "private socket", "public socket"
LINES = (REST, PRIVATE, PUBLIC)
TOGETHER = "all"
TARGETS = (*LINES, TOGETHER)
SETTINGS = {
    REST: "BYBIT_REST_URL",
    PRIVATE: "BYBIT_WS_PRIVATE_URL",
    PUBLIC: "BYBIT_WS_PUBLIC_URL",
}
SOCKETS = {PRIVATE: "ws:private", PUBLIC: "ws:public"}
Fault = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to break down. ``tcp`` are faults of the proxy on any line; ``rest`` and ``socket``
    knobs of the simulator, where there are such.

    ``passing``: single connections work for a moment while it lasts, so that the trader may
    rightly trust them meanwhile. ``beside``: sockets still tell all there is to tell, the fault
    comes beside it; each frame of it is a reason to ask REST.
    """

    name: str
    tcp: Mapping[str, Any] = field(default_factory=dict)
    rest: tuple[Fault, ...] = ()
    socket: tuple[Fault, ...] = ()
    passing: bool = False
    beside: bool = False

    def concerns(self, target: str) -> bool:
        """Whether this kind exists there."""
        if self.tcp:
            return True
        on_rest, on_sockets = bool(self.rest), bool(self.socket)
        return {REST: on_rest, TOGETHER: on_rest and on_sockets}.get(target, on_sockets)


KINDS = (
    Kind("refused", {"refuse": True}),
    Kind("black hole", {"blackhole": True}),
    Kind("half open", {"half_open": True}),
    Kind("reset", {"rst": True}),
    Kind(
        "5xx",
        rest=(("status", {"status": 503}),),
        socket=(("refuse", {"status": 502}), ("close", {})),
    ),
    Kind("html", rest=(("html", {"applied": False}),)),
    Kind("garbage", rest=(("truncated", {}),), socket=(("garbage", {}),), passing=True),
    Kind(
        "parse error",
        rest=(("empty", {}),),
        socket=(("unreadable", {}),),
        passing=True,
        beside=True,
    ),
    # Accepted, and not a word: on sockets not even a pong.
    Kind("silent", rest=(("drop_before", {}),), socket=(("silent", {}),), passing=True),
    # The socket lives and answers pings; only the messages are missing.
    Kind("mute", socket=(("gap", {}),), passing=True),
)


class Line:
    """A proxy before each of the venue's three addresses; breaks and mends them."""

    def __init__(self) -> None:
        self._proxies: dict[str, FaultProxy] = {}
        self._url = ""

    def through(self, ends: ExitStack, url: str) -> dict[str, str]:
        """Stand between the product and the simulator at ``url``; the settings that lead here."""
        self._url = url
        port = urlsplit(url).port or 80
        for name in LINES:
            self._proxies[name] = ends.enter_context(FaultProxy(("127.0.0.1", port)))
        return {
            setting: f"{'http' if name == REST else 'ws'}://127.0.0.1:{self._proxies[name].port}"
            for name, setting in SETTINGS.items()
        }

    def break_down(self, target: str, kind: Kind) -> None:
        """From now on ``target`` suffers ``kind``."""
        for name in LINES if target == TOGETHER else (target,):
            if kind.tcp:
                self._proxies[name].spoil(**kind.tcp)
                continue
            endpoint = SOCKETS.get(name, "*")
            for fault, arguments in kind.rest if name == REST else kind.socket:
                knob = {"endpoint": endpoint, "fault": fault, "times": -1, **arguments}
                self._control("POST", "knob", knob)

    def mend(self) -> None:
        """All is well again."""
        for proxy in self._proxies.values():
            proxy.heal()
        self._control("DELETE", "knobs")

    def _control(self, method: str, act: str, content: Mapping[str, Any] | None = None) -> None:
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self._url}/__sim/{act}", data=body, method=method)
        with urlopen(request, timeout=10) as answer:
            answer.read()
