"""A venue that does not answer for long is compared with as soon as it does."""

from __future__ import annotations

from tests.trading.execution.floor import Floor
from trading.models import Lease


def test_after_a_long_silence_the_first_answer_counts_at_once(floor: Floor) -> None:
    floor.on_bybit()
    floor.opened()
    floor.venue.down.add("executions")
    floor.leap(61, 0.1)
    assert not Lease.objects.get().reconciled
    floor.leap(*[1.0] * 40)
    assert not Lease.objects.get().reconciled
    floor.venue.down.clear()
    floor.leap(1)
    assert Lease.objects.get().reconciled
