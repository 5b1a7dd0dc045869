"""A position that eats its margin is taken over: no loss beyond the margin and the fee."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import ZERO, ExecutionKind, Side
from exchange.paper import margin
from tests.exchange.paper.engine_account import INSTRUMENTS, EngineAccount, order
from tests.exchange.paper.scripted_market import bar, candles, step
from tests.exchange.paper.test_conservation import actions, perform

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
LIQUIDATION = ExecutionKind.LIQUIDATION


def held(side: Side = BUY, leverage: int = 10, *, stop: object = None) -> EngineAccount:
    """Ten units at about 100."""
    account = EngineAccount()
    account.set_leverage(leverage)
    account.place(order(side, 10, stop=stop))  # type: ignore[arg-type]
    account.play(bar(100, 100, 100, 100))
    return account


def levels(account: EngineAccount, leverage: int) -> tuple[Decimal, Decimal]:
    """Where the position is liquidated, and where its margin is gone."""
    position, rules = account.state.positions["BTCUSDT"], INSTRUMENTS["BTCUSDT"]
    at = D(leverage)
    return (
        margin.liquidation_price(position, at, rules),
        margin.bankruptcy_price(position, at, rules),
    )


def test_the_prices_by_hand() -> None:
    account = held()
    entry = account.state.positions["BTCUSDT"].avg_price
    liquidation, bankruptcy = levels(account, 10)
    assert liquidation == entry * D("0.905")
    assert bankruptcy == INSTRUMENTS["BTCUSDT"].ceil_price(entry * D("0.9"))


@pytest.mark.parametrize(("side", "price"), [(BUY, 90), (SELL, 111)])
def test_it_is_taken_over_where_the_maintenance_margin_is_reached(side: Side, price: int) -> None:
    account = held(side)
    account.play(bar(100, max(100, price), min(100, price), price))
    fill = account.executions[-1]
    assert (fill.kind, fill.side, fill.qty) == (LIQUIDATION, side.opposite, D(10))
    assert fill.order_link_id == ""
    assert account.signed_qty() == 0
    assert fill.fee > 0


def test_short_of_it_nothing_happens() -> None:
    account = held()
    account.play(bar(100, 100, 91, 92))
    assert account.signed_qty() == 10


def test_a_stop_before_it_closes_the_position_first() -> None:
    account = held(stop=95)
    account.play(bar(100, 100, 80, 80))
    assert account.executions[-1].kind is ExecutionKind.STOP_LOSS


@pytest.mark.parametrize(("side", "opens"), [(BUY, 50), (SELL, 200)])
def test_a_gap_costs_the_margin_and_the_fee_and_no_more(side: Side, opens: int) -> None:
    account = held(side)
    cost, wallet = account.state.positions["BTCUSDT"].cost, account.state.wallet
    account.play(bar(opens, opens, opens, opens))
    fill = account.executions[-1]
    assert fill.kind is LIQUIDATION
    assert wallet - account.state.wallet <= cost / 10 + fill.fee
    assert margin.available(account.state, INSTRUMENTS) == account.state.wallet


def test_the_mark_price_decides_where_there_is_one() -> None:
    account = held()
    spike = replace(
        step(bar(100, 100, 85, 100), account.state.advanced_to),
        mark_low=D(96),
        mark_high=D(100),
    )
    account.apply(spike)
    assert account.signed_qty() == 10
    fall = replace(spike, start=spike.end, end=spike.end + (spike.end - spike.start))
    account.apply(replace(fall, low=D(97), close=D(97), mark_low=D(90)))
    assert account.executions[-1].kind is LIQUIDATION
    assert account.executions[-1].price > 96


def test_at_leverage_one_a_long_goes_to_the_bottom() -> None:
    account = held(leverage=1)
    account.play(*candles(100, 50, 1))
    assert account.signed_qty() == 10
    account.play(bar(1, 1, "0.2", "0.2"))
    assert account.executions[-1].kind is LIQUIDATION
    assert account.state.wallet > 0


@given(st.sampled_from(Side), st.integers(2, 20), st.integers(0, 40), st.booleans())
def test_no_liquidation_costs_more_than_its_margin(
    side: Side, leverage: int, further: int, gap: bool
) -> None:
    """Price goes past the margin, in one step or over a gap, by up to 40 % more."""
    account = held(side, leverage)
    reached = 100 - side.sign * min(100 // leverage + further + 1, 95)
    start = reached if gap else 100
    account.play(bar(start, max(start, reached), min(start, reached), reached))
    fill = account.executions[-1]
    assert fill.kind is LIQUIDATION
    loss, cost = _loss_and_cost(account, fill.exec_id)
    assert 0 < loss <= cost / leverage + D("0.00000002")
    assert account.signed_qty() == 0


def _loss_and_cost(account: EngineAccount, exec_id: str) -> tuple[Decimal, Decimal]:
    """What the ledger row of a liquidation took, and the cost that its executions released."""
    (entry,) = [one for one in account.ledger if one.exec_id == exec_id]
    fill = next(one for one in account.executions if one.exec_id == exec_id)
    gross = entry.amount + fill.fee
    # Cost is what the closing value and the gain leave of it: s x (value - cost) = gross.
    value = fill.qty * fill.price
    return -gross, value - gross if fill.side is SELL else value + gross


@given(st.lists(actions, max_size=40))
def test_the_wallet_moves_by_the_ledger_alone(script: list[tuple[str, object]]) -> None:
    account = EngineAccount(wallet=2000)
    for action in script:
        before, rows = account.state.wallet, len(account.ledger)
        perform(account, action)
        booked = sum((one.amount for one in account.ledger[rows:]), ZERO)
        assert account.state.wallet - before == booked
        assert booked == booked.quantize(D("0.00000001"))
