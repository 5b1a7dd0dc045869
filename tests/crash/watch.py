"""Look at a running installation every millisecond: moments to strike, positions without stop."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

LOOK_EVERY_S = 0.001

# Short moments on the way from a candle to a managed position, in their order; each statement
# names what stands there now. An order is "taken" while the venue has it and its answer is not
# stored.
AIMS = {
    "cycle running": "SELECT boundary FROM trading_cycle WHERE state = 'running'",
    "signal approved": "SELECT symbol FROM trading_signal WHERE state IN ('approved', 'claimed')",
    "order stored": "SELECT symbol FROM trading_order WHERE state = 'created'",
    "order leaving": """SELECT symbol FROM trading_order o WHERE state = 'submitted'
        AND NOT EXISTS (SELECT 1 FROM exchange_paperorder p
                        WHERE p.order_link_id = o.order_link_id)""",
    "order taken": """SELECT symbol FROM trading_order o WHERE state = 'submitted'
        AND EXISTS (SELECT 1 FROM exchange_paperorder p
                    WHERE p.order_link_id = o.order_link_id)""",
    "fill not booked": """SELECT symbol FROM exchange_paperexecution p
        WHERE NOT EXISTS (SELECT 1 FROM trading_execution e
                          WHERE e.account_id = p.account_id AND e.exec_id = p.exec_id)""",
    "stop moving": """SELECT rule FROM trading_stopmove
        WHERE answer = 'sent' AND id = (SELECT max(id) FROM trading_stopmove)""",
}


@dataclass(slots=True)
class Watch:
    """Reads over a connection of its own. ``worst_naked_s`` is the longest time for which a
    position of the venue was seen without a stop."""

    database: sqlite3.Connection
    worst_naked_s: float = 0.0
    _naked_since: float | None = None
    _version: int = -1

    def wait(self, seconds: float) -> None:
        """Watch positions for ``seconds``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._changed()
            time.sleep(LOOK_EVERY_S)

    def until(self, aim: str, seconds: float) -> bool:
        """Wait for a moment named in ``AIMS``, at most ``seconds``; whether it was seen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._changed() and self.database.execute(AIMS[aim]).fetchone():
                return True
            time.sleep(LOOK_EVERY_S)
        return False

    def _changed(self) -> bool:
        """Whether somebody committed since the last look."""
        (version,) = self.database.execute("PRAGMA data_version").fetchone()
        if version == self._version and self._naked_since is None:
            return False
        self._version = version
        self._look_for_naked()
        return True

    def _look_for_naked(self) -> None:
        (naked,) = self.database.execute(
            "SELECT count(*) FROM exchange_paperposition WHERE stop_loss IS NULL"
        ).fetchone()
        now = time.monotonic()
        if not naked:
            self._naked_since = None
            return
        self._naked_since = self._naked_since or now
        self.worst_naked_s = max(self.worst_naked_s, now - self._naked_since, LOOK_EVERY_S)
