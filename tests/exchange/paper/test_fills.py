"""Fill rules as tables: an order, the bars that follow, the executions expected.

Unless a case says otherwise bars have a volume of 1000 and a spread of 0.2 on a tick of 0.1, so
taking 10 costs 0.1 and 0.03 % of the price, rounded against the account.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.domain import OrderRequest, Side, VenueOrderStatus
from exchange.paper.fills import MAX_SLIPPAGE, slippage, taker_price
from exchange.paper.state import Place
from tests.exchange.paper.engine_account import EngineAccount, order
from tests.exchange.paper.scripted_market import (
    MINUTE,
    START,
    Bar,
    bar,
    candles,
    instrument,
    step,
)

BUY, SELL = Side.BUY, Side.SELL


@dataclass(frozen=True)
class Case:
    """What happens to ``orders`` on ``bars``; fills as "kind side qty price liquidity"."""

    name: str
    orders: list[OrderRequest]
    bars: list[Bar]
    fills: list[str]


def played(orders: list[OrderRequest], bars: list[Bar]) -> EngineAccount:
    account = EngineAccount()
    for request in orders:
        assert account.place(request).refusal is None
    account.play(*bars)
    return account


def written(account: EngineAccount) -> list[str]:
    return [
        f"{one.kind} {one.side} {one.qty.normalize():f} {one.price.normalize():f}"
        f" {'maker' if one.is_maker else 'taker'}"
        for one in account.executions
    ]


ENTRIES = [
    Case(
        "market buy pays the costs", [order(BUY)], candles(100, 101), ["trade buy 10 100.2 taker"]
    ),
    Case(
        "market sell pays them too", [order(SELL)], candles(100, 99), ["trade sell 10 99.8 taker"]
    ),
    Case(
        "wide spread",
        [order(BUY)],
        [bar(100, 101, 99, 100, spread=1)],
        ["trade buy 10 100.6 taker"],
    ),
    Case(
        "narrow spread counts as a tick",
        [order(BUY)],
        [bar(100, 101, 99, 100, spread=0)],
        ["trade buy 10 100.2 taker"],
    ),
    Case(
        "a quarter of the volume moves the price",
        [order(BUY, 250)],
        [bar(200, 200, 200, 200)],
        ["trade buy 250 200.3 taker"],
    ),
    Case(
        "nothing traded: the highest slippage",
        [order(BUY)],
        [bar(100, 100, 100, 100, volume=0)],
        ["trade buy 10 101.1 taker"],
    ),
    Case("limit is only touched", [order(BUY, 10, 99)], candles(100, 99), []),
    Case(
        "limit is traded through",
        [order(BUY, 10, 99)],
        candles(100, "98.9"),
        ["trade buy 10 99 maker"],
    ),
    Case(
        "limit to sell is only touched",
        [order(SELL, 10, 101)],
        candles(100, 101),
        [],
    ),
    Case(
        "limit to sell is traded through",
        [order(SELL, 10, 101)],
        candles(100, "101.1"),
        ["trade sell 10 101 maker"],
    ),
    Case(
        "resting limit is opened beyond",
        [order(BUY, 10, 99)],
        [*candles(100, "99.5"), bar(98, "98.5", "97.8", 98)],
        ["trade buy 10 98 maker"],
    ),
    Case(
        "limit beyond the market on arrival takes",
        [order(BUY, 10, 101)],
        candles(100, 102),
        ["trade buy 10 100 taker"],
    ),
    Case(
        "limit to sell beyond the market on arrival takes",
        [order(SELL, 10, 99)],
        candles(100, 98),
        ["trade sell 10 100 taker"],
    ),
    Case(
        "a tenth of the volume per step",
        [order(BUY, 10, 99)],
        [bar(98, 98, 98, 98, volume=40)] * 4,
        ["trade buy 4 98 taker", "trade buy 4 98 maker", "trade buy 2 98 maker"],
    ),
    Case(
        "at least one quantity step",
        [order(BUY, 10, 99)],
        [bar(100, 100, 98, 98, volume="0.005")],
        ["trade buy 0.001 99 maker"],
    ),
    Case(
        "immediate order is capped by its limit",
        [order(BUY, 10, "100.1", ioc=True)],
        candles(100, 101),
        ["trade buy 10 100.1 taker"],
    ),
    Case(
        "immediate sell is capped by its limit",
        [order(SELL, 10, "99.9", ioc=True)],
        candles(100, 101),
        ["trade sell 10 99.9 taker"],
    ),
    Case("immediate order behind the book", [order(BUY, 10, 100, ioc=True)], candles(100, 90), []),
    Case(
        "immediate order takes a tenth of the volume",
        [order(BUY, 10, 101, ioc=True)],
        [bar(100, 100, 100, 100, volume=40)] * 2,
        ["trade buy 4 100.2 taker"],
    ),
]

BRACKET = order(BUY, stop=97, target=103)
SHORT_BRACKET = order(SELL, stop=103, target=97)
IN = "trade buy 10 100.2 taker"
SHORT_IN = "trade sell 10 99.8 taker"

LEVELS = [
    Case(
        "stop is reached",
        [BRACKET],
        candles(100, 100, 96),
        [IN, "stop_loss sell 10 96.8 taker"],
    ),
    Case(
        "stop is only touched",
        [BRACKET],
        candles(100, 100, 97),
        [IN, "stop_loss sell 10 96.8 taker"],
    ),
    Case(
        "stop is jumped over",
        [BRACKET],
        [*candles(100, 100), bar(95, 96, 94, 95)],
        [IN, "stop_loss sell 10 94.8 taker"],
    ),
    Case(
        "stop of a short",
        [SHORT_BRACKET],
        candles(100, 100, 104),
        [SHORT_IN, "stop_loss buy 10 103.2 taker"],
    ),
    Case(
        "stop of a short is jumped over",
        [SHORT_BRACKET],
        [*candles(100, 100), bar(105, 105, 104, 104)],
        [SHORT_IN, "stop_loss buy 10 105.2 taker"],
    ),
    Case(
        "target is reached",
        [BRACKET],
        candles(100, 100, 103),
        [IN, "take_profit sell 10 103 taker"],
    ),
    Case(
        "target is jumped over",
        [BRACKET],
        [*candles(100, 100), bar(104, 105, 104, 105)],
        [IN, "take_profit sell 10 104 taker"],
    ),
    Case(
        "target of a short",
        [SHORT_BRACKET],
        candles(100, 100, "96.5"),
        [SHORT_IN, "take_profit buy 10 97 taker"],
    ),
    Case(
        "target of a short is jumped over",
        [SHORT_BRACKET],
        [*candles(100, 100), bar(96, 96, 95, 95)],
        [SHORT_IN, "take_profit buy 10 96 taker"],
    ),
    Case(
        "a bar with both counts as the stop",
        [BRACKET],
        [*candles(100, 100), bar(100, 104, 96, 103)],
        [IN, "stop_loss sell 10 96.8 taker"],
    ),
    Case(
        "a bar with both counts as the stop of a short",
        [SHORT_BRACKET],
        [*candles(100, 100), bar(100, 104, 96, 97)],
        [SHORT_IN, "stop_loss buy 10 103.2 taker"],
    ),
    Case(
        "an open beyond the target comes before the stop",
        [BRACKET],
        [*candles(100, 100), bar(104, 104, 96, 96)],
        [IN, "take_profit sell 10 104 taker"],
    ),
    Case(
        "in the bar of entry the stop counts",
        [BRACKET],
        [bar(100, 104, 96, 103)],
        [IN, "stop_loss sell 10 96.8 taker"],
    ),
    Case(
        "in the bar of entry the target does not",
        [BRACKET],
        [bar(100, 104, 99, "102.5"), bar("102.5", "102.9", 102, 102)],
        [IN],
    ),
    Case(
        "in the bar after the entry the target does",
        [BRACKET],
        [bar(100, 104, 99, "103.5"), bar("103.5", 104, 103, 103)],
        [IN, "take_profit sell 10 103.5 taker"],
    ),
    Case(
        "limit entry and its stop in one bar",
        [order(BUY, 10, 99, stop=97)],
        [bar(100, 101, 96, 100)],
        ["trade buy 10 99 maker", "stop_loss sell 10 96.8 taker"],
    ),
    Case(
        "limit entry opened beyond its own stop",
        [order(BUY, 10, 99, stop=97)],
        [*candles(100, "99.5"), bar(96, "96.5", 95, 96)],
        ["trade buy 10 96 maker", "stop_loss sell 10 95.8 taker"],
    ),
    Case(
        "the nearer of two limits is met first",
        [order(BUY, 10, 98), order(BUY, 20, 99)],
        candles(100, 97),
        ["trade buy 20 99 maker", "trade buy 10 98 maker"],
    ),
    Case(
        "the stop lies before a deeper limit",
        [BRACKET, order(BUY, 5, 95)],
        candles(100, 94),
        [IN, "stop_loss sell 10 96.8 taker", "trade buy 5 95 maker"],
    ),
]


@pytest.mark.parametrize("case", [*ENTRIES, *LEVELS], ids=lambda case: case.name)
def test_bars_give_executions(case: Case) -> None:
    assert written(played(case.orders, case.bars)) == case.fills


def test_order_is_not_matched_against_a_step_that_ended_before_it() -> None:
    account = EngineAccount()
    account.play(*candles(100, 100))
    account.place(order(BUY))
    before = account.state
    account.apply(step(bar(90, 90, 90, 90), START))

    assert account.executions == []
    assert account.state == before


def test_fill_at_the_open_carries_the_start_of_the_step_and_the_stop_its_middle() -> None:
    account = played([BRACKET], candles(100, 100, 96))

    assert [one.time for one in account.executions] == [
        START,
        START + MINUTE + timedelta(seconds=30),
    ]


@pytest.mark.parametrize("limit", [None, 99], ids=["market", "limit"])
def test_order_placed_within_a_step_is_not_filled_before_it_was_placed(limit: int | None) -> None:
    account = EngineAccount()
    late = START + timedelta(seconds=45)
    request = order(BUY, 10, limit, stop=97, link_id="late")
    account.apply(Place(request, late, account.last))
    account.apply(step(bar(100, 101, 96, 97), START))

    assert [one.time for one in account.executions] == [late, late]


@pytest.mark.parametrize("limit", [None, 99], ids=["market", "immediate limit"])
def test_open_that_is_older_than_the_order_can_not_be_had_any_more(limit: int | None) -> None:
    """After a silence a step tells minutes at once: who orders now can't buy at the old price."""
    told, began = START + timedelta(seconds=90), START
    silence = replace(step(bar(95, 98, 94, 97), START), start=told, end=told + MINUTE, began=began)
    account = EngineAccount()
    request = order(BUY, 10, limit, ioc=limit is not None, link_id="late")
    account.apply(Place(request, told, account.last))
    account.apply(silence)

    (fill,) = account.executions
    assert fill.price > 97
    assert fill.time == silence.end


