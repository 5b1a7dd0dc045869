"""Bybit's two streams: what happens on an account, and what happens on the market."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from exchange.bybit.stream_pace import ConnectBudget, Timing
from exchange.bybit.stream_queue import PRIVATE_LIMIT, PUBLIC_LIMIT, PrivateQueue, PublicQueue
from exchange.bybit.stream_session import Session
from exchange.bybit.stream_supervisor import OnState, StreamBatch, SupervisedStream
from exchange.bybit.stream_topics import PERIODS_S, TopicWatch
from exchange.ports import Clock

if TYPE_CHECKING:
    from exchange.bybit.rest import Credentials
    from exchange.bybit.server_time import ServerTime

__all__ = ["PrivateStream", "PublicStream", "StreamBatch"]

PRIVATE_TOPICS = frozenset({"order", "execution", "position", "wallet"})
AUTH_VALID_MS = 10_000


class PrivateStream(SupervisedStream):
    """Orders, executions, positions and the wallet of one account.

    Nothing that was received is ever dropped: where nobody takes the messages, the stream stops
    reading at ``limit`` of them and opens again, which ``opened`` tells, once there is room.
    """

    _name = "private"

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        server_time: ServerTime,
        *,
        clock: Clock,
        on_state: OnState | None = None,
        timing: Timing = Timing(),  # noqa: B008 - a frozen value
        budget: ConnectBudget | None = None,
        limit: int = PRIVATE_LIMIT,
    ) -> None:
        super().__init__(
            url,
            PrivateQueue(limit),
            clock=clock,
            on_state=on_state,
            timing=timing,
            budget=budget,
            topics=TopicWatch(),
        )
        self._credentials = credentials
        self._server_time = server_time

    def _authenticate(self, session: Session, now_s: float) -> None:
        expires = self._server_time.now_ms() + AUTH_VALID_MS
        signature = hmac.new(
            self._credentials.api_secret.encode(),
            f"GET/realtime{expires}".encode(),
            hashlib.sha256,
        ).hexdigest()
        session.authenticate([self._credentials.api_key, expires, signature], now_s)

    def _wanted(self) -> set[str]:
        return set(PRIVATE_TOPICS)


class PublicStream(SupervisedStream):
    """Prices of the topics that are watched, such as "tickers.BTCUSDT" and "kline.1.BTCUSDT".

    ``periods_s`` says per kind of topic how many seconds may lie between two messages.
    """

    _name = "public"

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        on_state: OnState | None = None,
        timing: Timing = Timing(),  # noqa: B008 - a frozen value
        budget: ConnectBudget | None = None,
        periods_s: Mapping[str, float] = PERIODS_S,
        limit: int = PUBLIC_LIMIT,
    ) -> None:
        super().__init__(
            url,
            PublicQueue(limit),
            clock=clock,
            on_state=on_state,
            timing=timing,
            budget=budget,
            topics=TopicWatch(periods_s),
        )
        self._watched: set[str] = set()
        self._watched_lock = threading.Lock()

    def watch(self, topics: Iterable[str]) -> None:
        """Subscribe these too, now or as soon as the stream is open."""
        with self._watched_lock:
            self._watched = self._watched | set(topics)

    def _authenticate(self, session: Session, now_s: float) -> None:
        """Prices need no key."""

    def _wanted(self) -> set[str]:
        return self._watched
