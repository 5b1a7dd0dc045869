"""The simulator's public stream without a socket: what it says, and what goes wrong with it.

Frames are made on a virtual clock, each goes through the faults in force, and what is left of it
waits until the product takes it. A connection that ends is opened again with growing pauses.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

from exchange.bybit.stream import StreamBatch
from exchange.bybit.stream_pace import Timing
from tests.simulators.bybit.adapter import VirtualClock
from tests.simulators.bybit.feed import PublicFeed
from tests.simulators.bybit.knobs import CONNECTION_FAULTS, HANDSHAKE_FAULTS, Knobs

Frame = dict[str, Any]
PUBLIC = "ws:public"
TIMING = Timing()
UNREADABLE: tuple[Any, ...] = ("<html>", [], {"lastPrice": "NaN"}, [{"start": "soon"}])


class ShakyStream:
    """A public stream at its reader's port. ``tick`` makes the frames of this instant."""

    def __init__(self, feed: PublicFeed, knobs: Knobs, clock: VirtualClock) -> None:
        self._feed, self._knobs, self._clock = feed, knobs, clock
        self._topics: set[str] = set()
        self._due: list[tuple[int, int, Frame]] = []
        self._numbers = itertools.count()
        self._held: Frame | None = None
        self._held_back_ms = 0
        self._opened = 0
        self._connected = False
        self._connect_at = 0
        self._pause_ms = round(TIMING.first_pause_s * 1000)
        self._muted_at: int | None = None
        self._reason = "it has not been opened yet"
        self.faults: Counter[str] = Counter()
        self.connects = 0
        self.told_ms: dict[str, int] = {}

    def watch(self, topics: Iterable[str]) -> None:
        """Subscribe these too."""
        self._topics |= set(topics)

    def take(self) -> StreamBatch:
        """What has arrived by now."""
        now_ms, taken = self._clock.now_ms(), []
        while self._due and self._due[0][0] <= now_ms:
            taken.append(heapq.heappop(self._due)[2])
        for frame in taken:
            self._note(frame)
        opened, self._opened = self._opened, 0
        return StreamBatch(tuple(taken), opened)

    def doubts(self) -> tuple[str, ...]:
        """Why it can't be relied on now."""
        if not self._connected:
            return (f"Bybit's public stream is not connected: {self._reason}.",)
        silent_s = self._silent_s()
        if silent_s > TIMING.silent_after_s:
            return (f"Bybit's public stream has been silent for {silent_s:.0f} s.",)
        return ()

    def cut(self, reason: str) -> None:
        """End the connection; frames that are still under way are lost with it."""
        self._connected, self._reason, self._muted_at = False, reason, None
        self._due.clear()
        self._held = None
        self._connect_at = self._clock.now_ms() + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, round(TIMING.longest_pause_s * 1000))

    def tick(self) -> None:
        """Say what is new, or try to come back."""
        now_ms = self._clock.now_ms()
        if self._silent_s() > TIMING.silent_after_s:
            self.cut("silent")
        if not self._connected and (now_ms < self._connect_at or not self._connect()):
            return
        for topic, frame in self._feed.due(sorted(self._topics)):
            self._push(topic, frame)
            if not self._connected:
                return

    def _silent_s(self) -> float:
        if self._muted_at is None:
            return 0.0
        return (self._clock.now_ms() - self._muted_at) / 1000

    def _connect(self) -> bool:
        refusal = self._knobs.take(PUBLIC, HANDSHAKE_FAULTS)
        if refusal is not None:
            self.faults[refusal.fault] += 1
            self.cut(refusal.fault)
            if refusal.fault == "blackhole":
                self._connect_at += round(TIMING.connect_s * 1000)
            return False
        self._connected, self._opened = True, self._opened + 1
        self._pause_ms = round(TIMING.first_pause_s * 1000)
        self.connects += 1
        for topic in sorted(self._topics):
            snapshot = self._feed.snapshot(topic)
            if snapshot is not None:
                self._put(snapshot)
        return True

    def _push(self, topic: str, frame: Frame) -> None:
        """Send a frame through the faults in force."""
        knobs = self._knobs
        connection = knobs.take(PUBLIC, CONNECTION_FAULTS)
        if connection is not None:
            self.faults[connection.fault] += 1
            self._suffer(connection.fault, topic)
        if not self._connected or self._struck("gap"):
            return
        late = knobs.take(PUBLIC, ["late"])
        if late is not None:
            self.faults["late"] += 1
            self._put(frame, late.args.get("ms", 500))
            return
        slow = knobs.take(PUBLIC, ["delay"])
        if slow is not None:
            self.faults["delay"] += 1
            self._held_back_ms = self._clock.now_ms() + int(slow.args.get("ms", 500))
        if self._held is None and self._struck("reorder"):
            self._held = frame
            return
        self._put(frame)
        if self._struck("duplicate"):
            self._put(frame)
        if self._held is not None:
            held, self._held = self._held, None
            self._put(held)

    def _suffer(self, fault: str, topic: str) -> None:
        """Undergo a fault of the whole connection."""
        if fault == "silent":
            self._muted_at = self._clock.now_ms()
        elif fault in ("close", "reset"):
            self.cut(fault)
        elif fault in ("garbage", "unreadable"):
            data = UNREADABLE[next(self._numbers) % len(UNREADABLE)]
            self._put(
                {"topic": topic, "type": "snapshot", "ts": self._clock.now_ms(), "data": data}
            )
        else:
            self._put({"topic": "weather.tomorrow", "data": [{"rain": "maybe"}]})

    def _struck(self, fault: str) -> bool:
        struck = self._knobs.take(PUBLIC, [fault]) is not None
        self.faults[fault] += struck
        return struck

    def _put(self, frame: Frame, after_ms: int = 0) -> None:
        if self._muted_at is None:
            at_ms = max(self._clock.now_ms() + after_ms, self._held_back_ms if not after_ms else 0)
            heapq.heappush(self._due, (at_ms, next(self._numbers), frame))

    def _note(self, frame: Frame) -> None:
        """The time of the newest ticker that the product has of each symbol."""
        kind, _, symbol = str(frame.get("topic", "")).partition(".")
        if kind == "tickers" and isinstance(frame["data"], dict) and "symbol" in frame["data"]:
            self.told_ms[symbol] = max(self.told_ms.get(symbol, 0), int(frame["ts"]))
