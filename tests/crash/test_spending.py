"""Workers that are killed while a model fails do not pass their purse."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.crash.spending import play

pytestmark = pytest.mark.crash


def test_killed_workers_and_a_failing_server_stay_within_the_purse() -> None:
    result = play(Decimal("0.2"), charts=18, kills=1, seed=3)
    assert result.answered > 0
    assert result.failed > 0
    assert result.failures == []
    assert result.booked <= result.cap
