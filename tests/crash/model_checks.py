"""Kill switch and daily loss, judged by the ledger of the state machine's venue alone.

The bookkeeping here repeats none of the product's: what a person switched, in which order, and
what left for the venue in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from tests.crash.model_money import DAILY_LIMIT, EntryLeft
from tests.crash.model_rows import Row
from tests.crash.model_venue import ModelVenue
from trading.choices import KillLevel, OrderState

KNOWN = (OrderState.ACKNOWLEDGED, OrderState.PARTIALLY_FILLED)
# What was in flight is settled within 2 s of being known; the machine looks every half second.
SETTLED_WITHIN_S = 2.5
# How many steps of arming lead from each level back to trading.
STEPS_BACK = {KillLevel.PAUSE: 1, KillLevel.REDUCE: 1, KillLevel.HALT: 2, KillLevel.FLATTEN: 2}


@dataclass
class Switchboard:
    """``steps`` is how many steps of arming are missing; a kill never takes any away."""

    venue: ModelVenue
    steps: int = 0
    off: list[tuple[float, float]] = field(default_factory=list)
    cancelling: bool = False
    _out_since: dict[str, float] = field(default_factory=dict)

    def pressed(self, level: KillLevel) -> None:
        """Committed now: whatever leaves later is wrong."""
        if self.steps == 0:
            self.off.append((self.venue.next_stamp(), inf))
        self.steps = max(self.steps, STEPS_BACK[level])
        self.cancelling = self.cancelling or level is not KillLevel.REDUCE

    def armed_a_step(self) -> None:
        """One step of arming was granted."""
        if self.steps == 0:
            return
        self.steps -= 1
        if self.steps == 0:
            self.off[-1] = (self.off[-1][0], self.venue.next_stamp())
        self.cancelling = self.cancelling and self.steps > 0

    def left_while_off(self) -> list[EntryLeft]:
        """Entries that the venue accepted and that left between a kill and the last step of
        arming."""
        return [
            entry
            for entry in self._accepted()
            if any(begin < entry.stamp < end for begin, end in self.off)
        ]

    def over_the_limit(self) -> list[EntryLeft]:
        """Accepted entries with which the day could lose more than its limit."""
        return [entry for entry in self._accepted() if entry.worst < -DAILY_LIMIT * entry.start]

    def out_too_long(self, rows: Mapping[str, Row], *, able: bool) -> list[str]:
        """Entries that the trader knows of and the venue still works, long after a kill that
        takes them back; ``able`` says whether anything can be asked of the venue."""
        now = self.venue.now
        watched = {
            link
            for link in self.venue.working_entries()
            if able and self.cancelling and link in rows and rows[link].state in KNOWN
        }
        self._out_since = {link: self._out_since.get(link, now) for link in watched}
        return [link for link, since in self._out_since.items() if now - since > SETTLED_WITHIN_S]

    def _accepted(self) -> list[EntryLeft]:
        accepted = set(self.venue.accepted)
        return [entry for entry in self.venue.entries_left if entry.link_id in accepted]
