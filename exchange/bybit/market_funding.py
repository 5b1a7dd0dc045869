"""Funding settlements as they become known, each told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from exchange.domain import FundingEvent

INSTANT = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
# Bybit tells of a settlement within seconds; after this long there was none at that hour.
PUBLISHED_WITHIN = timedelta(seconds=60)


class FundingLog:
    """Settlements of one symbol after ``begin`` (a whole hour). Not thread-safe.

    Funding is settled on whole hours. A settlement that is published after somebody has been told
    of its hour is told as of just after the newest moment told.
    """

    def __init__(self, begin: datetime) -> None:
        self.begin = begin
        self.known_until = begin
        self._told = begin
        self._events: list[FundingEvent] = []

    def awaits(self, end: datetime) -> bool:
        """Whether there may have been a settlement by ``end`` that is not known yet."""
        return self.known_until + HOUR <= end

    def learn(self, events: Sequence[FundingEvent], now: datetime) -> None:
        """What the venue had published by ``now`` for the time after ``known_until``."""
        for event in sorted(events, key=lambda one: one.time):
            if event.time <= self.known_until:
                continue
            self.known_until = event.time
            time = self._told + INSTANT if event.time <= self._told else event.time
            self._events.append(replace(event, time=time))
        while self.known_until + HOUR <= now - PUBLISHED_WITHIN:
            self.known_until += HOUR

    def tell(self, start: datetime, end: datetime) -> list[FundingEvent]:
        """Settlements in ``(start, end]``, oldest first."""
        self._told = max(self._told, end)
        return [event for event in self._events if start < event.time <= end]
