"""``python -m tests.crash.fuzz``: many random sequences of the state machine, counted up over runs.

Each batch has a seed of its own, said before it runs, so that a failure can be played again with
``--seed``. Counts and rules that fired go to ``var/crash.json``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.crash.tally import DEFAULT, Tally, table

STEPS = 40
BATCH = 500
GROUP = "state machine"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000)
    parser.add_argument("--counts", type=Path, default=DEFAULT)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    tally = Tally(options.counts, GROUP)
    broken = play(tally, options.sequences, options.seed)
    print(table(tally.counts()))
    if broken:
        sys.exit(broken)


def play(tally: Tally, sequences: int, seed: int) -> str:
    """Run ``sequences`` of up to 40 steps; returns the first failing one, or ""."""
    from hypothesis import HealthCheck, settings
    from hypothesis import seed as seeded
    from hypothesis.stateful import run_state_machine_as_test

    from tests.crash.machine import FIRED, RULES_TO_FIRE, TradingMachine

    for first in range(0, sequences, BATCH):
        count = min(BATCH, sequences - first)
        number = seed + first
        machine = seeded(number)(type("Machine", (TradingMachine,), {}))
        began = time.monotonic()
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=count,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        except Exception as exc:
            tally.add("sequences", gap_s=0, settled_s=0, failures=[f"seed {number}: {exc}"])
            return f"seed {number}: {exc!r}\n" + "\n".join(getattr(exc, "__notes__", []))
        tally.add("sequences", gap_s=0, settled_s=0, failures=[], times=count)
        share = len(FIRED & RULES_TO_FIRE) / len(RULES_TO_FIRE)
        print(
            f"{first + count:>7}/{sequences}  seed {number}  {time.monotonic() - began:5.1f} s"
            f"  {share:.0%} of {len(RULES_TO_FIRE)} rules fired",
            flush=True,
        )
    return ""


if __name__ == "__main__":
    main()
