"""What the client sends and how it takes Bybit's answers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from exchange.domain import Instrument, OrderRequest, OrderType, Side, TimeInForce, VenueOrderStatus
from exchange.errors import (
    CandlesUnavailable,
    ExchangeUnavailable,
    InsufficientBalance,
    OrderNotSent,
    OrderOutcomeUnknown,
    OrderRejected,
)
from tests.exchange.bybit.scripted_wire import (
    AMEND,
    CANCEL,
    CREATE,
    HISTORY,
    POSITIONS,
    REALTIME,
    STOP,
    ScriptedWire,
    client_on,
    listed,
    order_row,
    position_row,
    stamp,
)

DAY = timedelta(days=1)
TIMEOUT = requests.exceptions.ReadTimeout("Read timed out.")


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


def entry(**changes: Any) -> OrderRequest:
    """A limit entry with both levels."""
    facts: dict[str, Any] = {
        "order_link_id": "at1-a-e",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "qty": Decimal("0.010"),
        "price": Decimal("5E+4"),
        "time_in_force": TimeInForce.IOC,
        "stop_loss": Decimal("49000.10"),
        "take_profit": Decimal(55000),
    }
    return OrderRequest(**{**facts, **changes})


def market_exit(**changes: Any) -> OrderRequest:
    facts: dict[str, Any] = {
        "order_link_id": "at1-a-x",
        "symbol": "BTCUSDT",
        "side": Side.SELL,
        "order_type": OrderType.MARKET,
        "qty": Decimal("0.004"),
        "reduce_only": True,
    }
    return OrderRequest(**{**facts, **changes})


def test_entry_takes_its_levels_along(wire: ScriptedWire) -> None:
    wire.script(CREATE, {"orderId": "o-1", "orderLinkId": "at1-a-e"})

    ack = client_on(wire).place_order(entry())

    assert (ack.order_link_id, ack.order_id) == ("at1-a-e", "o-1")
    assert wire.sent(CREATE) == [
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "side": "Buy",
            "orderType": "Limit",
            "qty": "0.01",
            "price": "50000",
            "timeInForce": "IOC",
            "positionIdx": 0,
            "orderLinkId": "at1-a-e",
            "stopLoss": "49000.1",
            "slTriggerBy": "LastPrice",
            "takeProfit": "55000",
            "tpTriggerBy": "LastPrice",
            "tpslMode": "Full",
        }
    ]
    assert wire.window_of(CREATE) == 2000


def test_resting_entry_without_levels(wire: ScriptedWire) -> None:
    wire.script(CREATE, {"orderId": "o-1"})

    client_on(wire).place_order(
        entry(time_in_force=TimeInForce.GTC, stop_loss=None, take_profit=None)
    )

    (sent,) = wire.sent(CREATE)
    assert sent["timeInForce"] == "GTC"
    assert not {"stopLoss", "takeProfit", "tpslMode", "reduceOnly"} & set(sent)


def test_exit_has_the_longer_window_and_only_reduces(wire: ScriptedWire) -> None:
    wire.script(CREATE, {"orderId": "o-2"})

    client_on(wire).place_order(market_exit())

    (sent,) = wire.sent(CREATE)
    assert (sent["qty"], sent["reduceOnly"], sent["orderType"]) == ("0.004", True, "Market")
    assert not {"closeOnTrigger", "timeInForce", "price", "tpslMode"} & set(sent)
    assert wire.window_of(CREATE) == 5000


def test_close_all_form(wire: ScriptedWire) -> None:
    wire.script(CREATE, {"orderId": "o-2"})

    client_on(wire).place_order(market_exit(qty=Decimal(0), close_all=True, reduce_only=False))

    (sent,) = wire.sent(CREATE)
    assert (sent["qty"], sent["reduceOnly"], sent["closeOnTrigger"]) == ("0", True, True)
    assert wire.window_of(CREATE) == 5000


def test_accepted_order_whose_id_can_not_be_read_is_accepted(wire: ScriptedWire) -> None:
    wire.script(CREATE, {})

    assert client_on(wire).place_order(entry()).order_id == ""


def test_entry_into_an_unknown_symbol_never_leaves(wire: ScriptedWire) -> None:
    with pytest.raises(OrderRejected) as refused:
        client_on(wire).place_order(entry(symbol="NOSUCHUSDT"))

    assert refused.value.code == "unknown_symbol"
    assert wire.sent(CREATE) == []


@pytest.mark.parametrize("error", [ExchangeUnavailable, CandlesUnavailable])
def test_entry_without_known_rules_never_leaves(wire: ScriptedWire, error: type[Exception]) -> None:
    def unknown(symbol: str) -> Instrument:
        raise error(symbol)

    with pytest.raises(OrderNotSent, match="BTCUSDT"):
        client_on(wire, instruments=unknown).place_order(entry())

    assert wire.sent(CREATE) == []


def test_exit_needs_no_rules_of_its_symbol(wire: ScriptedWire) -> None:
    wire.script(CREATE, {"orderId": "o-2"})

    client_on(wire).place_order(market_exit(symbol="GONEUSDT"))

    assert len(wire.sent(CREATE)) == 1


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ((110072, "OrderLinkedID is duplicate"), OrderRejected, "duplicate_link_id"),
        ((110007, "ab not enough for new order"), InsufficientBalance, "insufficient_balance"),
        ((110017, "current position is zero"), OrderRejected, "reduce_only"),
    ],
)
def test_refused_orders(
    wire: ScriptedWire, answer: tuple[int, str], error: type[OrderRejected], code: str
) -> None:
    wire.script(CREATE, answer)

    with pytest.raises(error) as refused:
        client_on(wire).place_order(entry())

    assert refused.value.code == code
    assert len(wire.sent(CREATE)) == 1


@pytest.mark.parametrize("answer", [TIMEOUT, (10000, "Server Timeout"), (10016, "System error")])
def test_order_whose_fate_is_unknown_leaves_once(wire: ScriptedWire, answer: Any) -> None:
    wire.script(CREATE, answer)

    with pytest.raises(OrderOutcomeUnknown):
        client_on(wire).place_order(entry())

    assert len(wire.sent(CREATE)) == 1


def test_cancel(wire: ScriptedWire) -> None:
    wire.script(CANCEL, {"orderId": "o-1"}, (110001, "order not exists or too late to cancel"))
    client = client_on(wire)

    client.cancel_order(symbol="BTCUSDT", order_link_id="at1-a-e")
    with pytest.raises(OrderRejected) as refused:
        client.cancel_order(symbol="BTCUSDT", order_link_id="at1-a-e")

    assert refused.value.code == "order_not_open"
    named = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "at1-a-e"}
    assert wire.sent(CANCEL) == [named, named]


def test_amend_sends_only_what_changes(wire: ScriptedWire) -> None:
    wire.script(AMEND, {"orderId": "o-1"}, (110001, "order not exists or too late to replace"))
    client = client_on(wire)

    client.amend_order(symbol="BTCUSDT", order_link_id="at1-a-e", price=Decimal("50000.5"))
    with pytest.raises(OrderRejected) as refused:
        client.amend_order(symbol="BTCUSDT", order_link_id="at1-a-e", qty=Decimal("0.02"))

    assert refused.value.code == "order_not_open"
    first, second = wire.sent(AMEND)
    assert (first["price"], "qty" in first) == ("50000.5", False)
    assert (second["qty"], "price" in second) == ("0.02", False)


def test_order_is_looked_for_among_working_ones_first(wire: ScriptedWire) -> None:
    wire.script(REALTIME, listed(order_row()))

    found = client_on(wire).order(symbol="BTCUSDT", order_link_id="at1-a-e")

    assert found is not None
    assert found.status is VenueOrderStatus.NEW
    assert wire.sent(HISTORY) == []


def test_order_is_looked_for_in_history_next(wire: ScriptedWire) -> None:
    wire.script(REALTIME, listed())
    wire.script(HISTORY, listed(order_row(orderStatus="Filled", cumExecQty="0.010")))

    found = client_on(wire).order(symbol="BTCUSDT", order_link_id="at1-a-e")

    assert found is not None
    assert found.status is VenueOrderStatus.FILLED


def test_order_under_another_name_is_not_it(wire: ScriptedWire) -> None:
    wire.script(REALTIME, listed(order_row(orderLinkId="at1-b-e")))
    wire.script(HISTORY, listed(order_row(orderLinkId="")))

    assert client_on(wire).order(symbol="BTCUSDT", order_link_id="at1-a-e") is None


def test_final_row_of_an_order_wins(wire: ScriptedWire) -> None:
    final = order_row(orderStatus="Cancelled", updatedTime=stamp(timedelta(seconds=1)))
    wire.script(REALTIME, listed(order_row(), final))

    found = client_on(wire).order(symbol="BTCUSDT", order_link_id="at1-a-e")

    assert found is not None
    assert found.status is VenueOrderStatus.CANCELLED


@pytest.mark.parametrize("silent", [REALTIME, HISTORY])
def test_not_found_needs_both_answers(wire: ScriptedWire, silent: str) -> None:
    wire.script(REALTIME, listed())
    wire.script(HISTORY, listed())
    wire.script(silent, (10016, "System error"))

    with pytest.raises(ExchangeUnavailable):
        client_on(wire).order(symbol="BTCUSDT", order_link_id="at1-a-e")


def test_unreadable_order_is_not_an_absent_one(wire: ScriptedWire) -> None:
    wire.script(REALTIME, listed(order_row(orderStatus="Levitating")))

    with pytest.raises(ExchangeUnavailable, match="Levitating"):
        client_on(wire).order(symbol="BTCUSDT", order_link_id="at1-a-e")


def test_open_orders_of_both_kinds_and_all_pages(wire: ScriptedWire) -> None:
    stop = order_row(orderId="o-3", orderLinkId="", orderStatus="Untriggered", reduceOnly=True)
    wire.script(
        REALTIME,
        listed(order_row(orderId="o-2", createdTime=stamp(timedelta(hours=1))), cursor="c%3D1"),
        listed(order_row(), order_row(orderId="o-9", orderStatus="Filled")),
        listed(stop, order_row()),
    )

    found = client_on(wire).open_orders()

    assert {one.order_id for one in found} == {"o-1", "o-2", "o-3"}
    assert found[0].order_id == "o-2"
    asked = wire.sent(REALTIME)
    assert [one["orderFilter"] for one in asked] == ["Order", "Order", "StopOrder"]
    assert {one["settleCoin"] for one in asked} == {"USDT"}


def test_positions_of_all_pages_without_flat_ones(wire: ScriptedWire) -> None:
    wire.script(
        POSITIONS,
        listed(position_row(), cursor="next"),
        listed(position_row(symbol="ETHUSDT", side="Sell"), position_row(symbol="X", size="0")),
    )

    long, short = client_on(wire).positions()

    assert (long.symbol, long.side, long.qty) == ("BTCUSDT", Side.BUY, Decimal("0.010"))
    assert (long.stop_loss, long.take_profit) == (Decimal(49000), None)
    assert (short.symbol, short.side) == ("ETHUSDT", Side.SELL)


@pytest.mark.parametrize("answer", [(10016, "System error"), TIMEOUT, {"list": None}])
def test_positions_that_were_not_told_are_not_none(wire: ScriptedWire, answer: Any) -> None:
    wire.script(POSITIONS, answer)

    with pytest.raises(ExchangeUnavailable):
        client_on(wire).positions()


def test_both_levels_are_always_sent(wire: ScriptedWire) -> None:
    wire.script(STOP, {}, (34040, "not modified"))
    client = client_on(wire)

    for _ in range(2):
        client.set_trading_stop(symbol="BTCUSDT", stop_loss=Decimal("49000.50"), take_profit=None)

    first, second = wire.sent(STOP)
    assert first == second
    assert (first["stopLoss"], first["takeProfit"]) == ("49000.5", "0")
    assert (first["tpslMode"], first["positionIdx"]) == ("Full", 0)
    assert (first["slTriggerBy"], first["tpTriggerBy"]) == ("LastPrice", "LastPrice")
    assert wire.window_of(STOP) == 5000


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("can not set tp/sl/ts for zero position", "no_position"),
        ("StopLoss:5 set for Buy position should lower than base_price:4", "stop_wrong_side"),
    ],
)
def test_refused_levels_in_words(wire: ScriptedWire, words: str, code: str) -> None:
    wire.script(STOP, (10001, words))

    with pytest.raises(OrderRejected) as refused:
        client_on(wire).set_trading_stop(symbol="BTCUSDT", stop_loss=Decimal(5), take_profit=None)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("row", "stop", "code"),
    [
        (position_row(size="0", side=""), Decimal(49000), "no_position"),
        (position_row(), Decimal(50200), "stop_wrong_side"),
        (position_row(side="Sell"), Decimal(50000), "stop_wrong_side"),
        (position_row(), Decimal(49000), "invalid_order"),
        (position_row(), None, "invalid_order"),
    ],
)
def test_refused_levels_in_strange_words_are_judged_by_the_position(
    wire: ScriptedWire, row: dict[str, Any], stop: Decimal | None, code: str
) -> None:
    wire.script(STOP, (10001, "params error"))
    wire.script(POSITIONS, listed(row))

    with pytest.raises(OrderRejected) as refused:
        client_on(wire).set_trading_stop(symbol="BTCUSDT", stop_loss=stop, take_profit=None)

    assert refused.value.code == code


def test_refused_levels_stay_refused_when_the_position_is_not_told(wire: ScriptedWire) -> None:
    wire.script(STOP, (10001, "params error"))
    wire.script(POSITIONS, (10016, "System error"))

    with pytest.raises(OrderRejected) as refused:
        client_on(wire).set_trading_stop(symbol="BTCUSDT", stop_loss=Decimal(5), take_profit=None)

    assert refused.value.code == "invalid_order"


def test_what_stands_now_is_not_asked_for_long(wire: ScriptedWire) -> None:
    wire.script(POSITIONS, requests.exceptions.ConnectionError("refused"))
    waited: list[float] = []
    wire.on_sleep = waited.append

    with pytest.raises(ExchangeUnavailable):
        client_on(wire).positions()

    assert 0 < sum(waited) < 5
