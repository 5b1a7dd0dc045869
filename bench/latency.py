"""From the commit of a decision to the order's POST at the exchange: entries at rest, exits under
full load.

Real processes on a PostgreSQL that writes to the disk, Redis and the simulated exchange.
``python -m bench.latency`` measures and prints JSON last; ``run`` calls it that way, because Django
reads the environment once per process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.crash.stage import Stage, open_stage
from tests.servers import ServiceMissing

if TYPE_CHECKING:
    from bench.latency_scene import Scene

ROOT = Path(__file__).resolve().parents[1]
# What a run of all benches can spare; --approvals and --closes ask for more.
APPROVALS, CLOSES = 50, 15
NO_SERVICE = 3


def run() -> dict[str, float]:
    """Milliseconds, 50th and 99th percentile, and ratios to a bare commit and POST.

    Where a server can't be had, a line says why and the figures are left out.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.latency"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == NO_SERVICE:
        print(f"latency    not measured: {done.stderr.strip()}")
        return {}
    if done.returncode != 0:
        raise RuntimeError(f"the latency could not be measured:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(approvals: int, closes: int, seed: int) -> dict[str, float]:
    """``approvals`` entries, each closed again, with the machine at rest; then ``closes`` of new
    positions while every processor has two other things to do and 200 cycles wait."""
    with open_stage(apart=True, lanes=1, seed=seed, durable=True) as stage:
        from bench.latency_scene import Scene

        scene = Scene(stage, seed)
        scene.open()
        found = _told(_at_rest(scene, Bare(stage.venue.url), approvals))
        found |= _told(_under_load(scene, stage, Bare(stage.venue.url), closes))
        scene.stop()
        stage.worker.stop()
        return found


def _told(figures: dict[str, float]) -> dict[str, float]:
    """A long run shows what it has."""
    for name, value in figures.items():
        print(f"{name:<32} {value:>12,.2f}", flush=True)
    return figures


class Bare:
    """The least a decision can cost: one commit, one POST over a connection that stands."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)

    def once_ms(self) -> float:
        from django.utils import timezone

        from trading.models import Lease

        began = perf_counter()
        Lease.objects.update(acquired_at=timezone.now())
        self._connection.request("POST", "/v5/order/create", b"{}")
        self._connection.getresponse().read()
        return (perf_counter() - began) * 1000


def _at_rest(scene: Scene, bare: Bare, count: int) -> dict[str, float]:
    entries, exits, baseline = [], [], []
    # What others do on this machine slows product and baseline alike.
    load_before = os.getloadavg()[0]
    for _ in range(count):
        baseline.append(bare.once_ms())
        took_ms, trade = scene.enter()
        entries.append(took_ms)
        exits.append(scene.close(trade))
    return (
        _figures("approval_to_post", entries, baseline)
        | _figures("close_to_post", exits, baseline)
        | {
            "bare_commit_and_post_p50_ms": round(median(baseline), 2),
            "load_average_before": round(load_before, 2),
        }
    )


def _under_load(scene: Scene, stage: Stage, bare: Bare, count: int) -> dict[str, float]:
    from bench.latency_load import Backlog, busy_processors
    from bench.latency_scene import SYMBOLS

    backlog = Backlog(scene.account, SYMBOLS)
    backlog.fill()
    stage.worker.keep_running()
    entries, exits, baseline = [], [], []
    with busy_processors():
        for _ in range(count):
            took_ms, trade = scene.enter()
            entries.append(took_ms)
            backlog.fill()
            baseline.append(bare.once_ms())
            exits.append(scene.close(trade))
    return (
        _figures("loaded_close_to_post", exits, baseline)
        | _figures("loaded_approval_to_post", entries, baseline)
        | {
            "loaded_bare_p50_ms": round(median(baseline), 2),
            "loaded_cycles_done": float(backlog.done()),
        }
    )


def _figures(name: str, times: list[float], baseline: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50_ms": round(median(times), 2),
        f"{name}_p99_ms": round(percentile(times, 99), 2),
        f"{name}_to_bare": round(median(times) / median(baseline), 2),
    }


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that at least ``percent`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--approvals", type=int, default=APPROVALS)
    parser.add_argument("--closes", type=int, default=CLOSES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        found = measure(options.approvals, options.closes, options.seed)
    except ServiceMissing as exc:
        print(exc, file=sys.stderr)
        sys.exit(NO_SERVICE)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
