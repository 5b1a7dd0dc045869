"""Orders of the simulated exchange: what is accepted, refused, filled and shown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.bench import HOUR_MS, START_MS, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_market_order_ends_in_one_filled_message_that_shares_its_id_with_the_fill(
    bench: Bench,
) -> None:
    bench.placed(qty="1", orderLinkId="at-1")
    assert bench.topics() == ["order", "execution", "position", "wallet"]
    (_, order_message, orders), (_, fill_message, fills) = bench.pushed[:2]
    assert order_message == fill_message
    assert order_message.startswith("1001_BTCUSDT_")
    assert [row["orderStatus"] for row in orders] == ["Filled"]
    assert orders[0]["price"] == "105"
    assert orders[0]["timeInForce"] == "IOC"
    assert fills[0]["orderLinkId"] == "at-1"
    assert fills[0]["execFee"] == "0.055"
    assert order_message.endswith(str(fills[0]["seq"]))
    assert bench.position()["seq"] == fills[0]["seq"]


def test_sell_is_bounded_five_percent_below_rounded_up(bench: Bench) -> None:
    bench.price("100.3")
    bench.placed("Sell")
    assert bench.pushed[0][2][0]["price"] == "95.3"


def test_market_remainder_is_cancelled_with_what_was_filled(bench: Bench) -> None:
    bench.prices.book = Decimal("0.4")
    order_id = bench.placed(qty="1")
    row = bench.seen(order_id)
    assert (row["orderStatus"], row["cumExecQty"], row["leavesQty"]) == ("Cancelled", "0.4", "0")
    assert bench.position()["size"] == "0.4"
    fills = next(rows for topic, _, rows in bench.pushed if topic == "execution")
    assert [fill["execQty"] for fill in fills] == ["0.2", "0.2"]
    assert [fill["leavesQty"] for fill in fills] == ["0.8", "0.6"]


def test_resting_order_fills_in_parts_as_a_maker(bench: Bench) -> None:
    order_id = bench.limit("Buy", "1", "99")
    assert bench.seen(order_id)["orderStatus"] == "New"
    bench.prices.book = Decimal("0.6")
    bench.price("98")
    assert bench.seen(order_id)["orderStatus"] == "PartiallyFilled"
    bench.price("98.5")
    row = bench.seen(order_id)
    assert (row["orderStatus"], row["avgPrice"]) == ("Filled", "99")
    fills = bench.rows("/v5/execution/list")
    assert {(fill["isMaker"], fill["feeRate"]) for fill in fills} == {(True, "0.0002")}


def test_crossing_limit_order_takes_at_the_market(bench: Bench) -> None:
    assert bench.seen(bench.limit("Buy", "1", "103"))["avgPrice"] == "100"


@pytest.mark.parametrize(
    ("time_in_force", "price", "status", "filled"),
    [
        ("IOC", "99", "Cancelled", "0"),
        ("IOC", "101", "Cancelled", "0.4"),
        ("FOK", "101", "Cancelled", "0"),
        ("GTC", "101", "PartiallyFilled", "0.4"),
    ],
)
def test_time_in_force(
    bench: Bench, time_in_force: str, price: str, status: str, filled: str
) -> None:
    bench.prices.book = Decimal("0.4")
    row = bench.seen(bench.limit("Buy", "1", price, timeInForce=time_in_force))
    assert (row["orderStatus"], row["cumExecQty"]) == (status, filled)


def test_post_only_that_would_take_ends_cancelled_after_a_good_answer(bench: Bench) -> None:
    row = bench.seen(bench.limit("Buy", "1", "101", timeInForce="PostOnly"))
    assert row["orderStatus"] == "Cancelled"
    assert row["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
    assert bench.seen(bench.limit("Buy", "1", "99", timeInForce="PostOnly"))["orderStatus"] == "New"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"category": "spot"}, 10001),
        ({"symbol": "NOPEUSDT"}, 10001),
        ({"side": "buy"}, 10001),
        ({"orderType": "Stop"}, 10001),
        ({"qty": ""}, 10001),
        ({"qty": "many"}, 10001),
        ({"qty": "-1"}, 10001),
        ({"qty": "0.0005"}, 10001),
        ({"qty": "1.0005"}, 10001),
        ({"qty": "501"}, 10001),
        ({"qty": "0"}, 10001),
        ({"qty": "0.04"}, 110094),
        ({"qty": "400"}, 110007),
        ({"orderType": "Limit"}, 10001),
        ({"orderType": "Limit", "price": "99.05"}, 10001),
        ({"orderType": "Limit", "price": "105.1"}, 110003),
        ({"positionIdx": 1}, 10001),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"orderLinkId": "a b"}, 10001),
        ({"reduceOnly": True}, 110017),
        ({"qty": "0", "reduceOnly": True, "closeOnTrigger": True}, 110017),
        ({"stopLoss": "101"}, 10001),
        ({"takeProfit": "99"}, 10001),
        ({"stopLoss": "95.55"}, 10001),
        ({"stopLoss": "95", "tpslMode": "Half"}, 10001),
        ({"triggerPrice": "110"}, 10001),
        ({"triggerPrice": "99", "triggerDirection": 1}, 110092),
        ({"triggerPrice": "101", "triggerDirection": 2}, 110093),
    ],
)
def test_refused_orders_leave_nothing_behind(
    bench: Bench, fields: dict[str, Any], code: int
) -> None:
    answer = bench.order(**fields)
    assert answer.ret_code == code
    assert answer.result == {}
    assert bench.pushed == []
    assert bench.rows("/v5/order/history") == []


def test_stop_on_the_wrong_side_is_told_with_the_base_price(bench: Bench) -> None:
    message = bench.order(stopLoss="101").ret_msg
    assert message == (
        "StopLoss:1010000 set for Buy position should lower than base_price:1000000??LastPrice"
    )


def test_client_id_is_used_up_for_ever(bench: Bench) -> None:
    bench.placed(orderLinkId="at-1")
    assert bench.order(orderLinkId="at-1").ret_code == 110072
    bench.wait(48 * HOUR_MS)
    assert bench.order(orderLinkId="at-1").ret_code == 110072
    assert bench.position()["size"] == "1"


def test_client_id_of_a_closed_order_may_be_free_again() -> None:
    bench = Bench(duplicate_ids="accept_if_closed")
    first = bench.limit("Buy", "1", "99", orderLinkId="at-1")
    assert bench.order(orderLinkId="at-1").ret_code == 110072
    bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=first)
    second = bench.placed(orderLinkId="at-1")
    found = bench.rows("/v5/order/realtime", symbol="BTCUSDT", orderLinkId="at-1")
    assert [row["orderId"] for row in found] == [second, first]


def test_refused_order_does_not_use_up_its_client_id(bench: Bench) -> None:
    assert bench.order(qty="400", orderLinkId="at-1").ret_code == 110007
    assert bench.order(qty="1", orderLinkId="at-1").ret_code == 0


def test_resting_orders_hold_margin_back(bench: Bench) -> None:
    bench.limit("Buy", "90", "99")
    assert bench.order(qty="11").ret_code == 110007
    assert bench.order("Sell", "1").ret_code == 0


def test_reduce_only_is_cut_to_the_position_and_needs_the_other_side(bench: Bench) -> None:
    bench.placed(qty="1")
    assert bench.order("Buy", reduceOnly=True).ret_code == 110017
    order_id = bench.placed("Sell", "5", reduceOnly=True)
    assert bench.seen(order_id)["cumExecQty"] == "1"
    assert bench.position()["size"] == "0"


def test_qty_zero_with_both_flags_closes_everything(bench: Bench) -> None:
    bench.placed(qty="1.234")
    order_id = bench.placed("Sell", "0", reduceOnly=True, closeOnTrigger=True)
    assert bench.seen(order_id)["cumExecQty"] == "1.234"
    assert bench.position()["side"] == ""


def test_resting_reduce_only_order_is_cancelled_with_its_position(bench: Bench) -> None:
    bench.placed(qty="1")
    order_id = bench.limit("Sell", "1", "104", reduceOnly=True)
    bench.placed("Sell", "0.6", reduceOnly=True)
    assert bench.seen(order_id)["qty"] == "0.4"
    bench.placed("Sell", "0.4")
    row = bench.seen(order_id)
    assert (row["orderStatus"], row["cancelType"]) == ("Cancelled", "CancelByReduceOnly")


def test_order_through_zero_turns_the_position(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    bench.placed("Sell", "3")
    position = bench.position()
    assert (position["side"], position["size"], position["stopLoss"]) == ("Sell", "2", "")
    fill = bench.rows("/v5/execution/list")[0]
    assert (fill["execQty"], fill["closedSize"]) == ("3", "1")


def test_conditional_order_waits_triggers_and_fills(bench: Bench) -> None:
    order_id = bench.placed(triggerPrice="102", triggerDirection=1, orderLinkId="at-1")
    row = bench.seen(order_id)
    assert (row["orderStatus"], row["stopOrderType"], row["leavesQty"]) == (
        "Untriggered",
        "Stop",
        "1",
    )
    bench.price("102.5")
    row = bench.seen(order_id)
    assert (row["orderStatus"], row["avgPrice"], row["createType"]) == (
        "Filled",
        "102.5",
        "CreateByStopOrder",
    )


def test_conditional_order_without_margin_is_cancelled_when_triggered(bench: Bench) -> None:
    order_id = bench.placed(qty="400", triggerPrice="102", triggerDirection=1)
    bench.price("102")
    assert bench.seen(order_id)["orderStatus"] == "Cancelled"


def test_conditional_close_of_nothing_is_cancelled_when_triggered(bench: Bench) -> None:
    order_id = bench.placed("Sell", "1", triggerPrice="98", triggerDirection="2", reduceOnly="true")
    bench.price("97")
    row = bench.seen(order_id)
    assert (row["orderStatus"], row["cancelType"]) == ("Cancelled", "CancelByReduceOnly")


def test_trigger_may_look_at_the_mark_price(bench: Bench) -> None:
    order_id = bench.placed(triggerPrice="102", triggerDirection=1, triggerBy="MarkPrice")
    bench.prices.marks["BTCUSDT"] = Decimal(101)
    bench.price("103")
    assert bench.seen(order_id)["orderStatus"] == "Untriggered"
    bench.prices.marks["BTCUSDT"] = Decimal(102)
    bench.price("103")
    assert bench.seen(order_id)["orderStatus"] == "Filled"


def test_eleventh_conditional_order_is_one_too_many(bench: Bench) -> None:
    for _ in range(10):
        bench.placed(triggerPrice="102", triggerDirection=1)
    assert bench.order(triggerPrice="102", triggerDirection=1).ret_code == 110009


def test_amend_changes_only_what_was_sent(bench: Bench) -> None:
    order_id = bench.limit("Buy", "1", "99", orderLinkId="at-1")

    def amend(**changes: str) -> int:
        return bench.call(
            "POST", "/v5/order/amend", symbol="BTCUSDT", orderLinkId="at-1", **changes
        ).ret_code

    assert amend(qty="2") == 0
    assert bench.seen(order_id)["qty"] == "2"
    assert bench.seen(order_id)["price"] == "99"
    assert amend(qty="2") == 10001
    assert amend(price="99.05") == 10001
    assert amend(stopLoss="99.5") == 10001
    assert amend(qty="900.001") == 110007
    assert amend(price="101") == 0
    assert bench.seen(order_id)["orderStatus"] == "Filled"
    assert amend(qty="3") == 110001


def test_amend_below_what_is_filled_is_refused(bench: Bench) -> None:
    bench.prices.book = Decimal("0.4")
    order_id = bench.limit("Buy", "1", "100")
    answer = bench.call("POST", "/v5/order/amend", symbol="BTCUSDT", orderId=order_id, qty="0.4")
    assert answer.ret_code == 110064


def test_cancel_keeps_what_was_filled(bench: Bench) -> None:
    bench.prices.book = Decimal("0.4")
    order_id = bench.limit("Buy", "1", "100")
    answer = bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=order_id)
    assert answer.ret_code == 0
    row = bench.seen(order_id)
    assert (row["orderStatus"], row["cancelType"], row["cumExecQty"]) == (
        "Cancelled",
        "CancelByUser",
        "0.4",
    )
    again = bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=order_id)
    assert (again.ret_code, again.ret_msg) == (
        110001,
        "order not exists or too late to cancel",
    )


def test_order_may_fill_just_before_its_cancel_arrives(bench: Bench) -> None:
    order_id = bench.limit("Buy", "1", "99", stopLoss="95")
    bench.pushed.clear()
    bench.exchange.cancel_race = True
    answer = bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=order_id)
    assert answer.ret_code == 0
    filled = [message for message in bench.order_pushes() if message[0][0] == "Filled"]
    assert filled == [[("Filled", "UNKNOWN", "")], [("Filled", "CancelByUser", "")]]
    assert bench.position()["size"] == "1"
    assert len(bench.rows("/v5/execution/list")) == 1


def test_post_only_may_end_rejected_elsewhere() -> None:
    bench = Bench(profile="main2026")
    row = bench.seen(bench.limit("Buy", "1", "101", timeInForce="PostOnly"))
    assert row["orderStatus"] == "Rejected"


def test_cancel_all_spares_protection_only_when_asked_to(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95", takeProfit="110")
    bench.limit("Buy", "1", "97")
    answer = bench.call("POST", "/v5/order/cancel-all", symbol="BTCUSDT", orderFilter="Order")
    assert len(answer.result["list"]) == 1
    assert answer.result["success"] == "1"
    assert bench.position()["stopLoss"] == "95"
    answer = bench.call("POST", "/v5/order/cancel-all", settleCoin="USDT")
    assert len(answer.result["list"]) == 2
    assert bench.position()["stopLoss"] == ""


def test_unlisted_paths_and_missing_keys_are_refused(bench: Bench) -> None:
    assert bench.call("GET", "/v5/order/nonsense").ret_code == 10017
    assert bench.call("GET", "/v5/order/create").ret_code == 10017
    unsigned = bench.exchange.handle("GET", "/v5/account/info", {}, None)
    assert unsigned.ret_code == 10003
    assert bench.exchange.handle("GET", "/v5/market/time", {}, None).ret_code == 0


def test_venue_time_is_the_clocks(bench: Bench) -> None:
    assert bench.get("/v5/market/time")["timeSecond"] == str(START_MS // 1000)
