"""``python -m tests.scenarios.loss_days --days 500``: random days of gains and losses on the paper
exchange, judged by an oracle that reads the venue's ledger alone.

Several signals are approved at once at random moments of each day and around midnight, in random
sizes and directions; prices jump. The real trader admits, sends and books. Every other limit is
wide, so that the daily one is what stops entries.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scenarios.loss_oracle import Entry

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT", "ADAUSDT", "LINKUSDT")
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LIMIT = Decimal("0.03")
RISK = Decimal("0.007")
# Days that share one account; then a new one begins, whatever the old one has lost.
LIFE = 10
MOMENTS = 6


@dataclass
class Played:
    """What one account went through. ``spent_days`` are days on which an entry was refused for the
    daily limit."""

    days: int = 0
    signals: int = 0
    entries: list[Entry] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    spent_days: int = 0
    overrun_days: int = 0

    @property
    def broken(self) -> list[Entry]:
        """Entries that the venue took beyond the limit."""
        return [one for one in self.entries if one.exceeds(LIMIT)]

    def add(self, other: Played) -> None:
        self.days += other.days
        self.signals += other.signals
        self.entries += other.entries
        self.refused += other.refused
        self.spent_days += other.spent_days
        self.overrun_days += other.overrun_days


def play_life(days: int, seed: int) -> Played:
    """Some days of one account on the paper exchange. Needs a database without open
    transaction."""
    from tests.scenarios.loss_life import Life

    return Life(seed).play(days)


def report(played: Played, took_s: float) -> str:
    closest = min((one.share for one in played.entries), default=Decimal(0))
    edge = sum(one.share < -LIMIT * Decimal("0.8") for one in played.entries)
    rules = ", ".join(f"{rule} {count}" for rule, count in played.refused.most_common(6))
    return "\n".join(
        (
            f"{played.days} days, {played.signals} signals, {len(played.entries)} entries taken by "
            f"the venue, {took_s:.0f} s",
            f"refused: {rules}",
            f"days on which the limit refused entries: {played.spent_days}; days that ended "
            f"beyond it: {played.overrun_days}",
            f"entries in the last fifth before the limit: {edge}; closest: {closest:.4%} of "
            f"{-LIMIT:.2%}",
            f"entries beyond the limit by the venue's ledger: {len(played.broken)}",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = tempfile.mkdtemp(prefix="loss-days-", dir=memory)
    os.environ |= {"AUTOTRADER_DATA": folder, "DJANGO_SETTINGS_MODULE": "config.settings"}
    os.environ.pop("DATABASE_URL", None)
    began = time.monotonic()
    try:
        played = _play_all(options.days, options.seed, began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(report(played, time.monotonic() - began))
    for one in played.broken[:10]:
        print(f"{one.time:%Y-%m-%d %H:%M} {one.order_link_id}: {one.share:.4%}")
    sys.exit(1 if played.broken else 0)


def _play_all(days: int, seed: int, began: float) -> Played:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    total = Played()
    while total.days < days:
        life = play_life(min(LIFE, days - total.days), seed + total.days)
        total.add(life)
        call_command("flush", verbosity=0, interactive=False)
        print(
            f"{total.days} days, {len(total.entries)} entries, {len(total.broken)} broken, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
    return total


def moments_of(day: datetime, dice: random.Random) -> list[datetime]:
    """When something happens on a day: around its midnight more often than not, else anywhere."""
    found = {day + dice.randrange(2, 1436) * MINUTE for _ in range(MOMENTS)}
    if dice.random() < 0.7:
        found |= {day, day + MINUTE, day + DAY - 2 * MINUTE, day + DAY - MINUTE}
    return sorted(found)


if __name__ == "__main__":
    main()
