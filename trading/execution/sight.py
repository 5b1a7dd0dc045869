"""Whether venue and prices can be relied on, told when it changes."""

from __future__ import annotations

from dataclasses import replace

from trading.choices import EventLevel
from trading.domain.protocol import EntryFacts, entry_gate
from trading.events import record
from trading.execution.desk import Desk


class Sight:
    """Remembers for one desk what was told last; orders and differences have events of their
    own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._blind = False
        self._halted = False

    def note(self, facts: EntryFacts) -> None:
        """One event when doubts begin, one when a person is needed, one when they end."""
        reasons = entry_gate(replace(facts, reconciled=True, unresolved=()))
        blind, halted = bool(reasons), bool(facts.halted)
        if (blind, halted) == (self._blind, self._halted):
            return
        if blind:
            text = f"No entries: {'; '.join(reason.rstrip('.') for reason in reasons)}."
            kind, level = "engine_blind", EventLevel.CRITICAL if halted else EventLevel.WARNING
        else:
            text = "Exchange and prices can be relied on again."
            kind, level = "engine_sees", EventLevel.NOTICE
        self._blind, self._halted = blind, halted
        record(
            kind,
            text,
            account=self._desk.account,
            level=level,
            data={"reasons": list(reasons)},
            market_time=self._desk.market.now(),
        )
