"""Every kind of ambiguous answer once in each mode of duplicate ids: a smoke share of
``python -m tests.crash.ambiguous``."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.crash.ambiguous_case import DUPLICATE_MODES, KINDS, Case, Kind, virtual_world


@pytest.fixture
def surroundings(
    transactional_db: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data folder of the test's own, and leases by the virtual clock everywhere."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr("trading.execution.lease.database_now", lambda clock: clock.now())


@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize("duplicate_ids", DUPLICATE_MODES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_ambiguous_answer_neither_doubles_nor_loses_the_entry(
    kind: Kind, duplicate_ids: str
) -> None:
    seed = KINDS.index(kind)
    # Each kind meets a trader that hears its stream, and one that hears nothing.
    deaf = (seed + DUPLICATE_MODES.index(duplicate_ids)) % 2 == 0
    lag_ms = (0, 3000)[seed // 2 % 2]
    with virtual_world(seed=seed, duplicate_ids=duplicate_ids, deaf=deaf, lag_ms=lag_ms) as world:
        outcome = Case(world, kind, step_s=1.0).play()
    assert outcome.failures == []
    if kind.taken:
        assert outcome.resolved_s < 15
    else:
        # Absence is proved by time, not by a first look.
        assert outcome.resolved_s >= 30


@pytest.mark.usefixtures("surroundings")
def test_the_ledger_tells_when_an_expectation_is_broken() -> None:
    wrong = Kind("taken, against what is expected", "drop_after", {}, False)
    with virtual_world(seed=1, duplicate_ids="reject") as world:
        outcome = Case(world, wrong).play()
    assert outcome.failures[:2] == [
        "the exchange took 1 orders",
        "the order ended filled instead of not_placed",
    ]
