"""What an account holds and risks, by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from analysis.domain import Direction
from tests.trading.domain.made import exposure, portfolio
from trading.domain.portfolio import Exposure, total_risk

LONG, SHORT = Direction.LONG, Direction.SHORT


@pytest.mark.parametrize(
    ("held", "risk", "at_stop"),
    [
        # 2 x 5 and 2 x 95 x 0.00105 to get out.
        (exposure(qty=2, stop=95), "10.1995", "-10.1995"),
        (exposure(qty=2, stop=105, direction=SHORT), "10.2205", "-10.2205"),
        # The stop locks profit in: only the way out costs.
        (exposure(qty=2, stop=103), "0.2163", "5.7837"),
        (exposure(qty=2, stop=97, direction=SHORT), "0.2037", "5.7963"),
        (exposure(qty=2, stop=100), "0.21", "-0.21"),
    ],
)
def test_risk_and_result_at_the_stop(held: Exposure, risk: str, at_stop: str) -> None:
    assert held.risk == Decimal(risk)
    assert held.pnl_at_stop == Decimal(at_stop)


def test_a_working_entry_risks_its_own_costs_too() -> None:
    # 4 to the stop, 0.055 to get in, 96 x 0.00105 to get out.
    entry = exposure(stop=96, working=True, entry_rate="0.00055")
    assert entry.risk == Decimal("4.1558")


def test_sums_of_what_is_held() -> None:
    held = portfolio(
        exposures=(
            exposure("BTCUSDT", qty=10, stop=95, margin=400),
            exposure("ETHUSDT", qty=5, stop=110, direction=SHORT, margin=100),
        ),
        waiting=(exposure("SOLUSDT", qty=1, stop=90, working=True, margin=50),),
        external_symbols=frozenset({"XRPUSDT"}),
    )
    assert held.slots_used == 3
    assert held.occupied == {"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"}
    assert (held.same_direction(LONG), held.same_direction(SHORT)) == (2, 1)
    assert held.gross_notional == 1600
    assert held.free_margin == 9450
    # 50 + 0.9975, 50 + 0.5775, 10 + 0.0945.
    assert held.open_risk == Decimal("111.6695")
    assert held.direction_risk(LONG) == Decimal("61.0920")
    assert held.direction_risk(SHORT) == Decimal("50.5775")


def test_a_partly_filled_entry_holds_one_slot() -> None:
    held = portfolio(exposures=(exposure(qty=1), exposure(qty=2, working=True)))
    assert held.slots_used == 1
    assert held.same_direction(LONG) == 1


def test_the_worst_end_of_the_day_by_hand() -> None:
    held = portfolio(
        wallet=9900,
        day_start_equity=Decimal(10000),
        transfers_today=Decimal(-200),
        exposures=(
            exposure("BTCUSDT", qty=2, stop=103),
            exposure("ETHUSDT", qty=2, stop=95),
            exposure("SOLUSDT", qty=1, stop=96, working=True, entry_rate="0.00055"),
        ),
        waiting=(exposure("XRPUSDT", qty=1, stop=96, working=True, entry_rate="0.00055"),),
    )
    # 9900 + 5.7837 - 10.1995 - 2 x 4.1558 - 30 - 10000 + 200
    assert held.worst_day_result(Decimal(30)) == Decimal("57.2726")


def test_a_signal_takes_a_slot_and_an_entry_of_the_day() -> None:
    before = portfolio(entries_today=2)
    after = before.with_signal(exposure(working=True))
    assert (after.slots_used, after.entries_today) == (1, 3)
    assert before.slots_used == 0


def test_nothing_risks_nothing() -> None:
    assert total_risk(()) == 0
