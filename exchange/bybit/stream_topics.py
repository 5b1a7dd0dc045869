"""Which topics of a stream have gone quiet, and how much patience each deserves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

# Seconds between two messages that are expected at most, by the first word of the topic.
PERIODS_S: Mapping[str, float] = MappingProxyType({"tickers": 5.0, "kline": 5.0})
LONGEST_PATIENCE_S = 120.0
PATIENCE_KEPT_S = 600.0


class TopicWatch:
    """Ages of the topics of one stream, over all of its connections. Times are monotonic seconds.

    A topic is quiet after twice its period. A symbol that hardly trades is quiet by nature:
    where a topic is quiet while others talk, opening the stream again is tried, but its patience
    doubles for ten minutes, so that it can't tear down the others over and over.
    """

    def __init__(self, periods_s: Mapping[str, float] = PERIODS_S) -> None:
        self._periods_s = periods_s
        self._heard: dict[str, float] = {}
        self._patience: dict[str, tuple[float, float]] = {}

    def begin(self) -> None:
        """A new connection: nothing is subscribed."""
        self._heard = {}

    def expect(self, topics: Iterable[str], now_s: float) -> None:
        """These topics have been subscribed just now."""
        self._heard.update(dict.fromkeys(topics, now_s))

    def heard(self, topic: str, now_s: float) -> None:
        self._heard[topic] = now_s

    def quiet(self, now_s: float) -> dict[str, float]:
        """Topics that have said nothing for twice their period, with the seconds of silence."""
        return {
            topic: now_s - heard_s
            for topic, heard_s in self._heard.items()
            if now_s - heard_s > self._allowed_s(topic)
        }

    def lost(self, now_s: float) -> dict[str, float]:
        """Quiet topics whose patience has run out: reason enough to open the stream again."""
        quiet = self.quiet(now_s)
        lost = {
            topic: silence_s
            for topic, silence_s in quiet.items()
            if silence_s > self._patience_s(topic, now_s)
        }
        if lost and len(quiet) < len(self._heard):
            for topic in lost:
                longer_s = min(self._patience_s(topic, now_s) * 2, LONGEST_PATIENCE_S)
                self._patience[topic] = (longer_s, now_s + PATIENCE_KEPT_S)
        return lost

    def _allowed_s(self, topic: str) -> float:
        period_s = self._periods_s.get(topic.split(".")[0])
        return float("inf") if period_s is None else 2 * period_s

    def _patience_s(self, topic: str, now_s: float) -> float:
        patience_s, until_s = self._patience.get(topic, (0.0, 0.0))
        return (
            max(patience_s, self._allowed_s(topic)) if now_s < until_s else self._allowed_s(topic)
        )
