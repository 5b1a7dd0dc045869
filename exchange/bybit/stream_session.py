"""What is asked on one connection of a stream, and whether the answers have come."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exchange.bybit.socket import BybitSocket, SocketBroken

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Request:
    op: str
    topics: tuple[str, ...]
    due_s: float


class Session:
    """Requests on ``socket`` that wait for their answer. Times are monotonic seconds.

    ``accepted`` are the topics that Bybit confirmed, ``refused`` those it did not; a connection
    that has no topic at all because the first were refused is broken.
    """

    def __init__(self, socket: BybitSocket, reply_s: float) -> None:
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        self._asked: set[str] = set()
        self._socket = socket
        self._reply_s = reply_s
        self._waiting: dict[str, _Request] = {}
        self._numbers = itertools.count(1)

    @property
    def settled(self) -> bool:
        """Everything that was asked has been answered."""
        return not self._waiting

    def authenticate(self, arguments: Sequence[Any], now_s: float) -> None:
        self._ask("auth", list(arguments), (), now_s)

    def subscribe(self, topics: set[str], now_s: float) -> None:
        """Ask for those of ``topics`` that were not asked for yet, one request per symbol, so that
        one that Bybit does not know can't keep the others out."""
        by_symbol: dict[str, list[str]] = {}
        for topic in sorted(topics - self._asked):
            by_symbol.setdefault(topic.rpartition(".")[2] if "." in topic else "", []).append(topic)
        for group in by_symbol.values():
            self._asked.update(group)
            self._ask("subscribe", group, tuple(group), now_s)

    def answer(self, frame: Frame) -> tuple[str, ...]:
        """Take an answer; the topics that it confirmed. ``SocketBroken`` for a refusal."""
        request = self._take(frame)
        if request is None:
            return ()
        if frame.get("success") is not False:
            self.accepted.update(request.topics)
            return request.topics
        if request.op == "subscribe" and (self.accepted or self._waiting):
            self.refused.update(request.topics)
            return ()
        reason = str(frame.get("ret_msg") or frame.get("retMsg") or "no reason given")[:120]
        raise SocketBroken(f"{request.op} was refused: {reason}")

    def check(self, now_s: float) -> None:
        """``SocketBroken`` when an answer is overdue."""
        for request in self._waiting.values():
            if now_s > request.due_s:
                raise SocketBroken(f"no answer to {request.op}")

    def _ask(self, op: str, arguments: list[Any], topics: tuple[str, ...], now_s: float) -> None:
        request_id = f"{op}-{next(self._numbers)}"
        self._waiting[request_id] = _Request(op, topics, now_s + self._reply_s)
        self._socket.send({"req_id": request_id, "op": op, "args": arguments})

    def _take(self, frame: Frame) -> _Request | None:
        """The request that is answered; where Bybit leaves the id out, the oldest of its kind."""
        request_id = str(frame.get("req_id") or "")
        if request_id not in self._waiting:
            same_op = (
                key for key, request in self._waiting.items() if request.op == frame.get("op")
            )
            request_id = next(same_op, "") if not request_id else ""
        return self._waiting.pop(request_id, None)
