"""Money, funding, force and the person in the app, on the simulated exchange; and its oracle."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.simulators.bench import HOUR_MS, START_MS, Bench
from tests.simulators.bybit.ledger import (
    Gap,
    Ledger,
    duplicate_link_ids,
    entries_by_link_id,
    naked_gaps,
    positions_at,
)
from tests.simulators.bybit.rules import Refused


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_closed_pnl_is_price_gain_less_both_fees(bench: Bench) -> None:
    bench.price("55937.5")
    bench.exchange.transfer(Decimal(10_000))
    bench.placed(qty="0.001")
    bench.price("55563")
    bench.placed("Sell", "0.001", reduceOnly=True)
    row = bench.rows("/v5/position/closed-pnl")[0]
    assert row["closedPnl"] == "-0.43582528"
    assert (row["side"], row["cumEntryValue"], row["cumExitValue"]) == (
        "Sell",
        "55.9375",
        "55.563",
    )
    assert bench.wallet() == Decimal("10999.56417472")


def test_partial_closes_share_the_opening_fee(bench: Bench) -> None:
    bench.placed(qty="1")
    bench.price("110", after_ms=1000)
    bench.placed("Sell", "0.25", reduceOnly=True)
    bench.placed("Sell", "0.75", reduceOnly=True)
    rows = bench.rows("/v5/position/closed-pnl")
    assert [row["closedPnl"] for row in rows] == ["7.413375", "2.471125"]
    assert bench.wallet() == Decimal("1009.8845")


def test_funding_is_paid_at_the_hour_and_booked_with_both_signs(bench: Bench) -> None:
    bench.placed(qty="2")
    bench.wait(8 * HOUR_MS)
    funding = bench.rows("/v5/execution/list", execType="Funding")
    assert [(row["execFee"], row["feeRate"], row["orderQty"]) for row in funding] == [
        ("0.02", "0.0001", "0")
    ]
    assert funding[0]["execTime"] == str(START_MS + 8 * HOUR_MS)
    entry = bench.rows("/v5/account/transaction-log", type="SETTLEMENT")[0]
    assert (entry["funding"], entry["change"]) == ("-0.02", "-0.02")
    bench.exchange.set_funding_rate("BTCUSDT", Decimal("-0.001"))
    bench.wait(16 * HOUR_MS)
    funding = bench.rows("/v5/execution/list", execType="Funding")
    assert [row["execFee"] for row in funding] == ["-0.2", "-0.2", "0.02"]


def test_liquidation_cancels_everything_then_takes_the_position_over(bench: Bench) -> None:
    bench.placed(qty="1", takeProfit="120")
    order_id = bench.limit("Buy", "1", "80")
    bench.pushed.clear()
    bench.price("90.5")
    assert bench.seen(order_id)["cancelType"] == "CancelAllBeforeLiq"
    assert bench.order_pushes()[0] == [
        ("Deactivated", "CancelAllBeforeLiq", "TakeProfit"),
        ("Cancelled", "CancelAllBeforeLiq", ""),
    ]
    fill = bench.rows("/v5/execution/list")[0]
    assert (fill["execType"], fill["createType"], fill["execPrice"], fill["orderLinkId"]) == (
        "BustTrade",
        "CreateByTakeOver_PassThrough",
        "90",
        "",
    )
    statuses = [rows[0]["positionStatus"] for topic, _, rows in bench.pushed if topic == "position"]
    assert statuses == ["Liq", "Normal"]
    assert bench.position()["size"] == "0"
    assert bench.rows("/v5/position/closed-pnl")[0]["execType"] == "BustTrade"
    assert bench.wallet() == Decimal("1000") - Decimal("10") - Decimal("0.055") - Decimal("0.0495")


def test_cross_margin_liquidates_only_when_the_whole_wallet_is_used_up(bench: Bench) -> None:
    bench.exchange.user_margin_mode("REGULAR_MARGIN")
    bench.placed(qty="50")
    bench.price("85")
    assert bench.position()["size"] == "50"
    bench.price("79")
    assert bench.position()["size"] == "0"


def test_adl_takes_a_part_without_a_fee(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    bench.exchange.adl("BTCUSDT", Decimal("0.4"))
    fill = bench.rows("/v5/execution/list")[0]
    assert (fill["execType"], fill["execFee"], fill["createType"]) == (
        "AdlTrade",
        "0",
        "CreateByAdl_PassThrough",
    )
    assert bench.position()["size"] == "0.6"
    assert bench.levels()["StopLoss"]["qty"] == "0.6"


def test_liquidation_by_hand(bench: Bench) -> None:
    bench.placed(qty="1")
    bench.exchange.liquidate("BTCUSDT")
    assert bench.rows("/v5/execution/list")[0]["execType"] == "BustTrade"


def test_delisting_is_announced_then_settles_without_an_order(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    ends_ms = bench.now_ms + HOUR_MS
    bench.exchange.delist("BTCUSDT", ends_ms)
    instrument = bench.rows("/v5/market/instruments-info", symbol="BTCUSDT")[0]
    assert (instrument["status"], instrument["deliveryTime"]) == ("Trading", str(ends_ms))
    assert bench.order().ret_code == 110023
    assert bench.order("Sell", "0.5", reduceOnly=True).ret_code == 0
    bench.wait(HOUR_MS)
    assert bench.position()["size"] == "0"
    fill = bench.rows("/v5/execution/list")[0]
    assert (fill["execType"], fill["orderLinkId"], fill["createType"]) == (
        "Settle",
        "",
        "CreateBySettle",
    )
    assert bench.rows("/v5/order/realtime", symbol="BTCUSDT", orderId=fill["orderId"]) == []
    assert bench.rows("/v5/position/closed-pnl")[0]["execType"] == "Settle"
    assert bench.order().ret_code == 110074
    shown = [row["symbol"] for row in bench.rows("/v5/market/instruments-info")]
    assert shown == ["ETHUSDT"]


def test_delisting_now(bench: Bench) -> None:
    order_id = bench.limit("Buy", "1", "99")
    bench.exchange.delist("BTCUSDT")
    assert bench.seen(order_id)["cancelType"] == "CancelBySettle"


def test_user_trades_without_a_client_id(bench: Bench) -> None:
    bench.placed(qty="1")
    bench.exchange.user_order("BTCUSDT", "Buy", Decimal("0.5"))
    bench.exchange.user_close("BTCUSDT", Decimal("0.2"))
    bench.exchange.user_close("BTCUSDT")
    fills = bench.rows("/v5/execution/list")[:3]
    assert [(fill["orderLinkId"], fill["createType"], fill["execQty"]) for fill in fills] == [
        ("", "CreateByClosing", "1.3"),
        ("", "CreateByClosing", "0.2"),
        ("", "CreateByUser", "0.5"),
    ]
    acts = [row["act"] for row in bench.exchange.ledger.rows if row["kind"] == "user"]
    assert acts == ["order"] * 3


def test_user_cancels_and_switches_modes(bench: Bench) -> None:
    order_id = bench.limit("Buy", "1", "99")
    bench.exchange.user_cancel(order_id)
    assert bench.seen(order_id)["cancelType"] == "CancelByUser"
    with pytest.raises(Refused):
        bench.exchange.user_cancel(order_id)
    bench.exchange.user_hedge_mode(True, "BTCUSDT")
    assert len(bench.rows("/v5/position/list", symbol="BTCUSDT")) == 2
    assert len(bench.rows("/v5/position/list", symbol="ETHUSDT")) == 1


def test_transfers_move_the_wallet_and_its_log(bench: Bench) -> None:
    bench.exchange.transfer(Decimal(50))
    bench.exchange.transfer(Decimal(-20))
    rows = bench.rows("/v5/account/transaction-log")
    assert [(row["type"], row["change"], row["cashBalance"]) for row in rows] == [
        ("TRANSFER_OUT", "-20", "1030"),
        ("TRANSFER_IN", "50", "1050"),
    ]
    assert bench.topics() == ["wallet", "wallet"]


def test_jump_reaches_orders_at_once(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    bench.exchange.jump("BTCUSDT", Decimal(90))
    assert bench.position()["size"] == "0"


def test_prices_of_several_symbols_are_walked_in_the_order_of_time(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    bench.placed(symbol="ETHUSDT", qty="1", stopLoss="95")
    bench.prices.set("BTCUSDT", START_MS + 3000, Decimal(94))
    bench.prices.set("ETHUSDT", START_MS + 2000, Decimal(93))
    bench.wait(5000)
    fills = bench.rows("/v5/execution/list", limit=2)
    assert [(fill["symbol"], int(fill["execTime"]) - START_MS) for fill in fills] == [
        ("BTCUSDT", 3000),
        ("ETHUSDT", 2000),
    ]


def test_accounts_are_apart(bench: Bench) -> None:
    bench.placed(qty="1", orderLinkId="at-1")
    request = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderType": "Market",
        "qty": "2",
        "orderLinkId": "at-1",
    }
    assert bench.exchange.handle("POST", "/v5/order/create", request, "1002").ret_code == 0
    rows = bench.exchange.ledger.rows
    assert positions_at(rows, "1001") == {"BTCUSDT": Decimal(1)}
    assert positions_at(rows, "1002") == {"BTCUSDT": Decimal(-2)}
    assert duplicate_link_ids(rows) == []


def test_oracle_finds_naked_times(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    assert naked_gaps(bench.exchange.ledger.rows, bench.now_ms + 1000) == []
    bench.wait(1000)
    bench.exchange.user_stop("BTCUSDT", None)
    bench.wait(4000)
    bench.exchange.user_stop("BTCUSDT", Decimal(96))
    bench.wait(1000)
    bench.exchange.user_stop("BTCUSDT", None)
    bench.wait(2000)
    gaps = naked_gaps(bench.exchange.ledger.rows, bench.now_ms)
    assert gaps == [
        Gap("BTCUSDT", START_MS + 1000, START_MS + 5000, "1001"),
        Gap("BTCUSDT", START_MS + 6000, START_MS + 8000, "1001"),
    ]
    assert [gap.length_ms for gap in gaps] == [4000, 2000]


def test_oracle_finds_a_stop_that_is_too_small() -> None:
    ledger = Ledger()
    key = {"symbol": "BTCUSDT", "positionIdx": 0}
    ledger.add(0, "position", "1001", **key, size="-2", avgPrice="100")
    ledger.add(0, "stop", "1001", **key, stopLoss="105", takeProfit="", qty="1")
    ledger.add(700, "stop", "1001", **key, stopLoss="105", takeProfit="", qty="2")
    assert naked_gaps(ledger.rows, 9000) == [Gap("BTCUSDT", 0, 700, "1001")]
    assert len(ledger.since(1)) == 2


def test_oracle_counts_client_ids() -> None:
    bench = Bench(duplicate_ids="accept_if_closed")
    for _ in range(2):
        bench.placed(qty="1", orderLinkId="at-1")
    bench.placed("Sell", "1", orderLinkId="at-2", reduceOnly=True)
    rows = bench.exchange.ledger.rows
    assert duplicate_link_ids(rows) == ["at-1"]
    assert {link: len(found) for link, found in entries_by_link_id(rows).items()} == {"at-1": 2}
