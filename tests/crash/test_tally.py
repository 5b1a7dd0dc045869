"""Counts add up over runs and processes; the bound is honest."""

from __future__ import annotations

from pathlib import Path

from tests.crash.tally import Tally, table


def test_counts_add_up_over_runs(tmp_path: Path) -> None:
    path = tmp_path / "crash.json"
    Tally(path, "matrix").add("K9", gap_s=0.2, settled_s=31, failures=[])
    Tally(path, "matrix").add("K9", gap_s=0.0, settled_s=33.5, failures=[])
    Tally(path, "other").add("K9", gap_s=9, settled_s=9, failures=[])
    count = Tally(path, "matrix").counts()["K9"]
    assert (count.n, count.failed, count.worst_gap_s, count.worst_settled_s) == (2, 0, 0.2, 33.5)
    assert count.bound == 1


def test_a_failure_leaves_no_bound_and_is_told(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "crash.json", "matrix")
    tally.add("K1", gap_s=0, settled_s=1, failures=[])
    count = tally.add("K1", gap_s=7, settled_s=1, failures=["BTCUSDT stood without a stop"])
    assert (count.n, count.failed, count.bound) == (2, 1, None)
    text = table(tally.counts())
    assert "K1" in text
    assert "7.000 s" in text
    assert tally.counts()["K1"].failures == ["BTCUSDT stood without a stop"]
