"""``python -m tests.crash.kill``: press the kill switch under load, at every level, many times.

Trader and simulated exchange are processes of their own, on PostgreSQL; with ``--redis down``
nobody answers at the broker's address. Every promise is held against the simulator's ledger:
entries that left late, entries that stayed out, positions without a stop, the time to flat. Exit
code 1 when one was broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.stage import open_stage
from tests.crash.tally import DEFAULT, Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.crash.kill_case import Press

PRESSES = 200
# Nobody listens there.
NO_BROKER = "redis://127.0.0.1:9/0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=PRESSES)
    parser.add_argument("--redis", choices=("up", "down"), default="up")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counts", type=Path, default=DEFAULT)
    options = parser.parse_args()
    tally = Tally(options.counts, f"kill switch, Redis {options.redis}")
    found = play(options.presses, redis=options.redis, seed=options.seed, tally=tally, say=_say)
    print("\n".join(figures(found)))
    broken = [text for press in found for text in press.failures]
    if broken:
        sys.exit("\n".join(broken))


def play(
    presses: int, *, redis: str, seed: int, tally: Tally, say: Callable[[str], None]
) -> list[Press]:
    """Press so many times, the levels in turn; what each showed."""
    through = _without_broker if redis == "down" else None
    with open_stage(apart=True, lanes=1, seed=seed, through=through) as stage:
        from tests.crash.kill_case import KillLane
        from tests.crash.matrix import matrix_account
        from trading.choices import KillLevel

        lane = KillLane(stage, matrix_account(0), "1001", seed)
        levels, found = list(KillLevel), []
        for number in range(presses):
            press = lane.press(levels[number % len(levels)])
            found.append(press)
            tally.add(
                f"level {press.level}",
                gap_s=press.gap_s,
                settled_s=max(press.settled_s, default=0.0),
                failures=press.failures,
            )
            verdict = "; ".join(press.failures) or press.words
            say(
                f"{number + 1:>4}/{presses}  level {press.level}  {press.signals:>3} signals"
                f" {press.entries:>2} entries  {verdict}"
            )
        lane.stop()
        return found


def _without_broker(ends: ExitStack, url: str) -> Mapping[str, str]:
    return {"REDIS_URL": NO_BROKER}


def figures(found: Sequence[Press]) -> list[str]:
    """The closing table."""
    late = [press.last_entry_ms for press in found if press.last_entry_ms is not None]
    settled = [one for press in found for one in press.settled_s]
    flat = [press.flat_s for press in found if press.flat_s is not None]
    done = [press.done_s for press in found]
    rows = [
        ("presses", f"{len(found)}, {sum(press.signals for press in found)} signals approved"),
        ("entries that left", str(sum(press.entries for press in found))),
        ("of them after the commit", f"{len(late)}, the last {max(late, default=0)} ms after it"),
        ("entries taken back", f"{len(settled)}, {_spread(settled)}"),
        ("presses to flat", f"{len(flat)}, {_spread(flat)}"),
        ("called done", _spread(done)),
        ("worst time without stop", f"{max((p.gap_s for p in found), default=0):.3f} s"),
        ("broken promises", str(sum(len(press.failures) for press in found))),
    ]
    return [f"  {name:<26}{value}" for name, value in rows]


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    ordered = sorted(values)
    p50, p99 = (ordered[ceil(len(ordered) * share) - 1] for share in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {ordered[-1]:.2f} s"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
