"""Slippage is worse above 0 on either side; what has no reference has no figure."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.domain import Side
from trading.domain.slippage import PricedFill, entry_slippage, excursion_r, exit_slippage

D = Decimal


@pytest.mark.parametrize(
    ("side", "value", "worse_by"),
    [(Side.BUY, "1001", "1"), (Side.BUY, "999", "-1"), (Side.SELL, "999", "1")],
)
def test_entry_is_measured_against_the_signal(side: Side, value: str, worse_by: str) -> None:
    assert entry_slippage(side, D(value), D(10), D(100)) == D(worse_by)


@pytest.mark.parametrize(
    ("side", "price", "worse_by"),
    [(Side.BUY, "94.9", "1"), (Side.BUY, "95.2", "-2"), (Side.SELL, "95.1", "1")],
)
def test_exit_is_measured_against_its_level(side: Side, price: str, worse_by: str) -> None:
    assert exit_slippage(side, [PricedFill(D(10), D(price), D(95))]) == D(worse_by)


def test_exits_of_several_levels_add_up() -> None:
    fills = [PricedFill(D(4), D(110), D(111)), PricedFill(D(6), D("94.5"), D(95))]
    assert exit_slippage(Side.BUY, fills) == D(7)


def test_an_exit_without_reference_leaves_all_unknown() -> None:
    fills = [PricedFill(D(4), D(110), D(111)), PricedFill(D(6), D(95), None)]
    assert exit_slippage(Side.BUY, fills) is None
    assert exit_slippage(Side.BUY, []) is None


@pytest.mark.parametrize(
    ("side", "price", "r"),
    [(Side.BUY, "110", "2"), (Side.BUY, "97.5", "-0.5"), (Side.SELL, "90", "2")],
)
def test_excursion_counts_in_units_of_the_first_risk(side: Side, price: str, r: str) -> None:
    stop = D(95) if side is Side.BUY else D(105)
    assert excursion_r(side, D(100), stop, D(price)) == D(r)


def test_excursion_needs_a_price_and_a_risk() -> None:
    assert excursion_r(Side.BUY, D(100), D(95), None) is None
    assert excursion_r(Side.BUY, D(100), D(100), D(110)) is None
