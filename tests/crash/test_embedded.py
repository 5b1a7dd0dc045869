"""The embedded process killed in the middle of its work, three times for every test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.embedded import CrashRun
from tests.crash.installation import Installation

KILLS = 3

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]


def test_killed_system_comes_back_without_second_order_bare_position_or_wrong_ledger(
    tmp_path: Path,
) -> None:
    place = Installation(tmp_path)
    place.prepare(market="replay", seed=4, kills=KILLS)
    report = CrashRun(place, seed=4, say=print).run(KILLS)
    assert report.failures == [], place.output()
    assert report.kills == KILLS
    # One audit before the first kill, one after each, one at rest after an orderly stop.
    assert len(report.settled_s) == report.audits == KILLS + 2
    assert report.activity.duplicates == 0
