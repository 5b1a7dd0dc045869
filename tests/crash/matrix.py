"""``python -m tests.crash.matrix``: kill trader or worker at every named point, again and again.

Cases count into ``var/crash.json``; a run that was broken off goes on where it stopped, and cases
of several runs add up. Exit code 1 when a promise was broken; the sentences say which.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.stage import Stage, open_stage
from tests.crash.tally import DEFAULT, Tally, table

if TYPE_CHECKING:
    from exchange.models import ExchangeAccount
    from tests.crash.lane import Lane


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("apart", "embedded"), default="apart")
    parser.add_argument("--each", type=int, default=25, help="cases wanted of each point")
    parser.add_argument("--points", default="", help="only these, with commas between them")
    parser.add_argument("--lanes", type=int, default=3, help="accounts side by side (apart only)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--counts", type=Path, default=DEFAULT)
    options = parser.parse_args()
    apart = options.kind == "apart"
    tally = Tally(options.counts, f"matrix {options.kind}")
    broken = run(
        tally,
        apart=apart,
        each=options.each,
        points=[point for point in options.points.split(",") if point],
        lanes=options.lanes if apart else 1,
        seed=options.seed,
        say=lambda text: print(text, flush=True),
    )
    print(table(tally.counts()))
    if broken:
        sys.exit("\n".join(broken))


def run(
    tally: Tally,
    *,
    apart: bool,
    each: int,
    points: list[str],
    lanes: int,
    seed: int,
    say: Callable[[str], None],
) -> list[str]:
    """Play what is missing to ``each`` cases a point; returns what was broken, as sentences."""
    with open_stage(apart=apart, lanes=lanes, seed=seed) as stage:
        from tests.crash.lane import POINTS

        done = {kind: count.n for kind, count in tally.counts().items()}
        missing = {point: each - done.get(point, 0) for point in points or POINTS}
        jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
        for number in range(max(missing.values(), default=0)):
            for point, count in missing.items():
                if number < count:
                    jobs.put(point)
        say(f"{jobs.qsize()} kills in {lanes} lanes, seed {seed}")
        game = _Game(stage, jobs, tally, say)
        threads = [threading.Thread(target=game.play, args=(lane,)) for lane in _lanes(stage, seed)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stage.worker.stop()
        return game.broken


class _Game:
    """Lanes take points from one queue until it is empty."""

    def __init__(
        self, stage: Stage, jobs: queue.SimpleQueue[str], tally: Tally, say: Callable[[str], None]
    ) -> None:
        self._stage, self._jobs, self._tally, self._say = stage, jobs, tally, say
        self.broken: list[str] = []

    def play(self, lane: Lane) -> None:
        from django.db import connections

        try:
            while not self._jobs.empty():
                try:
                    point = self._jobs.get_nowait()
                except queue.Empty:
                    break
                self._one(lane, point)
            lane.stop()
        except Exception as exc:
            self.broken.append(f"a lane ended: {type(exc).__name__}: {exc}")
            raise
        finally:
            connections.close_all()

    def _one(self, lane: Lane, point: str) -> None:
        result = lane.case(point)
        if not result.played:
            self._say(f"{point}: the market closed the trade first; played again")
            self._jobs.put(point)
            return
        self.broken += result.failures
        self._tally.add(
            point, gap_s=result.gap_s, settled_s=result.settled_s, failures=result.failures
        )
        verdict = "; ".join(result.failures) or "books agree"
        self._say(
            f"{self._jobs.qsize():>4} left  {point:<4} settled in {result.settled_s:5.2f} s"
            f"  worst gap {result.gap_s:.3f} s  {verdict}"
        )


def _lanes(stage: Stage, seed: int) -> list[Lane]:
    from tests.crash.lane import Lane

    return [
        Lane(stage, matrix_account(number), str(1001 + number), seed + number)
        for number in range(stage.lanes)
    ]


def matrix_account(number: int) -> ExchangeAccount:
    """An account of the simulated venue with limits under which next to nothing is refused."""
    from exchange.choices import Mode
    from tests.crash.lane import SYMBOLS
    from tests.crash.prepare import loosen
    from trading.choices import RiskProfile
    from trading.connection import Application, account_connect

    suffix = f"-{number + 1}" if number else ""
    wish = Application(
        name=f"Matrix {number + 1}",
        mode=Mode.DEMO,
        symbols=SYMBOLS,
        profile=RiskProfile.CLASSIC,
        api_key=f"sim-key{suffix}",
        api_secret="sim-secret",
    )
    account = account_connect(wish, actor=None)
    loosen(account)
    return account


if __name__ == "__main__":
    main()
