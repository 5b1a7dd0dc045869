"""``python -m tests.crash.spending``: two workers, storms, kills; what does a model cost at most?

The workers are real processes on one database that ask the simulated model server about
overlapping charts out of one purse. The server answers, fails and turns away; a worker is killed
in the middle again and again and starts anew. What was spent is counted from the server's own
ledger. Exit code 1 when the purse was passed by more than one call, or a chart was asked for more
than twice.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.simulators.openai.replies import Counted
from tests.simulators.openai.server import OpenAiSim

ROOT = Path(__file__).resolve().parents[2]
PURSE = "bot:1"
# Dollars per million tokens, as the profile of the workers has them.
INPUT_PRICE, CACHED_PRICE, OUTPUT_PRICE = Decimal("2.5"), Decimal("1.25"), Decimal(10)
MILLION = Decimal(1_000_000)
FIRST_S = 4.0
LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Result:
    """Dollars; ``asked_most`` is how often a single chart was answered."""

    cap: Decimal
    spent: Decimal
    booked: Decimal
    dearest: Decimal
    answered: int
    failed: int
    asked_most: int
    kills: int

    @property
    def failures(self) -> list[str]:
        found = []
        if self.spent > self.cap + self.dearest:
            found.append(f"{self.spent} dollars were spent out of {self.cap}")
        if self.booked < self.spent:
            found.append(f"{self.booked} dollars are booked, {self.spent} were spent")
        if self.asked_most > 2:
            found.append(f"a chart was answered {self.asked_most} times")
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cap", type=Decimal, default=Decimal("0.5"))
    parser.add_argument("--charts", type=int, default=60)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    result = play(asked.cap, asked.charts, asked.kills, asked.seed)
    print(result)
    if result.failures:
        sys.exit("; ".join(result.failures))


def play(cap: Decimal, charts: int, kills: int, seed: int) -> Result:
    """Let two workers ask about ``charts`` charts until the purse or the charts are at an end."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="autotrader-spending-") as folder, OpenAiSim() as sim:
        environment = {**os.environ, "AUTOTRADER_DATA": folder, "SPENDING_URL": sim.url}
        _run("prepare", environment)
        _raise_storms(sim, chance)
        words = [str(cap), str(charts)]
        workers = [_start(environment, *words, str(side)) for side in (1, -1)]
        for _ in range(kills):
            time.sleep(FIRST_S * chance.uniform(0.3, 0.7))
            number = chance.randrange(2)
            workers[number].kill()
            workers[number].wait()
            workers[number] = _start(environment, *words, str((1, -1)[number]))
        for worker in workers:
            worker.wait(timeout=LONGEST_S)
        booked = Decimal(_run("booked", environment).strip())
        return _result(sim, cap, booked, kills)


def _raise_storms(sim: OpenAiSim, chance: random.Random) -> None:
    """Some answers, then failures, refusals to answer, slow answers; the same all over again."""
    for _ in range(4):
        sim.script("perfect", times=chance.randrange(2, 6))
        sim.script("server_error", times=chance.randrange(2, 6))
        sim.script("slow", s=1.0, times=chance.randrange(2, 6))
        sim.script("rate_limited", times=chance.randrange(2, 8), retry_after=0.5)
        sim.script("mutated", times=chance.randrange(2, 6))


def _command(role: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "tests.crash.spending_worker", role, *words]


def _start(environment: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        _command("work", *words), cwd=ROOT, env=environment, stdout=quiet, stderr=quiet
    )


def _run(role: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        _command(role),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=True,
    )
    return done.stdout


def _result(sim: OpenAiSim, cap: Decimal, booked: Decimal, kills: int) -> Result:
    answered = [call for call in sim.calls if call.status == 200]
    costs = [_cost(call.counted) for call in answered]
    asked = Counter(image for call in answered for image in call.images)
    return Result(
        cap=cap,
        spent=sum(costs, Decimal(0)),
        booked=booked,
        dearest=max(costs, default=Decimal(0)),
        answered=len(answered),
        failed=len(sim.calls) - len(answered),
        asked_most=max(asked.values(), default=0),
        kills=kills,
    )


def _cost(counted: Counted) -> Decimal:
    fresh = counted.input_tokens - counted.cached_tokens
    return (
        fresh * INPUT_PRICE
        + counted.cached_tokens * CACHED_PRICE
        + counted.output_tokens * OUTPUT_PRICE
    ) / MILLION


if __name__ == "__main__":
    main()
