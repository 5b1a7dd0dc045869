"""``python -m tests.crash.ambiguous``: send entries whose answers go wrong, and ask the ledger.

Every kind of fault times every mode of duplicate ids, on a virtual clock, or with ``--real-time``
over real HTTP. Cases count into ``var/crash.json`` and add up over runs. Exit code 1 when an entry
was doubled, lost, left without a stop, or not resolved within 40 s.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.tally import DEFAULT, Tally, table

if TYPE_CHECKING:
    from tests.crash.ambiguous_case import Kind, Outcome

SAY_EVERY_S = 20.0
SIDE_BY_SIDE = 8
LAGS_MS = (0, 300, 3000)


@dataclass(frozen=True, slots=True)
class Plan:
    """One case to play. ``deaf``: the trader hears no stream, only answers to its questions, and
    those know nothing of the last ``lag_ms``."""

    kind: Kind
    duplicate_ids: str
    seed: int
    deaf: bool
    lag_ms: int

    @property
    def name(self) -> str:
        return f"{self.kind.name}/{self.duplicate_ids.split('_')[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="of each kind and mode")
    parser.add_argument("--real-time", type=int, default=0, help="so many over HTTP instead")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--counts", type=Path, default=DEFAULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autotrader-ambiguous-") as folder:
        open_database(Path(folder))
        real = options.real_time > 0
        # One round of all kinds and modes is the least, so there are enough to choose from.
        plans = list(_plans(options.real_time or options.cases, options.seed))
        if real:
            plans = plans[: options.real_time]
        tally = Tally(options.counts, "ambiguous real time" if real else "ambiguous virtual")
        broken = play_all(plans, tally, real=real, say=lambda text: print(text, flush=True))
    print(table(tally.counts()))
    if broken:
        sys.exit("\n".join(broken))


def open_database(folder: Path) -> None:
    """A database of its own; nothing of the product may be imported before."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["AUTOTRADER_DATA"] = str(folder)
    os.environ["LOG_LEVEL"] = "ERROR"
    for name in ("DATABASE_URL", "REDIS_URL", "HEARTBEAT_URL"):
        os.environ.pop(name, None)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _plans(cases: int, seed: int) -> Iterator[Plan]:
    from tests.crash.ambiguous_case import DUPLICATE_MODES, KINDS

    for number in range(cases):
        for kind_number, kind in enumerate(KINDS):
            for mode_number, mode in enumerate(DUPLICATE_MODES):
                deaf = (number + kind_number + mode_number) % 2 == 0
                lag_ms = LAGS_MS[(number + mode_number) % len(LAGS_MS)]
                yield Plan(kind, mode, seed + number * len(KINDS) + kind_number, deaf, lag_ms)


def play_all(
    plans: list[Plan], tally: Tally, *, real: bool, say: Callable[[str], object]
) -> list[str]:
    """Play the cases, count each at once. Returns sentences about what was broken."""
    broken: list[str] = []
    said = started = time.monotonic()
    with ThreadPoolExecutor(SIDE_BY_SIDE if real else 1) as pool:
        outcomes = pool.map(_play_real if real else _play_virtual, plans)
        for number, (plan, outcome) in enumerate(zip(plans, outcomes, strict=True), 1):
            tally.add(
                plan.name,
                gap_s=outcome.gap_s,
                settled_s=outcome.resolved_s,
                failures=outcome.failures,
            )
            broken += [f"{plan.name}, seed {plan.seed}: {text}" for text in outcome.failures]
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                say(f"{number} of {len(plans)} cases, {len(broken)} broken, {said - started:.0f} s")
    return broken


def _play_virtual(plan: Plan) -> Outcome:
    from tests.crash.ambiguous_case import Case, virtual_world

    with virtual_world(
        seed=plan.seed,
        duplicate_ids=plan.duplicate_ids,
        deaf=plan.deaf,
        lag_ms=plan.lag_ms,
    ) as world:
        return Case(world, plan.kind).play()


def _play_real(plan: Plan) -> Outcome:
    from django.db import connection

    from tests.crash.ambiguous_case import Case, real_world

    try:
        with real_world(seed=plan.seed, duplicate_ids=plan.duplicate_ids) as world:
            return Case(world, plan.kind).play()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
