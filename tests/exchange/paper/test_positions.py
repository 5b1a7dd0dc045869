"""What executions make of position, wallet and ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.domain import (
    ExecutionKind,
    LedgerKind,
    OrderType,
    Side,
    VenueOrderStatus,
    quantise,
)
from tests.exchange.paper.engine_account import EngineAccount, order
from tests.exchange.paper.scripted_market import bar, candles

BUY, SELL = Side.BUY, Side.SELL
FLAT = bar(100, 100, 100, 100)


def test_round_trip_earns_the_difference_of_values_less_fees() -> None:
    account = EngineAccount(wallet=10_000)
    account.place(order(BUY))
    account.play(FLAT)
    account.place(order(SELL))
    account.play(bar(110, 110, 110, 110))

    entry_fee, exit_fee = Decimal("0.5511"), Decimal("0.603900")
    assert [one.fee for one in account.executions] == [entry_fee, exit_fee]
    assert [one.amount for one in account.ledger] == [-entry_fee, Decimal(96) - exit_fee]
    assert account.state.wallet == 10_000 + 96 - entry_fee - exit_fee


def test_short_earns_when_price_falls() -> None:
    account = EngineAccount()
    account.place(order(SELL))
    account.play(FLAT)
    account.place(order(BUY))
    account.play(bar(90, 90, 90, 90))

    assert account.ledger[-1].amount == 10 * (Decimal("99.8") - Decimal("90.2")) - Decimal("0.4961")


def test_resting_order_pays_the_maker_fee() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, 99))
    account.play(*candles(100, 98))

    assert account.executions[0].fee == Decimal("0.198")


def test_adding_averages_the_entry_and_keeps_its_levels() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, stop=90, target=120))
    account.play(FLAT)
    account.place(order(BUY, 20))
    account.play(bar(110, 110, 110, 110))

    held = account.state.positions["BTCUSDT"]
    assert (held.qty, held.cost) == (Decimal(30), 1002 + 20 * Decimal("110.2"))
    assert held.avg_price == quantise(held.cost / 30)
    assert (held.stop_loss, held.take_profit) == (Decimal(90), Decimal(120))


def test_adding_with_levels_replaces_those_of_the_position() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, stop=90, target=120))
    account.play(FLAT)
    account.place(order(BUY, 10, stop=95))
    account.play(FLAT)

    held = account.state.positions["BTCUSDT"]
    assert (held.stop_loss, held.take_profit) == (Decimal(95), Decimal(120))


def test_reducing_leaves_the_average_entry_alone() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, stop=90))
    account.play(FLAT)
    account.place(order(SELL, 4, reduce_only=True))
    account.play(bar(110, 110, 110, 110))

    held = account.state.positions["BTCUSDT"]
    assert (held.qty, held.avg_price, held.cost) == (
        Decimal(6),
        Decimal("100.2"),
        Decimal("601.2"),
    )
    assert held.stop_loss == 90


def test_larger_opposite_order_closes_and_opens_the_other_way() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, stop=90, target=120))
    account.play(FLAT)
    account.place(order(SELL, 15, stop=130))
    account.play(bar(110, 110, 110, 110))

    held = account.state.positions["BTCUSDT"]
    assert (held.side, held.qty, held.avg_price) == (SELL, Decimal(5), Decimal("109.8"))
    assert (held.stop_loss, held.take_profit) == (Decimal(130), None)
    assert account.ledger[-1].amount == Decimal(96) - account.executions[-1].fee


def test_thirds_of_an_uneven_average_leave_no_remainder() -> None:
    account = EngineAccount()
    account.place(order(BUY, 1))
    account.play(FLAT)
    account.place(order(BUY, 2))
    account.play(bar("100.1", 101, 100, 100))
    for _ in range(3):
        account.place(order(SELL, 1, reduce_only=True))
        account.play(FLAT)

    assert account.state.positions == {}
    assert account.state.wallet == 100_000 + traded_value(account)


def traded_value(account: EngineAccount) -> Decimal:
    return sum(
        (-one.side.sign * one.qty * one.price - one.fee for one in account.executions),
        Decimal(0),
    )


def test_stop_sends_an_order_of_its_own_and_cancels_what_only_reduces() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10, stop=97))
    account.play(FLAT)
    account.place(order(SELL, 10, 102, reduce_only=True, link_id="target"))
    account.place(order(BUY, 10, 90, link_id="entry"))
    account.play(bar(100, 103, 96, 100))

    stop = account.orders[""]
    assert (stop.status, stop.reduce_only) == (VenueOrderStatus.FILLED, True)
    assert stop.qty == 10
    assert account.executions[-1].order_id == stop.order_id
    assert account.executions[-1].kind is ExecutionKind.STOP_LOSS
    assert account.orders["target"].status is VenueOrderStatus.CANCELLED
    assert account.orders["target"].reject_reason == "reduce_only"
    assert account.orders["entry"].status is VenueOrderStatus.NEW


def test_two_closing_orders_close_once() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)
    account.place(order(SELL, 10, reduce_only=True))
    account.place(order(SELL, 0, reduce_only=True, close_all=True))
    account.play(FLAT)

    assert account.signed_qty() == 0
    assert [account.orders[link].status for link in ("a2", "a3")] == [
        VenueOrderStatus.FILLED,
        VenueOrderStatus.CANCELLED,
    ]


def test_reduce_only_order_shrinks_with_the_position() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)
    account.place(order(SELL, 10, 101, reduce_only=True))
    account.place(order(SELL, 7, reduce_only=True))
    account.play(bar(100, 102, 100, 101))

    assert account.orders["a2"].status is VenueOrderStatus.FILLED
    assert account.orders["a2"].filled_qty == 3
    assert account.signed_qty() == 0


def test_close_all_takes_what_an_entry_added_meanwhile() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)
    account.place(order(BUY, 5))
    account.place(order(SELL, 0, reduce_only=True, close_all=True))
    account.play(FLAT)

    assert account.signed_qty() == 0
    assert account.orders["a3"].filled_qty == 15


def test_closing_with_a_limit_at_once_keeps_the_rest_open() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)
    account.place(order(SELL, 0, 99, ioc=True, reduce_only=True, close_all=True))
    account.play(bar(100, 100, 100, 100, volume=40))

    assert account.signed_qty() == 6
    assert account.orders["a2"].status is VenueOrderStatus.CANCELLED


@pytest.mark.parametrize(
    ("side", "rate", "amount"),
    [
        (BUY, "0.0001", "-0.1"),
        (SELL, "0.0001", "0.1"),
        (BUY, "-0.0002", "0.2"),
        (SELL, "-0.0002", "-0.2"),
    ],
)
def test_funding_is_paid_by_who_the_rate_names(side: Side, rate: str, amount: str) -> None:
    account = EngineAccount()
    account.place(order(side, 10))
    account.play(FLAT)
    before = account.state.wallet
    account.settle_funding(rate)

    assert account.ledger[-1].kind is LedgerKind.FUNDING
    assert account.ledger[-1].amount == Decimal(amount)
    assert account.state.wallet == before + Decimal(amount)


def test_funding_without_a_position_costs_nothing() -> None:
    account = EngineAccount()
    account.settle_funding("0.01")

    assert account.ledger == []


def test_order_report_shows_average_price_and_hides_the_reference_of_market_orders() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    placed = account.orders["a1"].report()
    account.play(FLAT)
    filled = account.orders["a1"].report()

    assert (placed.order_type, placed.price, placed.avg_price) == (OrderType.MARKET, None, None)
    assert filled.avg_price == Decimal("100.2")


@pytest.mark.parametrize(
    ("amount", "kept"),
    [
        ("1.000000005", "1.00000000"),
        ("1.000000015", "1.00000002"),
        ("-0.123456785", "-0.12345678"),
        ("7", "7.00000000"),
    ],
)
def test_money_is_rounded_half_even_to_8_places(amount: str, kept: str) -> None:
    assert str(quantise(Decimal(amount))) == kept


def test_ids_count_up_from_the_sequence() -> None:
    account = EngineAccount()
    account.place(order(BUY, 10))
    account.play(FLAT)

    assert account.orders["a1"].order_id == "po-000001"
    assert account.executions[0].exec_id == "px-000002"
    assert account.ledger[0].entry_id == "pl-000003"
