"""What both of Bybit's streams have in common: one thread that keeps one connection healthy."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from exchange.bybit.socket import BybitSocket, FrameUnreadable, SocketBroken
from exchange.bybit.stream_pace import Backoff, ConnectBudget, Timing, budget_of
from exchange.bybit.stream_queue import MessageQueue
from exchange.bybit.stream_session import Frame, Session
from exchange.bybit.stream_topics import TopicWatch
from exchange.ports import Clock

logger = logging.getLogger(__name__)

TICK_S = 0.1
ROOM_POLL_S = 0.05
GARBAGE_LIMIT = 5
GARBAGE_SPAN_S = 60.0

OnState = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """What came since the last ``take``, in order. ``opened`` counts reasons to ask for everything
    anew: each successful (re)connect and each frame that could not be read."""

    messages: tuple[dict[str, Any], ...]
    opened: int


class SupervisedStream(ABC):
    """A connection that is opened, checked and opened again until ``stop``.

    Whatever ends it (refused, closed, silent, unanswered, unreadable) is noticed within five
    seconds, or twice the period of a topic that went quiet, and mended with growing pauses. The
    thread only reads and enqueues. Subclasses say what to authenticate and to subscribe.
    ``on_state`` hears "connecting", "ready", "lost" (with the reason) and "stopped".
    """

    _name = "stream"

    def __init__(
        self,
        url: str,
        queue: MessageQueue,
        *,
        clock: Clock,
        on_state: OnState | None,
        timing: Timing,
        budget: ConnectBudget | None,
        topics: TopicWatch,
    ) -> None:
        self._url = url
        self._host = urlsplit(url).netloc
        self._clock = clock
        self._on_state = on_state
        self._timing = timing
        self._budget = budget or budget_of(self._host)
        self._backoff = Backoff(timing.first_pause_s, timing.longest_pause_s)
        self._lock = threading.Lock()
        self._queue = queue
        self._opened = 0
        self._topics = topics
        self._refused: frozenset[str] = frozenset()
        self._reason = "it has not been opened yet"
        self._logged = ""
        self._heard_at = 0.0
        self._garbage: deque[float] = deque(maxlen=GARBAGE_LIMIT + 1)
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pinged_at = 0.0
        self._ready_at = 0.0

    def start(self) -> None:
        """Begin; does nothing where it runs already."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(
                target=self._run, name=f"bybit-{self._name}", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the connection and the thread; what was received can still be taken."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def take(self) -> StreamBatch:
        """Everything since the last call; never blocks."""
        with self._lock:
            opened, self._opened = self._opened, 0
            return StreamBatch(self._queue.take(), opened)

    def wait_ready(self, timeout_s: float) -> bool:
        """Whether everything was confirmed within ``timeout_s``."""
        return self._ready.wait(timeout_s)

    def doubts(self) -> tuple[str, ...]:
        """Sentences on why this stream can't be relied on now; never blocks."""
        now_s = self._clock.monotonic()
        with self._lock:
            if not self._ready.is_set():
                return (f"Bybit's {self._name} stream is not connected: {self._reason}.",)
            silence_s = now_s - self._heard_at
            if silence_s > self._timing.silent_after_s:
                return (f"Bybit's {self._name} stream has been silent for {silence_s:.0f} s.",)
            quiet = [
                f"Bybit's {self._name} stream has had no {topic} for {age_s:.0f} s."
                for topic, age_s in sorted(self._topics.quiet(now_s).items())
            ]
            refused = [
                f"Bybit's {self._name} stream refuses {topic}." for topic in sorted(self._refused)
            ]
        return (*quiet, *refused)

    @abstractmethod
    def _authenticate(self, session: Session, now_s: float) -> None:
        """Ask for what must be answered before anything is subscribed."""

    @abstractmethod
    def _wanted(self) -> set[str]:
        """Topics to be subscribed."""

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._one_connection()
                except SocketBroken as error:
                    self._lost(str(error))
                except Exception:
                    logger.exception("Bybit's %s stream failed", self._name)
                    self._lost("an error of our own")
                self._stopping.wait(self._backoff.pause())
        finally:
            self._lost("it was stopped", state="stopped")

    def _one_connection(self) -> None:
        if not self._may_connect():
            return
        self._tell("connecting", "")
        with closing(BybitSocket(self._url, deadline_s=self._timing.connect_s)) as socket:
            now_s = self._clock.monotonic()
            with self._lock:
                self._heard_at = self._pinged_at = now_s
                self._topics.begin()
            session = Session(socket, self._timing.reply_s)
            self._authenticate(session, now_s)
            while not self._stopping.is_set():
                self._one_tick(socket, session)

    def _may_connect(self) -> bool:
        """Wait for room in the queue and in the budget of connections; False when stopped."""
        while not self._stopping.is_set():
            with self._lock:
                full = self._queue.full
            pause_s = ROOM_POLL_S if full else self._budget.take(self._clock.monotonic())
            if pause_s <= 0:
                return True
            self._stopping.wait(pause_s)
        return False

    def _one_tick(self, socket: BybitSocket, session: Session) -> None:
        self._subscribe(session)
        frame, unreadable = None, ""
        try:
            frame = socket.receive(TICK_S)
        except FrameUnreadable as error:
            unreadable = str(error)
        now_s = self._clock.monotonic()
        if frame is not None or unreadable:
            with self._lock:
                self._heard_at = now_s
            unreadable = unreadable or self._understand(frame or {}, session, now_s)
        if unreadable:
            self._distrust(unreadable, now_s)
        session.check(now_s)
        self._ping(socket, now_s)
        self._check(session, now_s)

    def _subscribe(self, session: Session) -> None:
        """Topics are asked for once the stream is authenticated, and as they are added."""
        if session.settled or session.accepted:
            session.subscribe(self._wanted(), self._clock.monotonic())

    def _understand(self, frame: Frame, session: Session, now_s: float) -> str:
        """Act on a frame; the answer says what is wrong with it, empty if nothing is."""
        topic = frame.get("topic")
        if topic is not None:
            return self._message(str(topic), frame, session, now_s)
        if frame.get("op") in ("auth", "subscribe"):
            confirmed = session.answer(frame)
            with self._lock:
                self._topics.expect(confirmed, now_s)
                self._refused = frozenset(session.refused)
            return ""
        return "" if frame.get("op") in ("ping", "pong") else "a frame of no known kind"

    def _message(self, topic: str, frame: Frame, session: Session, now_s: float) -> str:
        if topic not in self._wanted():
            return f"a message on the unknown topic {topic[:40]!r}"
        if not isinstance(frame.get("data"), list | dict):
            return f"a message on {topic} without data"
        with self._lock:
            if self._queue.full:
                raise SocketBroken("its messages are not being taken")
            self._queue.put(frame)
            if topic in session.accepted:
                self._topics.heard(topic, now_s)
        return ""

    def _distrust(self, reason: str, now_s: float) -> None:
        """Something may have been missed. One such frame is a reason to compare, many to end."""
        logger.warning("Bybit's %s stream sent %s", self._name, reason)
        with self._lock:
            self._opened += 1
        self._garbage.append(now_s)
        if len(self._garbage) > GARBAGE_LIMIT and now_s - self._garbage[0] < GARBAGE_SPAN_S:
            self._garbage.clear()
            raise SocketBroken(f"it keeps sending {reason}")

    def _ping(self, socket: BybitSocket, now_s: float) -> None:
        since_ping_s = now_s - self._pinged_at
        probing = now_s - self._heard_at >= self._timing.probe_after_s
        if since_ping_s >= (self._timing.probe_after_s if probing else self._timing.ping_every_s):
            self._pinged_at = now_s
            socket.send({"op": "ping"})

    def _check(self, session: Session, now_s: float) -> None:
        silence_s = now_s - self._heard_at
        if silence_s > self._timing.silent_after_s:
            raise SocketBroken(f"silent for {silence_s:.1f} s")
        with self._lock:
            lost = self._topics.lost(now_s)
        if lost:
            topic, age_s = max(lost.items(), key=lambda item: item[1])
            raise SocketBroken(f"no {topic} for {age_s:.1f} s")
        if not self._ready.is_set() and self._complete(session):
            self._become_ready(now_s)
        elif self._ready.is_set() and now_s - self._ready_at > self._timing.settled_after_s:
            self._backoff.reset()

    def _complete(self, session: Session) -> bool:
        return session.settled and self._wanted() <= session.accepted | session.refused

    def _become_ready(self, now_s: float) -> None:
        self._ready_at = now_s
        with self._lock:
            self._opened += 1
            self._reason = ""
            self._ready.set()
        self._log("")
        self._tell("ready", "")

    def _lost(self, reason: str, *, state: str = "lost") -> None:
        with self._lock:
            self._reason = reason
            self._ready.clear()
        self._log(reason)
        self._tell(state, reason)

    def _log(self, trouble: str) -> None:
        """Say a trouble when it begins or becomes another one, and once when it is over: an
        exchange that is away for hours is tried every few seconds."""
        if trouble == self._logged:
            return
        logger.info(
            "Bybit's %s stream: %s", self._name, trouble or f"works again, after {self._logged}"
        )
        self._logged = trouble

    def _tell(self, state: str, reason: str) -> None:
        if self._on_state is None:
            return
        try:
            self._on_state(state, reason)
        except Exception:
            # Who listens must never be able to end the stream.
            logger.exception("a listener of Bybit's %s stream failed", self._name)