def test_order_that_was_there_when_the_step_began_is_filled_at_its_open() -> None:
    account = EngineAccount()
    account.apply(Place(order(BUY, link_id="early"), START, account.last))
    account.apply(replace(step(bar(95, 98, 94, 97), START), start=START, began=START))
    assert account.executions[0].price < 96


def test_order_placed_within_a_step_is_not_cancelled_before_it_was_placed() -> None:
    account = played([BRACKET], candles(100, 100))
    late = START + timedelta(seconds=105)
    account.apply(Place(order(SELL, 5, 110, reduce_only=True, link_id="late"), late, account.last))
    account.apply(step(bar(100, 101, 96, 97), START + MINUTE))

    assert account.orders["late"].status is VenueOrderStatus.CANCELLED
    assert account.orders["late"].updated_at == late


def test_step_of_the_past_does_not_turn_back_an_empty_account() -> None:
    account = EngineAccount()
    account.play(*candles(100, 100))
    account.apply(step(bar(90, 90, 90, 90), START - MINUTE))

    assert account.state.advanced_to == START + MINUTE


def test_gap_through_the_stop_is_filled_at_the_start_of_the_step() -> None:
    account = played([BRACKET], [*candles(100, 100), bar(95, 96, 94, 95)])

    assert account.executions[-1].time == START + MINUTE


