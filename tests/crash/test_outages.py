"""A smoke share of ``python -m tests.crash.outages``: short outages of a real trader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.installation import ROOT
from tests.crash.outage_line import KINDS, LINES, TARGETS

# What a test's surroundings set for themselves must not lead the run to them.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "AUTOTRADER_DATA")


@pytest.mark.timeout(180)
def test_short_outages_are_survived(tmp_path: Path) -> None:
    counts = tmp_path / "counts.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "tests.crash.outages", "--counts", str(counts)),
            *("--seconds", "0.3,3", "--kinds", "reset", "--targets", "all", "--seed", "5"),
        ],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in FOREIGN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    played = json.loads(counts.read_text())["outages"]
    assert set(played) == {"all reset 0.3 s", "all reset 3 s"}
    assert all(count["n"] == 1 and not count["failed"] for count in played.values())


def test_every_kind_exists_somewhere_and_every_target_has_most() -> None:
    assert all(any(kind.concerns(target) for target in TARGETS) for kind in KINDS)
    for target in TARGETS:
        assert sum(kind.concerns(target) for kind in KINDS) >= 8, target
    assert not any(kind.concerns("REST") for kind in KINDS if kind.name == "mute")
    assert set(LINES) < set(TARGETS)
