"""What the paper venue takes and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from exchange.domain import OrderRequest, Side
from exchange.paper import margin
from tests.exchange.paper.engine_account import INSTRUMENTS, EngineAccount, order
from tests.exchange.paper.scripted_market import bar

BUY, SELL = Side.BUY, Side.SELL
FLAT = bar(100, 100, 100, 100)


def code(account: EngineAccount, request: OrderRequest) -> str | None:
    refusal = account.place(request).refusal
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (order(BUY, symbol="NOSUCHUSDT"), "unknown_symbol"),
        (order(BUY, link_id="x" * 37), "link_id_invalid"),
        (order(BUY, 10, "99.95"), "price_not_on_tick"),
        (order(BUY, stop="97.05"), "price_not_on_tick"),
        (order(BUY, target="103.05"), "price_not_on_tick"),
        (order(BUY, stop=0), "price_not_on_tick"),
        (order(BUY, 10, 0), "price_missing"),
        (order(BUY, "0.0015"), "qty_not_on_step"),
        (order(BUY, "0.001"), "qty_below_minimum"),
        (order(BUY, 0), "qty_below_minimum"),
        (order(BUY, 1001), "qty_above_maximum"),
        (order(BUY, "0.04"), "notional_below_minimum"),
        (order(BUY, 10, stop=100), "stop_wrong_side"),
        (order(SELL, 10, stop=99), "stop_wrong_side"),
        (order(BUY, 10, 98, stop=99), "stop_wrong_side"),
        (order(BUY, 10, target=100), "target_wrong_side"),
        (order(SELL, 10, target=101), "target_wrong_side"),
        (order(SELL, 10, reduce_only=True), "reduce_only"),
        (order(SELL, 0, close_all=True), "reduce_only"),
        (order(BUY, 1000), "insufficient_margin"),
    ],
)
def test_order_is_refused(request_: OrderRequest, expected: str) -> None:
    account = EngineAccount(wallet=100_000)
    before = account.state

    assert code(account, request_) == expected
    assert account.state is before


@pytest.mark.parametrize("request_", [order(BUY, "0.05"), order(BUY, 1000, "0.1")])
def test_smallest_value_and_largest_quantity_are_taken(request_: OrderRequest) -> None:
    assert code(EngineAccount(), request_) is None


def test_limit_order_without_a_price_is_refused() -> None:
    priceless = replace(order(BUY, 10, 99), price=None)

    assert code(EngineAccount(), priceless) == "price_missing"


def test_link_id_of_a_working_order_is_refused() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, 99, link_id="same"))

    assert code(account, order(BUY, 10, 98, link_id="same")) == "duplicate_link_id"


def test_reduce_only_order_on_the_side_of_the_position_is_refused() -> None:
    account = EngineAccount()
    account.place(order(BUY))
    account.play(FLAT)

    assert code(account, order(BUY, 1, reduce_only=True)) == "reduce_only"


def test_part_below_the_minimum_can_be_closed() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, 99))
    account.play(bar(100, 100, 98, 98, volume="0.005"))
    account.cancel("a1")

    assert code(account, order(SELL, "0.001", reduce_only=True)) is None


def test_reduce_only_order_is_cut_to_the_position() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)
    account.place(order(SELL, 50, 110, reduce_only=True))

    assert account.orders["a2"].qty == 10


def test_levels_of_a_reduce_only_order_are_ignored() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)
    account.place(order(SELL, 5, reduce_only=True, stop=99))

    assert account.orders["a2"].stop_loss is None


def test_cancel_needs_a_working_order_of_that_symbol() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, 99))

    for outcome in (account.cancel("other"), account.cancel("a1", symbol="ETHUSDT")):
        assert outcome.refusal is not None
        assert outcome.refusal.code == "order_not_open"
    assert account.cancel("a1").refusal is None
    assert account.state.orders == {}


def test_levels_can_be_set_moved_and_removed() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)

    account.set_levels(95, 110)
    account.set_levels(97, 110)
    assert account.state.positions["BTCUSDT"].stop_loss == 97
    account.set_levels(None, None)
    assert account.state.positions["BTCUSDT"].stop_loss is None


def test_setting_the_same_levels_again_leaves_the_state_alone() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, stop=95))
    account.play(FLAT)
    before = account.state

    assert account.set_levels(95, None).refusal is None
    assert account.state is before


@pytest.mark.parametrize(("last", "stop", "target"), [(104, 99, 103), (94, 95, 110)])
def test_unchanged_level_that_price_has_passed_does_not_block_the_other(
    last: int, stop: int, target: int
) -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, stop=95, target=103))
    account.play(FLAT)
    account.last = Decimal(last)

    assert account.set_levels(stop, target).refusal is None
    held = account.state.positions["BTCUSDT"]
    assert (held.stop_loss, held.take_profit) == (Decimal(stop), Decimal(target))


@pytest.mark.parametrize(
    ("stop", "target", "expected"),
    [
        (101, None, "stop_wrong_side"),
        (None, 99, "target_wrong_side"),
        ("95.05", None, "price_not_on_tick"),
    ],
)
def test_level_beyond_the_market_is_refused(
    stop: int | None, target: int | None, expected: str
) -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)

    refusal = account.set_levels(stop, target).refusal
    assert refusal is not None
    assert refusal.code == expected


def test_levels_need_a_position() -> None:
    refusal = EngineAccount().set_levels(95, None).refusal

    assert refusal is not None
    assert refusal.code == "no_position"


@pytest.mark.parametrize(
    ("leverage", "symbol", "expected"),
    [
        ("0.5", "BTCUSDT", "leverage_too_low"),
        (21, "BTCUSDT", "leverage_too_high"),
        (2, "NOSUCHUSDT", "unknown_symbol"),
    ],
)
def test_leverage_is_refused(leverage: int, symbol: str, expected: str) -> None:
    refusal = EngineAccount().set_leverage(leverage, symbol).refusal

    assert refusal is not None
    assert refusal.code == expected


def test_leverage_divides_the_margin() -> None:
    account = EngineAccount(wallet=1000)
    assert code(account, order(BUY, 15)) == "insufficient_margin"

    account.set_leverage(5)

    assert code(account, order(BUY, 15)) is None
    # 1500 / 5 and the taker fee to open.
    assert (
        margin.available(account.state, INSTRUMENTS)
        == 1000 - 300 - 1500 * INSTRUMENTS["BTCUSDT"].taker_fee
    )


def test_leverage_cannot_be_lowered_below_what_the_wallet_covers() -> None:
    account = EngineAccount(wallet=1000)
    account.set_leverage(5)
    account.place(order(BUY, 15))
    account.play(FLAT)

    refusal = account.set_leverage(1).refusal
    assert refusal is not None
    assert refusal.code == "insufficient_margin"
    assert account.set_leverage(6).refusal is None


@pytest.mark.parametrize("leverage", [1, 2])
def test_same_or_higher_leverage_is_accepted_even_under_water(leverage: int) -> None:
    account = EngineAccount(wallet=1010)
    account.place(order(BUY, 10))
    account.play(FLAT)
    account.settle_funding("0.9")

    assert account.set_leverage(leverage).refusal is None
    assert account.state.leverage_of("BTCUSDT") == leverage
    assert margin.available(account.state, INSTRUMENTS) < 0


def test_working_orders_and_positions_bind_margin_of_the_whole_account() -> None:
    account = EngineAccount(wallet=1000)
    account.place(order(BUY, 4))
    account.play(FLAT)
    account.place(order(BUY, 4, 99))

    assert code(account, order(BUY, 3, symbol="ETHUSDT")) == "insufficient_margin"


def test_closing_needs_no_margin() -> None:
    account = EngineAccount(wallet=1010)
    account.place(order(BUY, 10))
    account.play(FLAT)

    assert code(account, order(SELL, 10)) is None


def test_only_the_part_that_opens_the_other_way_needs_margin() -> None:
    account = EngineAccount(wallet=1010)
    account.place(order(BUY, 10))
    account.play(FLAT)

    assert code(account, order(SELL, 11)) == "insufficient_margin"
