"""A share of the crash matrix in every test run; ``make crash`` plays all points many times."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.installation import ROOT
from tests.crash.tally import Tally


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("crash")
@pytest.mark.parametrize(
    ("kind", "points"),
    [
        pytest.param("embedded", ("K10", "K15"), marks=pytest.mark.embedded),
        pytest.param("apart", ("K1", "K10", "K14"), marks=pytest.mark.services),
    ],
)
def test_a_kill_at_a_named_point_costs_nothing(
    tmp_path: Path, kind: str, points: tuple[str, ...]
) -> None:
    counts = tmp_path / "crash.json"
    asked = ["--kind", kind, "--points", ",".join(points), "--each", "1", "--lanes", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.matrix", *asked, "--counts", str(counts)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    played = Tally(counts, f"matrix {kind}").counts()
    assert {point: count.n for point, count in played.items()} == dict.fromkeys(points, 1)
