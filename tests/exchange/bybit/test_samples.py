"""Real payloads of orders and accounts, read to the last field that is used."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchange.bybit import parse
from exchange.domain import (
    Balance,
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    OrderReport,
    OrderType,
    PositionReport,
    Side,
    VenueOrderStatus,
)
from tests.exchange.bybit.samples import (
    LIBRARY,
    NEEDS_SAMPLES,
    NOW,
    OFFICIAL,
    RECORDED,
    at,
    payload,
    row,
    rows,
)

pytestmark = NEEDS_SAMPLES


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "order__open-order.0a"), (LIBRARY, "Trading/GetOrders")]
)
def test_open_order(source: tuple[str, str]) -> None:
    assert parse.order_report(row(*source)) == OrderReport(
        order_link_id="test-000005",
        order_id="fd4300ae-7847-404e-b947-b46980a4d140",
        symbol="ETHUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        status=VenueOrderStatus.NEW,
        qty=Decimal("0.10"),
        filled_qty=Decimal(0),
        avg_price=None,
        price=Decimal(1600),
        reduce_only=False,
        created_at=at(1684738540559),
        updated_at=at(1684738540561),
    )


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "order__order-list.0a"), (LIBRARY, "Trading/GetOrderHistory")]
)
def test_order_of_the_history(source: tuple[str, str]) -> None:
    assert parse.order_report(row(*source)) == OrderReport(
        order_link_id="YLxaWKMiHU",
        order_id="14bad3a1-6454-43d8-bcf2-5345896cf74d",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        status=VenueOrderStatus.CANCELLED,
        qty=Decimal("0.003"),
        filled_qty=Decimal(0),
        avg_price=None,
        price=Decimal("26864.40"),
        reduce_only=False,
        created_at=at(1684476068369),
        updated_at=at(1684476068372),
        reject_reason="EC_PostOnlyWillTakeLiquidity",
    )


@pytest.mark.parametrize(
    "source",
    [(OFFICIAL, "websocket__private__order.1a"), (LIBRARY, "ws_subscriptions/Private_Order")],
)
def test_streamed_order_of_another_market_is_out_of_scope(source: tuple[str, str]) -> None:
    told = row(*source)

    assert not parse.in_scope(told)
    read = parse.order_report(told)
    assert (read.status, read.filled_qty, read.avg_price, read.price) == (
        VenueOrderStatus.FILLED,
        Decimal(1),
        Decimal(75),
        None,
    )


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "order__execution.0a"), (LIBRARY, "Trading/GetUserTrades")]
)
def test_execution(source: tuple[str, str]) -> None:
    told = row(*source)

    assert parse.execution(told) == Execution(
        exec_id="e0cbe81d-0f18-5866-9415-cf319b5dab3b",
        order_id="8c065341-7b52-4ca9-ac2c-37e31ac55c94",
        order_link_id="",
        symbol="ETHPERP",
        side=Side.BUY,
        qty=Decimal("0.1"),
        price=Decimal("1190.15"),
        fee=Decimal("0.071409"),
        is_maker=False,
        kind=ExecutionKind.TRADE,
        time=at(1672282722429),
    )
    assert parse.sequence(told) == 4688002127
    assert not parse.in_scope(told)


def test_streamed_execution_with_a_tax_beside_the_fee() -> None:
    told = row(OFFICIAL, "websocket__private__execution.1a")

    assert parse.in_scope(told)
    assert parse.execution(told) == Execution(
        exec_id="0ab1bdf7-4219-438b-b30a-32ec863018f7",
        order_id="9aac161b-8ed6-450d-9cab-c5cc67c21784",
        order_link_id="",
        symbol="BTCUSDT",
        side=Side.SELL,
        qty=Decimal("0.5"),
        price=Decimal("95900.1"),
        fee=Decimal("26.3725275") + Decimal("0.006403779"),
        is_maker=False,
        kind=ExecutionKind.TRADE,
        time=at(1746270400353),
    )
    assert parse.sequence(told) == 140612148849382


def test_streamed_execution_of_2022() -> None:
    read = parse.execution(row(LIBRARY, "ws_subscriptions/Private_UserTrades"))

    assert read is not None
    assert (read.exec_id, read.symbol, read.side) == (
        "7e2ae69c-4edf-5800-a352-893d52b446aa",
        "XRPUSDT",
        Side.SELL,
    )
    assert (read.qty, read.price, read.fee) == (Decimal(25), Decimal("0.3374"), Decimal("0.005061"))
    assert (read.kind, read.time) == (ExecutionKind.TRADE, at(1672364174443))


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "position__position.0a"), (LIBRARY, "Trading/GetPositions")]
)
def test_position(source: tuple[str, str]) -> None:
    told = row(*source)

    assert parse.position_report(told) == PositionReport(
        symbol="BTCUSD",
        side=Side.SELL,
        qty=Decimal(300),
        avg_price=Decimal("27464.50441675"),
        stop_loss=None,
        take_profit=None,
        leverage=Decimal(10),
        mark=Decimal("28224.50"),
        updated_at=at(1697673600012),
    )
    assert parse.sequence(told) == 5723621632
    assert not parse.is_hedged(told)


@pytest.mark.parametrize(
    "source",
    [(OFFICIAL, "websocket__private__position.1a"), (LIBRARY, "ws_subscriptions/Private_Position")],
)
def test_streamed_flat_position_of_hedge_mode(source: tuple[str, str]) -> None:
    told = row(*source)

    assert parse.position_report(told) == PositionReport(
        symbol="BTCUSDT",
        side=None,
        qty=Decimal(0),
        avg_price=None,
        stop_loss=None,
        take_profit=None,
        leverage=Decimal(10),
        mark=Decimal("28184.5"),
        updated_at=at(1697682317038),
    )
    assert parse.is_hedged(told)
    assert parse.sequence(told) == 8327597863


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "account__wallet-balance.0a"), (LIBRARY, "Account/GetBalances")]
)
@pytest.mark.parametrize("isolated", [True, False])
def test_wallet_without_usdt_is_zero(source: tuple[str, str], isolated: bool) -> None:
    result = payload(*source)["result"]

    zero = Decimal(0)
    assert parse.balance(result, time=NOW, isolated=isolated) == Balance(zero, zero, zero, NOW)


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "account__account-info.0a"), (LIBRARY, "Account/GetMarginAccountInfo")]
)
def test_account_facts(source: tuple[str, str]) -> None:
    facts = parse.account_facts(payload(*source)["result"])

    assert facts == parse.AccountFacts(parse.MarginMode.CROSS, unified=False)


def test_key_bound_to_addresses() -> None:
    assert parse.key_facts(payload(OFFICIAL, "user__apikey-info.0a")["result"]) == parse.KeyFacts(
        user_id="1448939",
        read_only=True,
        may_trade=False,
        may_withdraw=False,
        may_transfer=True,
        addresses=("18.181.170.164", "13.212.45.47", "13.212.45.48"),
        expires_at=None,
        unified=True,
    )


def test_key_open_to_every_address_expires() -> None:
    assert parse.key_facts(payload(LIBRARY, "Account/GetApiKeyInfo")["result"]) == parse.KeyFacts(
        user_id="24617703",
        read_only=False,
        may_trade=True,
        may_withdraw=False,
        may_transfer=True,
        addresses=(),
        expires_at=datetime(2023, 12, 22, 7, 20, 25, tzinfo=UTC),
        unified=False,
    )


@pytest.mark.parametrize(
    "source",
    [(OFFICIAL, "account__transaction-log.0a"), (LIBRARY, "Account/GetTransactionHistory")],
)
def test_transaction_log(source: tuple[str, str]) -> None:
    funding, second, first = (parse.ledger_entry(one) for one in rows(*source))

    assert funding == LedgerEntry(
        entry_id="SETTLEMENT:534c0003-4bf7-486f-aa02-78cee36825e4",
        kind=LedgerKind.FUNDING,
        symbol="XRPUSDT",
        amount=Decimal("-0.003676"),
        time=at(1672128000000),
    )
    assert second == LedgerEntry(
        entry_id="TRADE:5184f079-88ec-54c7-8774-5173cafd2b4e",
        kind=LedgerKind.EXECUTION,
        symbol="XRPUSDT",
        amount=Decimal("-0.0190872"),
        time=at(1672121182224),
        exec_id="5184f079-88ec-54c7-8774-5173cafd2b4e",
    )
    assert first is not None
    assert (first.exec_id, first.amount) == (
        "8569c10f-5061-5891-81c4-a54929847eb3",
        Decimal("-0.0026028"),
    )


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "position__close-pnl.0a"), (LIBRARY, "Trading/GetClosedProfitLoss")]
)
def test_closed_pnl(source: tuple[str, str]) -> None:
    assert parse.closed_pnl(row(*source)) == parse.ClosedPnl(
        order_id="5a373bfe-188d-4913-9c81-d57ab5be8068",
        symbol="ETHPERP",
        side=Side.SELL,
        qty=Decimal(3),
        entry_price=Decimal("1194.97516667"),
        exit_price=Decimal("1180.59833333"),
        pnl=Decimal("-47.4065323"),
        time=at(1672214887236),
    )


def test_recorded_market_order_is_told_once_and_filled() -> None:
    told = row(RECORDED, "order_market_filled_single_message")

    assert parse.in_scope(told)
    assert parse.order_report(told) == OrderReport(
        order_link_id="1708249213491",
        order_id="b49d6860-3062-4295-aa1f-c6471f3c9b20",
        symbol="BTCUSDT",
        side=Side.SELL,
        order_type=OrderType.MARKET,
        status=VenueOrderStatus.FILLED,
        qty=Decimal("0.003"),
        filled_qty=Decimal("0.003"),
        avg_price=Decimal(51850),
        price=None,
        reduce_only=False,
        created_at=at(1708249213755),
        updated_at=at(1708249213758),
    )


def test_recorded_execution_belongs_to_the_order_of_the_same_match() -> None:
    told = row(RECORDED, "execution_market_same_id_as_order")

    assert parse.execution(told) == Execution(
        exec_id="8262dbfa-5434-51ed-8458-3b97d3d49b3a",
        order_id="b49d6860-3062-4295-aa1f-c6471f3c9b20",
        order_link_id="1708249213491",
        symbol="BTCUSDT",
        side=Side.SELL,
        qty=Decimal("0.003"),
        price=Decimal(51850),
        fee=Decimal("0.0855525"),
        is_maker=False,
        kind=ExecutionKind.TRADE,
        time=at(1708249213755),
    )
    assert parse.sequence(told) == 8935822012


def test_recorded_entry() -> None:
    read = parse.order_report(row(RECORDED, "order_open_position_filled"))

    assert (read.order_link_id, read.status, read.side) == (
        "f8d63d27-d268-4d8d-b6f4-7d44142266fe",
        VenueOrderStatus.FILLED,
        Side.BUY,
    )
    assert (read.filled_qty, read.avg_price) == (Decimal("0.001"), Decimal("64809.6"))


def test_recorded_close_takes_the_protective_order_away_first() -> None:
    told = rows(RECORDED, "order_close_position_deactivates_tpsl_same_message")
    stop, close = (parse.order_report(one) for one in told)

    assert (stop.order_link_id, stop.status, stop.reduce_only, stop.filled_qty) == (
        "",
        VenueOrderStatus.CANCELLED,
        True,
        Decimal(0),
    )
    assert stop.reject_reason == "CancelByTpSlTsClear"
    assert (close.status, close.avg_price) == (VenueOrderStatus.FILLED, Decimal("64627.3"))
    assert (close.order_link_id, close.reject_reason) == (
        "ded4d47f-6928-4a74-ab49-0c914b555f02",
        "",
    )


def test_recorded_trailing_stop_waits() -> None:
    read = parse.order_report(row(RECORDED, "order_trailing_stop_untriggered_update"))

    assert (read.status, read.side, read.qty) == (
        VenueOrderStatus.NEW,
        Side.SELL,
        Decimal("0.001"),
    )
    assert (read.order_link_id, read.reduce_only, read.avg_price) == ("", True, None)
    assert read.updated_at == at(1727523073392)
