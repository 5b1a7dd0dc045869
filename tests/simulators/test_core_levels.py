"""Stops and targets of the simulated exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.bench import Bench
from tests.simulators.bybit.ledger import naked_gaps
from tests.simulators.bybit.rules import Refused


@pytest.fixture
def bench() -> Bench:
    return Bench()


def trading_stop(bench: Bench, **levels: Any) -> int:
    request = {"symbol": "BTCUSDT", "tpslMode": "Full", "positionIdx": 0, **levels}
    return bench.call("POST", "/v5/position/trading-stop", **request).ret_code


def test_attached_levels_become_orders_of_the_venue(bench: Bench) -> None:
    bench.placed(qty="1", orderLinkId="at-1", stopLoss="95", takeProfit="110")
    levels = bench.levels()
    assert set(levels) == {"StopLoss", "TakeProfit"}
    stop, target = levels["StopLoss"], levels["TakeProfit"]
    assert stop["orderLinkId"] == ""
    assert stop["parentOrderLinkId"] == "at-1"
    assert (stop["createType"], stop["triggerDirection"], stop["triggerPrice"]) == (
        "CreateByStopLoss",
        2,
        "95",
    )
    assert (stop["side"], stop["qty"], stop["timeInForce"], stop["price"]) == (
        "Sell",
        "1",
        "IOC",
        "0",
    )
    assert stop["reduceOnly"] is True
    assert stop["closeOnTrigger"] is True
    assert target["triggerDirection"] == 1
    position = bench.position()
    assert (position["stopLoss"], position["takeProfit"]) == ("95", "110")
    assert bench.order_pushes() == [
        [("Filled", "UNKNOWN", "")],
        [("Untriggered", "UNKNOWN", "TakeProfit"), ("Untriggered", "UNKNOWN", "StopLoss")],
    ]


def test_gap_through_the_stop_fills_at_the_price_that_is_there(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95", takeProfit="110")
    bench.pushed.clear()
    bench.price("91")
    fill = bench.rows("/v5/execution/list")[0]
    assert (fill["execPrice"], fill["stopOrderType"], fill["createType"], fill["closedSize"]) == (
        "91",
        "StopLoss",
        "CreateByStopLoss",
        "1",
    )
    assert bench.order_pushes() == [
        [
            ("Deactivated", "CancelByOCOTpCanceledBySlTriggered", "TakeProfit"),
            ("Filled", "UNKNOWN", "StopLoss"),
        ]
    ]
    assert bench.position()["size"] == "0"
    assert bench.levels() == {}


def test_target_of_a_short_fills_below(bench: Bench) -> None:
    bench.placed("Sell", "1", stopLoss="105", takeProfit="96")
    bench.price("96.5")
    assert bench.position()["size"] == "1"
    bench.price("96")
    assert bench.rows("/v5/position/closed-pnl")[0]["avgExitPrice"] == "96"


def test_close_by_the_client_deactivates_levels_first_in_the_same_message(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    bench.pushed.clear()
    bench.placed("Sell", "1", reduceOnly=True)
    assert bench.order_pushes() == [
        [("Deactivated", "CancelByTpSlTsClear", "StopLoss"), ("Filled", "UNKNOWN", "")]
    ]
    closing = bench.pushed[0][2][1]
    assert closing["closedPnl"] == "-0.11"


def test_levels_follow_the_size_of_the_position(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    stop_id = bench.levels()["StopLoss"]["orderId"]
    bench.placed(qty="1")
    assert bench.levels()["StopLoss"]["qty"] == "2"
    bench.placed("Sell", "1.5", reduceOnly=True)
    stop = bench.levels()["StopLoss"]
    assert (stop["qty"], stop["orderId"]) == ("0.5", stop_id)


def test_first_part_of_a_resting_entry_is_protected_at_once(bench: Bench) -> None:
    bench.limit("Buy", "1", "99", stopLoss="95")
    assert bench.levels() == {}
    bench.prices.book = Decimal("0.3")
    bench.price("98")
    assert bench.levels()["StopLoss"]["qty"] == "0.3"
    bench.price("98")
    assert bench.levels()["StopLoss"]["qty"] == "0.6"


def test_stop_that_fills_in_part_leaves_a_naked_rest(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    bench.prices.book = Decimal("0.3")
    bench.price("94")
    position = bench.position()
    assert (position["size"], position["stopLoss"]) == ("0.7", "")


def test_trading_stop_sets_moves_and_removes(bench: Bench) -> None:
    bench.placed(qty="1")
    assert trading_stop(bench, stopLoss="95") == 0
    stop_id = bench.levels()["StopLoss"]["orderId"]
    assert trading_stop(bench, stopLoss="95") == 34040
    assert trading_stop(bench, stopLoss="96", slTriggerBy="MarkPrice") == 0
    stop = bench.levels()["StopLoss"]
    assert (stop["orderId"], stop["triggerPrice"], stop["triggerBy"]) == (
        stop_id,
        "96",
        "MarkPrice",
    )
    assert trading_stop(bench, takeProfit="110") == 0
    assert trading_stop(bench, stopLoss="0") == 0
    assert set(bench.levels()) == {"TakeProfit"}
    assert trading_stop(bench, stopLoss="0") == 34040


def test_trading_stop_without_a_position_is_refused(bench: Bench) -> None:
    request = {"symbol": "BTCUSDT", "tpslMode": "Full", "stopLoss": "95"}
    answer = bench.call("POST", "/v5/position/trading-stop", **request)
    assert (answer.ret_code, answer.ret_msg) == (
        10001,
        "can not set tp/sl/ts for zero position",
    )


def test_stop_the_price_has_passed_is_refused(bench: Bench) -> None:
    bench.placed(qty="1")
    bench.price("94")
    answer = bench.call(
        "POST", "/v5/position/trading-stop", symbol="BTCUSDT", tpslMode="Full", stopLoss="95"
    )
    assert answer.ret_code == 10001
    assert "should lower than base_price:940000" in answer.ret_msg
    assert trading_stop(bench, takeProfit="93") == 10001
    assert trading_stop(bench, positionIdx=1, stopLoss="90") == 10001


def test_trailing_stop_moves_with_the_best_price_and_fires(bench: Bench) -> None:
    bench.placed(qty="1")
    assert trading_stop(bench, trailingStop="2") == 0
    assert bench.position()["trailingStop"] == "2"
    assert bench.levels()["TrailingStop"]["triggerPrice"] == "98"
    bench.pushed.clear()
    bench.price("103")
    assert bench.order_pushes() == [[("Untriggered", "UNKNOWN", "TrailingStop")]]
    bench.price("101.5")
    assert bench.levels()["TrailingStop"]["triggerPrice"] == "101"
    bench.price("100.8")
    assert bench.rows("/v5/execution/list")[0]["stopOrderType"] == "TrailingStop"
    assert bench.position()["size"] == "0"


def test_cancelling_one_of_a_pair_by_its_id_takes_the_other_along(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95", takeProfit="110")
    target_id = bench.levels()["TakeProfit"]["orderId"]
    bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=target_id)
    assert bench.levels() == {}


def test_changing_one_of_a_pair_parts_them(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95", takeProfit="110")
    assert trading_stop(bench, stopLoss="96") == 0
    target_id = bench.levels()["TakeProfit"]["orderId"]
    bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=target_id)
    assert set(bench.levels()) == {"StopLoss"}


def test_stop_may_be_amended_as_an_order(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    stop_id = bench.levels()["StopLoss"]["orderId"]
    answer = bench.call(
        "POST", "/v5/order/amend", symbol="BTCUSDT", orderId=stop_id, triggerPrice="96"
    )
    assert answer.ret_code == 0
    assert bench.position()["stopLoss"] == "96"
    answer = bench.call(
        "POST", "/v5/order/amend", symbol="BTCUSDT", orderId=stop_id, triggerPrice="101"
    )
    assert answer.ret_code == 10001


def test_ignored_stop_is_dropped_without_a_word(bench: Bench) -> None:
    bench.exchange.sl_ignored = True
    bench.placed(qty="1", stopLoss="95")
    assert bench.position()["stopLoss"] == ""
    bench.exchange.sl_ignored = False
    bench.placed(qty="1", stopLoss="95")
    assert bench.position()["stopLoss"] == "95"


def test_user_moves_and_removes_the_stop_by_hand(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    bench.exchange.user_stop("BTCUSDT", Decimal(93))
    assert bench.position()["stopLoss"] == "93"
    bench.pushed.clear()
    bench.exchange.user_stop("BTCUSDT", None)
    assert bench.position()["stopLoss"] == ""
    assert bench.order_pushes() == [[("Deactivated", "CancelByUser", "StopLoss")]]
    bench.exchange.user_target("BTCUSDT", Decimal(120))
    with pytest.raises(Refused):
        bench.exchange.user_target("BTCUSDT", Decimal(120))


def test_partial_levels_are_made_of_what_each_fill_was(bench: Bench) -> None:
    levels = {"stopLoss": "95", "takeProfit": "110", "tpslMode": "Partial"}
    order_id = bench.limit("Buy", "1", "99", **levels)
    bench.prices.book = Decimal("0.3")
    bench.price("98")
    bench.price("98")
    path = "/v5/order/realtime"
    rows = bench.rows(path, symbol="BTCUSDT", orderFilter="StopOrder")
    assert sorted((row["stopOrderType"], row["qty"]) for row in rows) == [
        ("PartialStopLoss", "0.3"),
        ("PartialStopLoss", "0.3"),
        ("PartialTakeProfit", "0.3"),
        ("PartialTakeProfit", "0.3"),
    ]
    assert naked_gaps(bench.exchange.ledger.rows, bench.now_ms + 1) == []
    bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=order_id)
    bench.price("94")
    assert bench.position()["size"] == "0"
    assert bench.levels() == {}


def test_trading_stop_adds_partial_levels_that_close_their_part(bench: Bench) -> None:
    bench.placed(qty="1")
    partial = {"tpslMode": "Partial", "tpSize": "0.4", "slSize": "0.4"}
    assert trading_stop(bench, takeProfit="104", stopLoss="95", **partial) == 0
    assert trading_stop(bench, stopLoss="96", **partial) == 0
    assert trading_stop(bench, stopLoss="96", **partial | {"tpSize": "0.3"}) == 10001
    assert trading_stop(bench, stopLoss="96", tpslMode="Partial", slSize="2") == 10001
    bench.pushed.clear()
    bench.price("104")
    assert bench.order_pushes() == [
        [
            ("Deactivated", "CancelByOCOSlCanceledByTpTriggered", "PartialStopLoss"),
            ("Filled", "UNKNOWN", "PartialTakeProfit"),
        ]
    ]
    assert bench.position()["size"] == "0.6"
    stop_id = bench.levels()["PartialStopLoss"]["orderId"]
    bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=stop_id)
    assert bench.levels() == {}


def test_twenty_partial_levels_are_the_most(bench: Bench) -> None:
    bench.placed(qty="1")
    for _ in range(20):
        assert trading_stop(bench, stopLoss="95", tpslMode="Partial", slSize="0.1") == 0
    assert trading_stop(bench, stopLoss="95", tpslMode="Partial", slSize="0.1") == 110061
