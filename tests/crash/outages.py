"""``python -m tests.crash.outages``: break REST and sockets down in every way, for every length.

A real trader process trades on the simulator through fault proxies. During each outage a stop is
hit, an entry fills, a person closes a position and signals are approved. Counted: how soon the
trader notices and recovers, what its books lack, and entries taken while it was blind.
Cases count into ``var/crash.json``. Exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.outage_line import KINDS, TARGETS, Kind, Line
from tests.crash.stage import open_stage
from tests.crash.tally import DEFAULT, Tally, table

if TYPE_CHECKING:
    from tests.crash.outage_case import Result

GROUP = "outages"
Outage = tuple[str, Kind, float]


def main() -> None:
    options = _options()
    tally = Tally(options.counts, GROUP)
    lane, lanes = (int(text) for text in options.lane.split("/"))
    if lanes == 1 and options.lanes > 1:
        codes = _side_by_side(options.lanes)
        print(table(tally.counts()))
        sys.exit(max(codes))
    wanted = _wanted(options)[lane::lanes]
    broken = _run(wanted, tally, apart=options.apart, seed=options.seed + lane)
    if lanes == 1:
        print(table(tally.counts()))
    if broken:
        sys.exit("\n".join(broken))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", default="0.3,3,60", help="lengths, with commas between them")
    parser.add_argument("--kinds", default="", help="only these, with commas between them")
    parser.add_argument("--targets", default="", help=f"only these of {', '.join(TARGETS)}")
    parser.add_argument("--lanes", type=int, default=1, help="traders and simulators side by side")
    parser.add_argument("--lane", default="0/1", help=argparse.SUPPRESS)
    parser.add_argument("--apart", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--counts", type=Path, default=DEFAULT)
    return parser.parse_args()


def _wanted(options: argparse.Namespace) -> list[Outage]:
    lengths = [float(text) for text in options.seconds.split(",")]
    kinds = [text for text in options.kinds.split(",") if text]
    targets = [text for text in options.targets.split(",") if text]
    return [
        (target, kind, seconds)
        for seconds in sorted(lengths, reverse=True)
        for kind in KINDS
        for target in targets or TARGETS
        if kind.concerns(target) and (not kinds or kind.name in kinds)
    ]


def _side_by_side(lanes: int) -> list[int]:
    """Run this command in so many processes, each with its share of the cases."""
    processes = [
        subprocess.Popen([sys.executable, "-m", __spec__.name, *sys.argv[1:], "--lane", share])
        for share in (f"{lane}/{lanes}" for lane in range(lanes))
    ]
    return [process.wait() for process in processes]


def _run(outages: Sequence[Outage], tally: Tally, *, apart: bool, seed: int) -> list[str]:
    """Play all; returns what was broken, as sentences."""
    line = Line()
    broken: list[str] = []
    with open_stage(apart=apart, lanes=1, seed=seed, through=line.through) as stage:
        from tests.crash.matrix import matrix_account
        from tests.crash.outage_case import Blackout

        blackout = Blackout(stage, matrix_account(0), line, seed)
        for number, (target, kind, seconds) in enumerate(outages, start=1):
            result = blackout.outage(target, kind, seconds)
            broken += result.failures
            tally.add(
                result.name,
                gap_s=result.gap_s,
                settled_s=result.recovered_s,
                failures=result.failures,
            )
            print(f"{number:>3} of {len(outages)}  {_line(result)}", flush=True)
        blackout.stop()
    return broken


def _line(result: Result) -> str:
    noticed = "unnoticed" if result.noticed_s is None else f"noticed_s {result.noticed_s:.2f}"
    return (
        f"{result.name:<34} {noticed:<15} recovered_s {result.recovered_s:5.2f}"
        f"  books agree {result.settled_s:5.1f} s  gap {result.gap_s:.2f} s"
        f"  lost {result.lost}  entries {result.entries}, blind {result.blind_entries}"
        f"  {'; '.join(result.failures) or 'ok'}"
    )


if __name__ == "__main__":
    main()
