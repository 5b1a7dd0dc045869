"""How much happened between the kills: a quiet run proves nothing."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields

# Least number per kill, on the average, of a run that counts as proof.
ENTRIES_PER_KILL = 0.5
FILLS_PER_KILL = 1.0
CLOSES_PER_KILL = 0.3

COUNTS = {
    "cycles": "SELECT count(*) FROM trading_cycle WHERE state = 'completed'",
    "interrupted_cycles": "SELECT count(*) FROM trading_cycle WHERE state = 'failed'",
    "entries": "SELECT count(*) FROM trading_order WHERE role = 'e' AND submitted_at IS NOT NULL",
    "exits": "SELECT count(*) FROM trading_order WHERE role = 'x'",
    "fills": "SELECT count(*) FROM exchange_paperexecution",
    "stop_moves": "SELECT count(*) FROM trading_stopmove WHERE accepted",
    "closes": "SELECT count(*) FROM trading_trade WHERE state = 'closed'",
    "payments": "SELECT count(*) FROM trading_cashflow",
    "found": "SELECT count(*) FROM trading_order"
    " WHERE unknown_since IS NOT NULL AND state NOT IN ('unknown', 'not_placed')",
    "not_placed": "SELECT count(*) FROM trading_order WHERE state = 'not_placed'",
    "never_sent": "SELECT count(*) FROM trading_order"
    " WHERE reject_reason = 'the trader stopped before it was sent'",
    "duplicates": "SELECT count(*) - count(DISTINCT o.signal_id) FROM exchange_paperorder p"
    " JOIN trading_order o ON o.order_link_id = p.order_link_id WHERE o.role = 'e'",
}


@dataclass(frozen=True, slots=True)
class Activity:
    """Counts over the whole life of an installation. ``found``, ``not_placed`` and ``never_sent``
    are orders that a kill caught on their way: behind the venue's door, before it, before
    sending."""

    cycles: int = 0
    interrupted_cycles: int = 0
    entries: int = 0
    exits: int = 0
    fills: int = 0
    stop_moves: int = 0
    closes: int = 0
    payments: int = 0
    found: int = 0
    not_placed: int = 0
    never_sent: int = 0
    duplicates: int = 0

    @property
    def brief(self) -> str:
        return f"{self.entries} entries, {self.fills} fills, {self.closes} closes"

    def rows(self) -> list[tuple[str, str]]:
        """Name and count of everything, for a table."""
        return [
            (item.name.replace("_", " "), str(getattr(self, item.name)))
            for item in fields(self)
            if item.name != "duplicates"
        ]

    def too_little(self, kills: int) -> list[str]:
        """What happened too rarely for ``kills`` kills, in sentences."""
        wanted = {
            "entries": ENTRIES_PER_KILL * kills,
            "fills": FILLS_PER_KILL * kills,
            "closes": CLOSES_PER_KILL * kills,
        }
        return [
            f"too quiet to prove anything: {getattr(self, name)} {name}, wanted {least:.0f}"
            for name, least in wanted.items()
            if getattr(self, name) < least
        ]


def count_activity(database: sqlite3.Connection) -> Activity:
    """Count now."""
    return Activity(
        **{name: database.execute(statement).fetchone()[0] for name, statement in COUNTS.items()}
    )