def test_rest_of_an_immediate_order_is_cancelled_with_its_reason() -> None:
    account = played([order(BUY, 10, 101, ioc=True)], [bar(100, 100, 100, 100, volume=40)])

    done = account.orders["a1"]
    assert done.status is VenueOrderStatus.CANCELLED
    assert (done.filled_qty, done.reject_reason) == (Decimal(4), "immediate_or_cancel")


def test_slippage_grows_with_the_square_root_and_is_capped() -> None:
    assert slippage(Decimal(1), Decimal(100)) == Decimal("0.0003")
    assert slippage(Decimal(4), Decimal(100)) == Decimal("0.0004")
    assert slippage(Decimal(10**9), Decimal(1)) == MAX_SLIPPAGE
    assert slippage(Decimal(1), Decimal(0)) == MAX_SLIPPAGE


@pytest.mark.parametrize("ioc", [False, True])
def test_short_steps_cost_what_their_minute_costs(ioc: bool) -> None:
    account = EngineAccount()
    account.place(order(BUY, 90, "1000.7" if ioc else None, ioc=ioc))
    half_minute = step(bar(1000, 1000, 1000, 1000, volume=500), START)
    account.apply(replace(half_minute, end=START + MINUTE / 2))

    assert written(account) == ["trade buy 90 1000.6 taker"]


def test_sale_of_a_coin_worth_a_tick_still_has_a_price() -> None:
    tiny = step(bar("0.1", "0.1", "0.1", "0.1", spread=0), START)

    price = taker_price(tiny.open, SELL, Decimal(1), tiny, instrument())

    assert price == Decimal("0.1")
