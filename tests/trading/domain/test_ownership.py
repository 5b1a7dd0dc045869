"""Whose an execution is, and what explains a position."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchange.domain import Execution, ExecutionKind, Side
from tests.trading.domain.made import instrument as made_instrument
from trading.domain.ownership import (
    Explained,
    Holding,
    Standing,
    average_agrees,
    difference_proved,
    explain_position,
    share_of,
    symbol_closed,
)

D = Decimal
NOW = datetime(2026, 1, 6, tzinfo=UTC)


def execution(
    qty: int = 10,
    side: Side = Side.SELL,
    kind: ExecutionKind = ExecutionKind.TRADE,
    link_id: str = "",
) -> Execution:
    return Execution(
        exec_id="x1",
        order_id="v1",
        order_link_id=link_id,
        symbol="BTCUSDT",
        side=side,
        qty=D(qty),
        price=D(100),
        fee=D(1),
        is_maker=False,
        kind=kind,
        time=NOW,
    )


@pytest.mark.parametrize(
    ("done", "holding", "share"),
    [
        (execution(), None, 0),
        (execution(4), Holding(Side.BUY, D(10)), 4),
        (execution(13), Holding(Side.BUY, D(10)), 10),
        (execution(4, Side.BUY), Holding(Side.BUY, D(10)), 0),
        (execution(4, Side.BUY), Holding(Side.SELL, D(10)), 4),
        (execution(4), Holding(Side.BUY, D(0)), 0),
        (execution(4), Holding(Side.BUY, D(0), working=D(10)), 0),
        (execution(4), Holding(Side.BUY, D(1), reported=D(2)), 3),
    ],
)
def test_somebody_elses_execution_reduces_ours_first_and_never_more(
    done: Execution, holding: Holding | None, share: int
) -> None:
    assert share_of(done, holding) == D(share)


@pytest.mark.parametrize("kind", [one for one in ExecutionKind if one is not ExecutionKind.TRADE])
def test_the_venues_own_orders_may_close_fills_that_are_not_booked_yet(
    kind: ExecutionKind,
) -> None:
    holding = Holding(Side.BUY, D(0), working=D(10))
    assert share_of(execution(10, kind=kind), holding) == D(10)
    assert share_of(execution(10, Side.BUY, kind), holding) == 0


def test_an_order_with_our_prefix_closes_ours() -> None:
    holding = Holding(Side.BUY, D(0), working=D(10))
    assert share_of(execution(10, link_id="at1-abc-p"), holding) == D(10)
    assert share_of(execution(10, link_id="other-abc-p"), holding) == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "standing", "by"),
    [
        (0, 0, Standing.AGREED, 0),
        (-3, -3, Standing.AGREED, 0),
        (0, 5, Standing.EXTERNAL, 5),
        (10, 7, Standing.REDUCED, 3),
        (-10, 0, Standing.REDUCED, 10),
        (-10, -12, Standing.INCREASED, 2),
        (10, -3, Standing.FLIPPED, 13),
    ],
)
def test_a_position_is_explained(ours: int, theirs: int, standing: Standing, by: int) -> None:
    assert explain_position(D(ours), D(theirs)) == Explained(standing, D(by))


def test_an_unknown_order_may_explain_any_difference() -> None:
    assert explain_position(D(0), D(5), True) == Explained(Standing.UNSETTLED, D(5))
    assert explain_position(D(5), D(5), True).standing is Standing.AGREED


def test_averages_may_differ_by_a_hundredth_of_a_percent() -> None:
    assert average_agrees(D(10_000), D(10_001))
    assert not average_agrees(D(10_000), D("10001.1"))


def test_a_difference_is_proved_when_it_lasted_two_seconds() -> None:
    assert not difference_proved(None, 9.0)
    assert not difference_proved(7.5, 9.0)
    assert difference_proved(7.0, 9.0)


def test_a_symbol_is_closed_when_the_venue_takes_nothing_new_or_delists_it() -> None:
    instrument = made_instrument()
    assert symbol_closed(instrument) == ""
    assert "closed for new positions" in symbol_closed(replace(instrument, tradable=False))
    assert "06 Jan 2026" in symbol_closed(replace(instrument, delisting_at=NOW))
