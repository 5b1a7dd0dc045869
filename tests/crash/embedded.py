"""``python -m tests.crash.embedded``: kill the running system again and again, check its books.

Each round lets ``manage.py serve`` trade, kills its whole process group with SIGKILL (every other
time at a random moment, else at one on the way from candle to position), starts it again, waits
until its trader has reconciled, and holds the product's tables against the paper venue's. Exit
code 1 when any promise was broken; the data folder is then kept.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.crash.activity import Activity, count_activity
from tests.crash.audit import Findings, audit
from tests.crash.installation import Installation, NeverCame, kill, stop
from tests.crash.watch import AIMS, Watch

# How long the books may take to agree after a restart, while trading goes on.
SETTLE_S = 10.0
SETTLE_POLL_S = 0.05
# A first trade is closed sooner than this, or nothing works.
FIRST_TRADE_S = 60
# A kill at random comes this long after the trader runs: from, to.
RANDOM_S = (0.5, 4.0)
# An aimed kill waits this long for its moment: longer than an order can stay unknown, since no
# entry leaves in that time.
AIM_S = 40.0
AIM_NAMES = tuple(AIMS)


@dataclass(slots=True)
class Report:
    """What all kills together showed. Times in seconds of wall time."""

    kills: int = 0
    aimed: int = 0
    audits: int = 0
    recovered_s: list[float] = field(default_factory=list)
    settled_s: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    worst_naked_s: float = 0.0
    activity: Activity = field(default_factory=Activity)

    @property
    def failures(self) -> list[str]:
        """Broken promises, and what happened too rarely to show that they are kept.

        The stop travels inside the entry, so there is no moment at which a position may be
        without one, however soon it would be mended.
        """
        naked = []
        if self.worst_naked_s > 0:
            naked = [f"a position stood without a stop for {self.worst_naked_s:.3f} s"]
        return self.violations + naked + self.activity.too_little(self.kills)

    def table(self) -> str:
        """The closing table."""
        recovered, settled = self.recovered_s or [0.0], self.settled_s or [0.0]
        rows = [
            ("kills", f"{self.kills}, {self.aimed} of them aimed"),
            ("recovered in", f"median {median(recovered):.2f} s, max {max(recovered):.2f} s"),
            ("ledgers agree", f"{len(self.settled_s)}/{self.audits}, in max {max(settled):.2f} s"),
            ("duplicate entries", str(self.activity.duplicates)),
            ("worst time without stop", f"{self.worst_naked_s:.3f} s"),
            *self.activity.rows(),
            ("failures", str(len(self.failures))),
        ]
        return "\n".join(f"  {name:<26}{value}" for name, value in rows)


class CrashRun:
    """Kills of one installation, by a seed. ``say`` takes one line per kill."""

    def __init__(self, place: Installation, seed: int, say: Callable[[str], None]) -> None:
        self._place, self._say = place, say
        self._random = random.Random(seed)
        self._first_aim = seed
        self._report = Report()
        self._lives: list[tuple[datetime, datetime | None]] = []

    def run(self, kills: int) -> Report:
        """Kill ``kills`` times and stop in order once; the report has everything found.

        Raises ``NeverCame`` when the system does not come back.
        """
        process = self._start()
        try:
            self._check()
            self._until_traded()
            for number in range(1, kills + 1):
                where = self._moment(number)
                kill(process)
                process = self._start_again()
                findings = self._check()
                self._tell(number, kills, where, findings)
            stop(process)
        finally:
            if process.poll() is None:
                kill(process)
        self._check()
        self._report.violations += self._place.errors()
        return self._report

    def _start(self) -> subprocess.Popen[bytes]:
        process = self._place.start("serve")
        try:
            self._place.until_healthy(process)
            self._place.until_reconciled(process)
        except NeverCame:
            kill(process)
            raise
        self._lives.append((datetime.now(UTC), None))
        return process

    def _start_again(self) -> subprocess.Popen[bytes]:
        died = time.monotonic()
        self._lives[-1] = (self._lives[-1][0], datetime.now(UTC))
        self._report.kills += 1
        process = self._start()
        self._report.recovered_s.append(time.monotonic() - died)
        return process

    def _until_traded(self) -> None:
        """Wait until a first trade has run its course, so that no kill meets an empty book."""
        deadline = time.monotonic() + FIRST_TRADE_S
        with closing(self._place.connect()) as database:
            while count_activity(database).closes == 0:
                if time.monotonic() > deadline:
                    raise NeverCame(
                        f"no trade closed in {FIRST_TRADE_S} s:\n{self._place.output()}"
                    )
                time.sleep(SETTLE_POLL_S)

    def _moment(self, number: int) -> str:
        """Return when it is time for the kill of this number, and say what the moment is."""
        aim = AIM_NAMES[(self._first_aim + number // 2) % len(AIM_NAMES)] if number % 2 else ""
        with closing(self._place.connect()) as database:
            watch = Watch(database)
            if aim and watch.until(aim, AIM_S):
                self._report.aimed += 1
                moment = aim
            else:
                seconds = self._random.uniform(*RANDOM_S)
                watch.wait(seconds)
                moment = f"after {seconds:.1f} s"
            self._report.worst_naked_s = max(self._report.worst_naked_s, watch.worst_naked_s)
        return moment

    def _check(self) -> Findings:
        """Audit until the books agree, for at most ``SETTLE_S``; what is broken stays broken."""
        began = time.monotonic()
        self._report.audits += 1
        with closing(self._place.connect()) as database:
            while True:
                findings = audit(database, self._alive_s)
                waited = time.monotonic() - began
                if findings.clean or findings.broken or waited > SETTLE_S:
                    break
                time.sleep(SETTLE_POLL_S)
            self._report.activity = count_activity(database)
        known = self._report.violations
        known += [text for text in (*findings.broken, *findings.unsettled) if text not in known]
        if findings.clean:
            self._report.settled_s.append(waited)
        return findings

    def _alive_s(self, since: datetime) -> float:
        """Seconds since a moment in which the system was running with its trader."""
        now = datetime.now(UTC)
        spans = [(max(begin, since), end or now) for begin, end in self._lives]
        return sum(max(0.0, (end - begin).total_seconds()) for begin, end in spans)

    def _tell(self, number: int, kills: int, where: str, findings: Findings) -> None:
        books = "books agree"
        if not findings.clean:
            books = f"VIOLATED: {'; '.join(findings.broken or findings.unsettled)}"
        self._say(
            f"{number:>3}/{kills}  {where:<16} recovered in {self._report.recovered_s[-1]:5.2f} s"
            f"  {self._report.activity.brief}  {books}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill the running system, check its books.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    place = Installation(Path(tempfile.mkdtemp(prefix="autotrader-crash-")))
    print(f"data in {place.folder}, seed {options.seed}", flush=True)
    try:
        place.prepare(market="replay", seed=options.seed, kills=options.kills)
        report = CrashRun(place, options.seed, _say).run(options.kills)
    except NeverCame as exc:
        sys.exit(f"{exc}\nthe data stay in {place.folder}")
    print(report.table())
    if report.failures:
        sys.exit("\n".join([*report.failures, f"the data stay in {place.folder}"]))
    shutil.rmtree(place.folder)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
