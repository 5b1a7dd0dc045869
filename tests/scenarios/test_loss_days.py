"""No entry is taken that could break the daily limit, by the venue's ledger: a few of the days that
``python -m tests.scenarios.loss_days`` plays by the hundred."""

from __future__ import annotations

import pytest

from tests.scenarios.loss_days import LIMIT, play_life

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_entry_is_taken_beyond_the_daily_limit() -> None:
    played = play_life(1, seed=7)
    assert played.broken == []
    # The days were such that the limit had something to refuse, and something to let through.
    assert played.refused["daily_loss"] > 0
    assert len(played.entries) > 3
    assert min(one.share for one in played.entries) < -LIMIT / 2
