"""``python -m tests.crash.week``: a week of paper trading on the simulator's stream, at speed.

The product is the real one: bots, technical analyst, trader, paper venue and the live market over
pybit. Prices, answers and frames come from the simulator on a virtual clock, with every fault at
low rates, outages, and traders that die. Days count into ``var/crash.json``. Exit code 1 when
anything was broken.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from tests.crash.ambiguous import open_database
from tests.crash.tally import DEFAULT, Tally, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counts", type=Path, default=DEFAULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autotrader-week-") as folder:
        open_database(Path(folder))
        broken = play(options.days, options.seed, Tally(options.counts, "paper week"))
    if broken:
        sys.exit("\n".join(broken))


def play(days: float, seed: int, tally: Tally) -> list[str]:
    """Trade for so many days; each counts at once. Returns what was broken."""
    from tests.crash.week_bot import START, Week

    logging.disable(logging.ERROR)
    week = Week(seed=seed, start=START, length=timedelta(days=days))
    started, told = time.monotonic(), 0

    def on_day(day: int) -> None:
        nonlocal told
        fresh, told = week.report.broken[told:], len(week.report.broken)
        lag_s = week.listener.worst_lag_ms / 1000
        tally.add("days", gap_s=0.0, settled_s=lag_s, failures=fresh)
        tell(f"day {day}")
        for text in fresh:
            print(f"  broken: {text}", flush=True)

    def tell(when: str) -> None:
        numbers = ", ".join(f"{count} {name}" for name, count in week.counts().items())
        print(f"{when}, {time.monotonic() - started:.0f} s: {numbers}", flush=True)

    report = week.run(on_day)
    tell("the end")
    print(f"oldest quote of an entry: {week.oldest_quote_ms} ms")
    print(f"REST faults: {dict(report.rest_faults)}")
    print(f"stream faults: {dict(report.stream_faults)}")
    print(f"restarts: {dict(report.restarts)}")
    print(f"{len(report.broken)} broken in {time.monotonic() - started:.0f} s of wall time")
    print(table(tally.counts()))
    return report.broken


if __name__ == "__main__":
    main()
