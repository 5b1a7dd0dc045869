"""The ledger: committed before told, the same after a restart, cheap while nothing happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from exchange.domain import OrderRequest, Side, VenueOrderStatus
from exchange.errors import ExchangeUnavailable, OrderOutcomeUnknown, OrderRejected
from exchange.models import (
    ExchangeAccount,
    PaperAccount,
    PaperExecution,
    PaperLedgerEntry,
    PaperOrder,
    PaperPosition,
)
from exchange.paper.ledger import PaperExchange, open_ledger
from exchange.ports import ExchangeClient
from tests.exchange.paper.engine_account import order
from tests.exchange.paper.scripted_market import MINUTE, START, ScriptedMarket, bar, candles

pytestmark = pytest.mark.django_db(transaction=True)

BUY, SELL = Side.BUY, Side.SELL
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
FLAT = bar(100, 100, 100, 100)
QueryCounter = Callable[[int], Any]


@pytest.fixture
def account() -> ExchangeAccount:
    return make_account("paper")


@pytest.fixture
def market() -> ScriptedMarket:
    return ScriptedMarket("BTCUSDT", "ETHUSDT")


@pytest.fixture
def venue(account: ExchangeAccount, market: ScriptedMarket) -> PaperExchange:
    return PaperExchange(account, market)


def make_account(name: str) -> ExchangeAccount:
    account = ExchangeAccount.objects.create(name=name, mode="SIM", start_equity=10_000)
    open_ledger(account, START)
    return account


def entry(link_id: str = "entry", *, symbol: str = "BTCUSDT") -> OrderRequest:
    return order(BUY, 10, stop=95, target=110, link_id=link_id, symbol=symbol)


def tables(account: ExchangeAccount) -> list[list[dict[str, Any]]]:
    """Every paper row of the account without its primary key."""
    hidden = {"id", "account_id"}
    return [
        [
            {name: value for name, value in row.items() if name not in hidden}
            for row in model._default_manager.filter(account=account).order_by("id").values()
        ]
        for model in (PaperAccount, PaperOrder, PaperPosition, PaperExecution, PaperLedgerEntry)
    ]


@contextmanager
def failing_writes(table: str) -> Iterator[None]:
    """A database that breaks when it should write into ``table``."""

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE")) and f"exchange_{table}" in sql:
            raise OperationalError("disk I/O error")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield


def test_paper_exchange_is_an_exchange_client(venue: PaperExchange) -> None:
    client: ExchangeClient = venue

    assert client.positions() == ()


def test_ledger_opens_once_with_the_start_equity(account: ExchangeAccount) -> None:
    PaperAccount.objects.filter(account=account).update(wallet=5)

    assert open_ledger(account, START + MINUTE).wallet == 5
    assert make_account("second").paper_account.wallet == 10_000


def test_account_without_a_ledger_has_no_venue(market: ScriptedMarket) -> None:
    bare = ExchangeAccount.objects.create(name="bare", mode="SIM")

    with pytest.raises(PaperAccount.DoesNotExist):
        PaperExchange(bare, market)


def test_acknowledged_order_is_in_the_tables(
    account: ExchangeAccount, venue: PaperExchange
) -> None:
    ack = venue.place_order(entry())

    row = PaperOrder.objects.get(account=account)
    assert (row.order_id, row.order_link_id, row.status) == (ack.order_id, "entry", "new")
    assert (row.stop_loss, row.take_profit) == (95, 110)


def test_drained_fill_is_in_the_tables(
    account: ExchangeAccount, market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    market.play(FLAT)
    told = venue.drain()

    assert list(told.executions) == list(venue.executions(since=EPOCH))
    assert list(told.ledger) == list(venue.ledger(since=EPOCH))
    assert PaperPosition.objects.get(account=account).cost == 1002
    assert PaperAccount.objects.get(account=account).wallet == venue.balance().wallet


def test_position_row_goes_when_it_is_flat(
    account: ExchangeAccount, market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    market.play(FLAT, bar(100, 100, 90, 90))
    venue.drain()

    assert not PaperPosition.objects.filter(account=account).exists()
    assert PaperOrder.objects.get(account=account, order_link_id="").status == "filled"


def test_equity_follows_the_last_price(market: ScriptedMarket, venue: PaperExchange) -> None:
    venue.place_order(order(SELL, 10, link_id="short"))
    market.play(FLAT, *candles(100, 90))

    balance = venue.balance()
    assert balance.equity == balance.wallet + 10 * (Decimal("99.8") - 90)
    assert venue.positions()[0].mark == 90
    assert balance.time == market.now()


def test_nothing_is_available_under_water(market: ScriptedMarket, venue: PaperExchange) -> None:
    venue.place_order(order(BUY, 98, link_id="large"))
    market.play(FLAT)
    market.settle_funding("0.1", after=MINUTE)
    market.play(FLAT)

    assert venue.balance().available == 0


def test_empty_link_id_is_refused_after_the_venue_sent_orders_without_one(
    market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    market.play(FLAT, bar(100, 100, 90, 90))

    with pytest.raises(OrderRejected) as refused:
        venue.place_order(order(BUY, 10, link_id=""))

    assert refused.value.code == "link_id_invalid"


def test_final_orders_are_found_by_link_id(market: ScriptedMarket, venue: PaperExchange) -> None:
    venue.place_order(entry())
    market.play(FLAT)

    found = venue.order(symbol="BTCUSDT", order_link_id="entry")
    assert found is not None
    assert found.status is VenueOrderStatus.FILLED
    assert venue.order(symbol="ETHUSDT", order_link_id="entry") is None


def test_reads_since_include_their_instant(market: ScriptedMarket, venue: PaperExchange) -> None:
    venue.place_order(entry())
    market.play(FLAT)

    assert len(venue.executions(since=START)) == len(venue.ledger(since=START)) == 1
    assert venue.executions(since=START + MINUTE) == []
    assert venue.ledger(since=START + MINUTE) == []


def test_commands_advance_the_venue_first(market: ScriptedMarket, venue: PaperExchange) -> None:
    venue.place_order(order(BUY, 10, 99, link_id="resting"))
    market.play(*candles(100, 98))

    with pytest.raises(OrderRejected) as refused:
        venue.cancel_order(symbol="BTCUSDT", order_link_id="resting")

    assert refused.value.code == "order_not_open"
    assert len(venue.drain().executions) == 1


def test_symbols_are_interleaved_in_time(market: ScriptedMarket, venue: PaperExchange) -> None:
    venue.place_order(entry("btc"))
    venue.place_order(entry("eth", symbol="ETHUSDT"))
    down = bar(100, 100, 90, 90)
    market.play_together({"BTCUSDT": down, "ETHUSDT": FLAT})
    market.play_together({"BTCUSDT": FLAT, "ETHUSDT": down})

    told = venue.drain()
    assert [one.symbol[:3] for one in told.executions] == ["BTC", "ETH", "BTC", "ETH"]
    times = [one.time for one in told.executions]
    assert times == sorted(times)


def test_funding_goes_to_who_holds_at_its_time(
    market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    market.play(FLAT)
    market.settle_funding("0.0001")
    market.play(bar(100, 100, 90, 90))
    market.settle_funding("0.0001")

    amounts = [one.amount for one in venue.drain().ledger if one.exec_id == ""]
    assert amounts == [Decimal("-0.1")]


def test_quiet_account_costs_no_query(
    market: ScriptedMarket, venue: PaperExchange, django_assert_num_queries: QueryCounter
) -> None:
    with django_assert_num_queries(0):
        market.play(*candles(100, 90, 110))
        assert not venue.drain()


def test_untouched_position_costs_no_query(
    market: ScriptedMarket, venue: PaperExchange, django_assert_num_queries: QueryCounter
) -> None:
    venue.place_order(entry())
    market.play(FLAT)
    venue.drain()

    with django_assert_num_queries(0):
        market.play(*candles(100, 98, 105))
        assert not venue.drain()


def test_repeated_levels_cost_no_write(
    market: ScriptedMarket, venue: PaperExchange, django_assert_num_queries: QueryCounter
) -> None:
    venue.place_order(entry())
    market.play(FLAT)
    venue.drain()

    with django_assert_num_queries(0):
        venue.set_trading_stop(symbol="BTCUSDT", stop_loss=Decimal(95), take_profit=Decimal(110))


def test_market_that_stands_still_or_runs_back_changes_nothing(
    account: ExchangeAccount, market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    market.play(FLAT)
    venue.drain()
    before = tables(account)
    earlier = PaperExchange(account, ScriptedMarket("BTCUSDT"))

    assert not earlier.drain()
    assert earlier.balance().time == START + MINUTE
    earlier.set_trading_stop(symbol="BTCUSDT", stop_loss=Decimal(95), take_profit=Decimal(110))
    assert tables(account) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda venue: venue.place_order(entry()),
        lambda venue: venue.drain(),
        lambda venue: venue.balance(),
    ],
    ids=["place_order", "drain", "balance"],
)
def test_calls_inside_a_transaction_are_refused(
    venue: PaperExchange, call: Callable[[PaperExchange], object]
) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="open transaction"):
        call(venue)


def test_failed_write_leaves_memory_and_tables_alike(
    account: ExchangeAccount, market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    market.play(FLAT)
    before = tables(account)

    with failing_writes("paperexecution"), pytest.raises(ExchangeUnavailable):
        venue.drain()

    assert tables(account) == before
    assert len(venue.drain().executions) == 1
    assert venue.positions()[0].qty == 10


def test_unconfirmed_order_is_unknown_and_can_be_looked_up(venue: PaperExchange) -> None:
    with failing_writes("paperorder"), pytest.raises(OrderOutcomeUnknown):
        venue.place_order(entry())

    assert venue.order(symbol="BTCUSDT", order_link_id="entry") is None
    assert venue.open_orders() == ()


def test_amount_that_the_database_cannot_keep_is_refused(venue: PaperExchange) -> None:
    absurd = order(BUY, 10, target="12345678901234567.1", link_id="entry")

    with pytest.raises(OrderRejected) as refused:
        venue.place_order(absurd)

    assert refused.value.code == "amount_not_storable"
    assert venue.open_orders() == ()


def test_holder_with_an_old_copy_does_not_book(
    account: ExchangeAccount, market: ScriptedMarket, venue: PaperExchange
) -> None:
    late = PaperExchange(account, market)
    venue.place_order(entry())

    with pytest.raises(OrderOutcomeUnknown):
        late.place_order(entry("late"))

    assert [one.order_link_id for one in late.open_orders()] == ["entry"]
    assert late.order(symbol="BTCUSDT", order_link_id="late") is None


def test_market_without_prices_refuses_commands_and_fails_reads(
    market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    market.play(FLAT)
    market.silent = True

    with pytest.raises(ExchangeUnavailable):
        venue.positions()
    with pytest.raises(OrderRejected) as refused:
        venue.cancel_order(symbol="BTCUSDT", order_link_id="entry")
    assert refused.value.code == "venue_unavailable"

    market.silent = False
    assert len(venue.drain().executions) == 1


def test_row_that_lost_its_reference_price_stops_the_start(
    account: ExchangeAccount, market: ScriptedMarket, venue: PaperExchange
) -> None:
    venue.place_order(entry())
    PaperOrder.objects.update(price=None)

    with pytest.raises(ValueError, match="reference price"):
        PaperExchange(account, market)


def test_threads_take_turns(account: ExchangeAccount, venue: PaperExchange) -> None:
    def place_ten(name: str) -> None:
        try:
            for number in range(10):
                venue.place_order(order(BUY, 1, 90, link_id=f"{name}{number}"))
        finally:
            connection.close()

    threads = [threading.Thread(target=place_ten, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(venue.open_orders()) == PaperOrder.objects.filter(account=account).count() == 20
    assert PaperAccount.objects.get(account=account).sequence == 20
