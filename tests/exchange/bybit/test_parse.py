"""Absent, unknown and odd facts in Bybit's answers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from exchange.bybit import parse
from exchange.domain import ExecutionKind, LedgerKind, OrderType, VenueOrderStatus
from exchange.errors import ExchangeUnavailable

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STAMP = "1795305600000"

ORDER = {
    "orderId": "o-1",
    "orderLinkId": "at1-x-e",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "orderStatus": "New",
    "qty": "0.010",
    "price": "50000",
    "createdTime": STAMP,
    "updatedTime": STAMP,
}
FILL = {
    "execId": "e-1",
    "orderId": "o-1",
    "orderLinkId": "at1-x-e",
    "symbol": "BTCUSDT",
    "side": "Sell",
    "execQty": "0.010",
    "execPrice": "50000",
    "execFee": "0.275",
    "execType": "Trade",
    "execTime": STAMP,
    "isMaker": False,
}
POSITION = {
    "symbol": "BTCUSDT",
    "side": "Buy",
    "size": "0.010",
    "avgPrice": "50000",
    "leverage": "5",
    "updatedTime": STAMP,
}
ENTRY = {"id": "1", "type": "TRADE", "tradeId": "e-1", "change": "-1", "transactionTime": STAMP}
COIN = {
    "coin": "USDT",
    "walletBalance": "1000",
    "equity": "990",
    "unrealisedPnl": "-10",
    "totalPositionIM": "100",
    "totalOrderIM": "50",
    "locked": "7",
    "bonus": "3",
    "availableToWithdraw": "",
}


def wallet(coin: dict[str, Any], **account: str) -> dict[str, Any]:
    return {"list": [{"coin": [{"coin": "BTC", "walletBalance": "9"}, coin], **account}]}


@pytest.mark.parametrize("absent", ["", None, "UNKNOWN", "None"])
def test_absent_numbers_and_times_are_none(absent: object) -> None:
    assert parse.dec(absent) is None
    assert parse.ms(absent) is None


@pytest.mark.parametrize("odd", ["twelve", "NaN", "Infinity", "1,2", []])
def test_what_is_no_number_is_refused(odd: object) -> None:
    with pytest.raises(ValueError):
        parse.dec(odd)


def test_stamps_are_exact_and_go_both_ways() -> None:
    instant = datetime(2026, 11, 22, 0, 0, 0, 123000, tzinfo=UTC)

    assert parse.ms(parse.stamp(instant)) == instant
    assert parse.ms(f"{parse.stamp(instant)}999999") == instant
    assert parse.ms("0") is None


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+3", "1000"), ("0.00000010", "0.0000001"), ("100", "100"), ("1.50", "1.5"), ("0", "0")],
)
def test_numbers_leave_without_exponent(number: str, text: str) -> None:
    assert parse.plain(Decimal(number)) == text


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Created", VenueOrderStatus.NEW),
        ("New", VenueOrderStatus.NEW),
        ("Untriggered", VenueOrderStatus.NEW),
        ("Triggered", VenueOrderStatus.NEW),
        ("PartiallyFilled", VenueOrderStatus.PARTIALLY_FILLED),
        ("Filled", VenueOrderStatus.FILLED),
        ("Cancelled", VenueOrderStatus.CANCELLED),
        ("PartiallyFilledCanceled", VenueOrderStatus.CANCELLED),
        ("Deactivated", VenueOrderStatus.CANCELLED),
        ("Rejected", VenueOrderStatus.REJECTED),
    ],
)
def test_order_states(word: str, status: VenueOrderStatus) -> None:
    assert parse.order_report({**ORDER, "orderStatus": word}).status is status


def test_cancelled_order_keeps_what_was_filled() -> None:
    read = parse.order_report(
        {
            **ORDER,
            "orderStatus": "Cancelled",
            "cancelType": "CancelByUser",
            "cumExecQty": "0.004",
            "cumExecValue": "200",
            "leavesQty": "0",
        }
    )

    assert (read.status, read.filled_qty) == (VenueOrderStatus.CANCELLED, Decimal("0.004"))
    assert (read.avg_price, read.reject_reason) == (Decimal(50000), "CancelByUser")


def test_new_order_with_a_fill_is_partly_filled() -> None:
    read = parse.order_report({**ORDER, "cumExecQty": "0.001", "avgPrice": "50000"})

    assert read.status is VenueOrderStatus.PARTIALLY_FILLED


def test_order_without_any_time_is_refused() -> None:
    with pytest.raises(parse.UnreadablePayload, match="createdTime"):
        parse.order_report({**ORDER, "createdTime": "0", "updatedTime": ""})


def test_rejected_order_with_a_fill_is_told_as_cancelled() -> None:
    read = parse.order_report({**ORDER, "orderStatus": "Rejected", "cumExecQty": "0.001"})

    assert read.status is VenueOrderStatus.CANCELLED


@pytest.mark.parametrize("field", ["orderStatus", "side", "orderType"])
@pytest.mark.parametrize("word", ["Sideways", "", None])
def test_unknown_words_of_an_order_are_named(field: str, word: object) -> None:
    with pytest.raises(parse.UnreadablePayload, match=f"order can't be read: {field}") as refused:
        parse.order_report({**ORDER, field: word})

    assert isinstance(refused.value, ExchangeUnavailable)
    assert refused.value.field == field


@pytest.mark.parametrize("field", ["orderId", "symbol", "qty"])
def test_facts_that_an_order_needs(field: str) -> None:
    order = {name: value for name, value in ORDER.items() if name != field}

    with pytest.raises(parse.UnreadablePayload, match=field):
        parse.order_report(order)


def test_unknown_fields_and_missing_facts_are_no_matter() -> None:
    read = parse.order_report({**ORDER, "moonPhase": {"full": True}, "updatedTime": ""})

    assert (read.updated_at, read.order_type) == (read.created_at, OrderType.LIMIT)


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({}, ExecutionKind.TRADE),
        ({"stopOrderType": "UNKNOWN", "createType": "CreateByClosing"}, ExecutionKind.TRADE),
        ({"stopOrderType": "Stop"}, ExecutionKind.TRADE),
        ({"stopOrderType": "TakeProfit"}, ExecutionKind.TAKE_PROFIT),
        ({"stopOrderType": "PartialTakeProfit"}, ExecutionKind.TAKE_PROFIT),
        ({"createType": "CreateByTakeProfit"}, ExecutionKind.TAKE_PROFIT),
        ({"stopOrderType": "StopLoss"}, ExecutionKind.STOP_LOSS),
        ({"stopOrderType": "PartialStopLoss"}, ExecutionKind.STOP_LOSS),
        ({"stopOrderType": "TrailingStop"}, ExecutionKind.STOP_LOSS),
        ({"createType": "CreateByTrailingStop"}, ExecutionKind.STOP_LOSS),
        ({"execType": "BustTrade"}, ExecutionKind.LIQUIDATION),
        ({"createType": "CreateByLiq"}, ExecutionKind.LIQUIDATION),
        ({"createType": "CreateByTakeOver_PassThrough"}, ExecutionKind.LIQUIDATION),
        ({"execType": "AdlTrade", "stopOrderType": "UNKNOWN"}, ExecutionKind.ADL),
        ({"createType": "CreateByAdl_PassThrough"}, ExecutionKind.ADL),
        ({"execType": "Settle"}, ExecutionKind.SETTLEMENT),
        ({"execType": "Delivery", "orderId": ""}, ExecutionKind.SETTLEMENT),
        ({"createType": "CreateBySettle"}, ExecutionKind.SETTLEMENT),
    ],
)
def test_kinds_of_executions(facts: dict[str, str], kind: ExecutionKind) -> None:
    with capture_logs() as told:
        read = parse.execution({**FILL, **facts})

    assert read is not None
    assert read.kind is kind
    assert told == []


def test_unknown_kind_of_execution_is_a_trade_and_is_told() -> None:
    with capture_logs() as told:
        read = parse.execution({**FILL, "execType": "Wormhole"})

    assert read is not None
    assert (read.kind, read.qty) == (ExecutionKind.TRADE, Decimal("0.010"))
    assert [(one["log_level"], one["exec_type"]) for one in told] == [("warning", "Wormhole")]


@pytest.mark.parametrize("money", ["Funding", "SessionSettlePnL"])
def test_funding_is_no_execution(money: str) -> None:
    row = {**FILL, "execType": money, "orderType": "UNKNOWN", "execFee": "-0.007"}

    assert parse.execution(row) is None


def test_rebate_and_zero_fee() -> None:
    rebate = parse.execution({**FILL, "execFee": "-0.1", "isMaker": True})
    free = parse.execution({**FILL, "execFee": ""})

    assert rebate is not None
    assert free is not None
    assert (rebate.fee, rebate.is_maker, free.fee) == (Decimal("-0.1"), True, Decimal(0))


def test_fee_in_another_coin_is_told_in_usdt_and_noted() -> None:
    row = {**FILL, "feeCurrency": "MNT", "execFee": "0.31", "feeRate": "0.0004"}
    with capture_logs() as told:
        read = parse.execution(row)

    assert read is not None
    assert read.fee == Decimal("0.2")
    assert [(one["coin"], one["fee"]) for one in told] == [("MNT", "0.31")]


@pytest.mark.parametrize("tax", ["", [], None, '[{"feeCoin": "USDT", "fee": "0.1"}]'])
def test_extra_fees_in_every_form(tax: object) -> None:
    read = parse.execution({**FILL, "extraFees": tax})

    assert read is not None
    assert read.fee == Decimal("0.375" if tax and isinstance(tax, str) else "0.275")


@pytest.mark.parametrize("tax", ["[half", ["not a row"]])
def test_unreadable_extra_fees_are_refused(tax: object) -> None:
    with pytest.raises(parse.UnreadablePayload, match="extraFees"):
        parse.execution({**FILL, "extraFees": tax})


@pytest.mark.parametrize("unset", ["", "0", "0.00", None])
def test_levels_that_are_not_set(unset: object) -> None:
    read = parse.position_report({**POSITION, "stopLoss": unset, "takeProfit": "60000"})

    assert (read.stop_loss, read.take_profit) == (None, Decimal(60000))


def test_streamed_position_tells_its_price_under_another_name() -> None:
    row = {**POSITION, "entryPrice": "50001"}
    del row["avgPrice"]

    assert parse.position_report(row).avg_price == Decimal(50001)


@pytest.mark.parametrize("side", ["", "None", None])
def test_flat_position_has_no_side_and_no_price(side: object) -> None:
    read = parse.position_report({**POSITION, "side": side, "size": "0"})

    assert (read.side, read.qty, read.avg_price) == (None, Decimal(0), None)


def test_position_without_a_side_is_refused() -> None:
    with pytest.raises(parse.UnreadablePayload, match="side"):
        parse.position_report({**POSITION, "side": ""})


@pytest.mark.parametrize(
    ("isolated", "shared", "available"),
    [(True, "777", "840"), (False, "777", "777"), (False, "", "840"), (False, "-5", "0")],
)
def test_available_follows_the_margin_mode(isolated: bool, shared: str, available: str) -> None:
    result = wallet(COIN, totalAvailableBalance=shared)

    read = parse.balance(result, time=NOW, isolated=isolated)

    assert (read.wallet, read.equity) == (Decimal(1000), Decimal(990))
    assert read.available == Decimal(available)


def test_equity_includes_what_is_unrealised() -> None:
    read = parse.balance(wallet({**COIN, "equity": ""}), time=NOW, isolated=True)

    assert read.equity == Decimal(990)


@pytest.mark.parametrize("result", [{}, {"list": []}, {"list": [{}]}, {"list": None}])
def test_wallet_that_is_not_told_is_no_empty_wallet(result: dict[str, Any]) -> None:
    with pytest.raises(parse.UnreadablePayload):
        parse.balance(result, time=NOW, isolated=True)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("TRADE", LedgerKind.EXECUTION),
        ("LIQUIDATION", LedgerKind.EXECUTION),
        ("ADL", LedgerKind.EXECUTION),
        ("DELIVERY", LedgerKind.EXECUTION),
        ("SETTLEMENT", LedgerKind.FUNDING),
        ("TRANSFER_IN", LedgerKind.TRANSFER),
        ("AIRDROP", LedgerKind.TRANSFER),
    ],
)
def test_kinds_of_ledger_entries(word: str, kind: LedgerKind) -> None:
    read = parse.ledger_entry({**ENTRY, "type": word, "currency": "USDT"})

    assert read is not None
    assert (read.kind, read.entry_id) == (kind, f"{word}:e-1")
    assert read.exec_id == ("e-1" if kind is LedgerKind.EXECUTION else "")


def test_ledger_entry_without_a_trade_has_its_own_id() -> None:
    read = parse.ledger_entry({**ENTRY, "type": "TRANSFER_OUT", "tradeId": ""})

    assert read is not None
    assert read.entry_id == "TRANSFER_OUT:1"


def test_ledger_of_other_coins_and_markets() -> None:
    assert parse.ledger_entry({**ENTRY, "currency": "MNT"}) is None
    spot = parse.ledger_entry({**ENTRY, "category": "spot"})
    assert spot is not None
    assert (spot.kind, spot.exec_id) == (LedgerKind.TRANSFER, "")


@pytest.mark.parametrize(
    ("facts", "margin", "unified"),
    [
        ({"marginMode": "ISOLATED_MARGIN", "unifiedMarginStatus": 5}, "ISOLATED", True),
        ({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6}, "CROSS", True),
        ({"marginMode": "PORTFOLIO_MARGIN", "unifiedMarginStatus": 1}, "PORTFOLIO", False),
        ({"marginMode": "QUANTUM_MARGIN"}, "UNKNOWN", False),
    ],
)
def test_account_facts(facts: dict[str, Any], margin: str, unified: bool) -> None:
    read = parse.account_facts(facts)

    assert (read.margin_mode.name, read.unified) == (margin, unified)


def test_key_that_may_withdraw() -> None:
    read = parse.key_facts(
        {
            "readOnly": 0,
            "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]},
            "ips": [],
            "expiredAt": "2026-12-22T07:20:25Z",
        }
    )

    assert (read.may_trade, read.may_withdraw, read.may_transfer) == (True, True, False)
    assert read.expires_at == datetime(2026, 12, 22, 7, 20, 25, tzinfo=UTC)


def test_expiry_without_a_zone_is_utc() -> None:
    read = parse.key_facts({"permissions": {}, "expiredAt": "2026-12-22T07:20:25"})

    assert read.expires_at == datetime(2026, 12, 22, 7, 20, 25, tzinfo=UTC)


def test_key_facts_need_permissions() -> None:
    with pytest.raises(parse.UnreadablePayload, match="permissions"):
        parse.key_facts({"readOnly": 0})


@pytest.mark.parametrize(
    ("row", "inside"),
    [
        ({"category": "linear", "symbol": "BTCUSDT"}, True),
        ({"symbol": "BTCUSDT"}, True),
        ({"category": "linear", "symbol": "BTCPERP"}, False),
        ({"category": "spot", "symbol": "BTCUSDT"}, False),
        ({"category": "inverse", "symbol": "BTCUSD"}, False),
    ],
)
def test_scope(row: dict[str, str], inside: bool) -> None:
    assert parse.in_scope(row) is inside


def test_sequence_may_be_missing() -> None:
    assert parse.sequence({}) is None
    assert parse.sequence({"seq": -1}) == -1
