"""Entry, stop and target: behind structure, beyond noise and costs, before the next level."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from analysis.analysts.plan import NoPlan, Plan, make_plan
from analysis.analysts.reading import SideReading
from analysis.domain import Direction, Level
from tests.analysis.candle_makers import instrument
from tests.analysis.test_rubric import LONG

CHEAP = replace(instrument(), taker_fee=Decimal(0))
SIDE = replace(LONG, level=None, swing=97.0)


def plan(
    side: SideReading = SIDE, levels: tuple[Level, ...] = (), *, atr: str = "2", fees: bool = False
) -> Plan:
    found = make_plan(
        side,
        last=Decimal(100),
        atr=Decimal(atr),
        levels=levels,
        instrument=instrument() if fees else CHEAP,
    )
    assert isinstance(found, Plan)
    return found


def test_stop_stands_a_quarter_atr_behind_the_swing() -> None:
    assert plan().stop == Decimal("96.5")


def test_stop_stands_behind_the_level_where_that_is_farther() -> None:
    side = replace(SIDE, level=Level("S1", Decimal("96.8"), 2))
    assert plan(side).stop == Decimal("96.3")


def test_stop_is_at_least_one_atr_away() -> None:
    assert plan(replace(SIDE, swing=99.9)).stop == Decimal(98)


def test_stop_is_at_least_five_and_a_half_round_trips_away() -> None:
    close = plan(replace(SIDE, swing=99.99), atr="0.3", fees=True)
    round_trip = Decimal(100) * (2 * Decimal("0.00055") + Decimal("0.0005"))
    assert close.risk == Decimal("5.5") * round_trip


@pytest.mark.parametrize(("swing", "atr"), [(97.0, "0.7"), (93.0, "3")])
def test_stop_beyond_four_atr_or_six_percent_is_no_plan(swing: float, atr: str) -> None:
    found = make_plan(
        replace(SIDE, swing=swing),
        last=Decimal(100),
        atr=Decimal(atr),
        levels=(),
        instrument=CHEAP,
    )
    assert isinstance(found, NoPlan)
    assert "beyond the limit" in found.reason


def test_target_is_two_and_a_half_times_the_risk() -> None:
    assert plan().target == Decimal("108.75")


def test_target_stands_before_a_proven_level_between_two_and_three_times_the_risk() -> None:
    found = plan(levels=(Level("R1", Decimal(108), 2),))
    assert found.target == Decimal("107.5")
    assert found.in_the_way == ()


def test_unproven_and_nearer_levels_do_not_set_the_target() -> None:
    near, once = Level("R1", Decimal(102), 4), Level("R2", Decimal(108), 1)
    found = plan(levels=(near, once))
    assert found.target == Decimal("108.75")
    assert found.in_the_way == (near,)


def test_proven_level_between_stop_and_entry_guards_the_stop() -> None:
    levels = (Level("S1", Decimal(98), 2), Level("S2", Decimal(95), 5))
    assert plan(levels=levels).behind == levels[0]
    assert plan(levels=levels[1:]).behind is None


def test_late_close_waits_for_a_third_of_a_bar_back() -> None:
    assert plan(replace(SIDE, extension_atr=1.6)).entry == Decimal("99.4")
    assert plan(replace(SIDE, extension_atr=1.4)).entry == Decimal(100)


def test_short_is_the_mirror_of_long() -> None:
    side = replace(SIDE, direction=Direction.SHORT, swing=103.0)
    found = plan(side, levels=(Level("S1", Decimal(92), 2),))
    assert (found.stop, found.target) == (Decimal("103.5"), Decimal("92.5"))


def test_reward_after_costs_counts_fees_and_slippage() -> None:
    found = plan(fees=True)
    costs = Decimal(100) * 2 * Decimal("0.00055") + Decimal("96.5") * Decimal("0.0005")
    assert found.r_net == (Decimal("8.75") - costs) / (Decimal("3.5") + costs)
