"""A share of the state machine in every test run; ``make fuzz`` plays many more."""

from __future__ import annotations

from pathlib import Path

from tests.crash.fuzz import GROUP, play
from tests.crash.machine import FIRED, RULES_TO_FIRE
from tests.crash.tally import Tally


def test_no_sequence_breaks_an_invariant(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "crash.json", GROUP)
    assert play(tally, 400, seed=1) == ""
    assert tally.counts()["sequences"].n == 400
    assert len(FIRED & RULES_TO_FIRE) / len(RULES_TO_FIRE) >= 0.95
