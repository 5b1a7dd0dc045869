"""What the trader says of itself, read from its lease row many times a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.models import ExchangeAccount

LOOK_EVERY_S = 0.02
# An order of unknown fate is looked up for half a minute; that is no doubt about the line.
OF_AN_ORDER = "order of "


@dataclass(frozen=True, slots=True)
class Seen:
    """From ``ms`` on (wall clock) the trader gave these reasons; none: entries may leave."""

    ms: int
    reasons: tuple[str, ...]


class SelfReport:
    """Records each change of the trader's doubts from ``start`` to ``stop``."""

    def __init__(self, account: ExchangeAccount) -> None:
        self._account = account
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: list[Seen] = []

    def start(self) -> None:
        self._thread.start()
        while not self.seen:
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def now(self) -> Seen:
        """What it says now, and since when."""
        return self.seen[-1]

    def noticed_ms(self, since_ms: int) -> int | None:
        """When doubts were first seen after ``since_ms``."""
        return next((one.ms for one in self.seen if one.ms >= since_ms and one.reasons), None)

    def doubtful(self, ms: int, margin_ms: int) -> bool:
        """Whether there were doubts at ``ms`` and ``margin_ms`` around it."""
        early = [one for one in self.seen if one.ms <= ms - margin_ms][-1:]
        within = [one for one in self.seen if ms - margin_ms < one.ms <= ms + margin_ms]
        return bool(early) and all(one.reasons for one in (*early, *within))

    def _look(self) -> None:
        from django.db import connections

        from trading.models import Lease

        rows = Lease.objects.filter(account=self._account)
        while not self._stop.wait(LOOK_EVERY_S):
            reconciled, doubts = rows.values_list("reconciled", "doubts").get()
            reasons = [text for text in doubts if not text.startswith(OF_AN_ORDER)]
            if not reconciled and not reasons:
                reasons.append("not reconciled")
            if not self.seen or self.seen[-1].reasons != tuple(reasons):
                self.seen.append(Seen(int(time.time() * 1000), tuple(reasons)))
        connections.close_all()
