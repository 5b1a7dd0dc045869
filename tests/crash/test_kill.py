"""A few presses of the kill switch under load in every test run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.installation import ROOT
from tests.crash.tally import Tally


@pytest.mark.crash
@pytest.mark.services
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("crash")
@pytest.mark.parametrize("redis", ["up", "down"])
def test_a_press_under_load_keeps_its_promises(tmp_path: Path, redis: str) -> None:
    counts = tmp_path / "crash.json"
    asked = ["--presses", "4", "--redis", redis, "--counts", str(counts)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.kill", *asked],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    played = Tally(counts, f"kill switch, Redis {redis}").counts()
    assert sum(count.n for count in played.values()) == 4
