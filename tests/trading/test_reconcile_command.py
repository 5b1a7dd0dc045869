"""``manage.py reconcile``: with a trader that is asked, and without one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from exchange.domain import OrderRequest, OrderType, Side
from exchange.models import ExchangeAccount, PaperLedgerEntry, PaperPosition
from tests.exchange.paper.scripted_market import START
from tests.trading.commands import books_account, outcome_of
from trading.choices import CommandState
from trading.execution.desk import Desk
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.management.commands import reconcile as module
from trading.models import Cashflow, Command, Event, Lease
from trading.wiring import WALL, client_for, market_for

pytestmark = pytest.mark.django_db(transaction=True)

# An order with an id of ours that our tables don't have.
STRAY = OrderRequest(
    "at1-stray-e", "BTCUSDT", Side.BUY, OrderType.LIMIT, Decimal("0.01"), Decimal(1000)
)


@pytest.fixture
def account(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExchangeAccount]:
    # Traders tell how they are more often, so that nobody waits for them here.
    monkeypatch.setattr("trading.execution.lease.RENEW_EVERY_S", 0.2)
    with books_account(settings, tmp_path) as made:
        yield made


def run(*arguments: str) -> tuple[str, str]:
    """What it printed, and why its exit code is not 0."""
    return outcome_of("reconcile", *arguments)


@pytest.fixture
def traded(account: ExchangeAccount) -> Iterator[Callable[..., Desk]]:
    """Runs a trader of the account in a thread until the test ends; with ``stray`` an order that
    our tables don't have works on its venue."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(stray: bool = False) -> Desk:
        lease = AccountLease(account, WALL)
        market = market_for(account)
        desk = Desk(account, client_for(account, market), market, WALL, lease, stop)
        ready = threading.Event()

        def trade() -> None:
            assert lease.acquire()
            if stray:
                desk.client.place_order(STRAY)
            trader = Trader(desk)
            trader.start()
            ready.set()
            trader.run()
            lease.release()
            connection.close()

        threads.append(threading.Thread(target=trade))
        threads[-1].start()
        assert ready.wait(20)
        return desk

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)


def miscount(account: ExchangeAccount) -> None:
    """A transfer in our tables that the exchange knows nothing of."""
    Cashflow.objects.create(
        account=account, entry_id="made up", kind="transfer", amount=Decimal(100), time=START
    )


def buy_elsewhere(account: ExchangeAccount) -> None:
    """A position that none of our orders opened."""
    PaperPosition.objects.create(
        account=account,
        symbol="BTCUSDT",
        side="buy",
        qty=Decimal("0.001"),
        avg_price=Decimal(60_000),
        cost=Decimal(60),
        opened_at=START,
        updated_at=START,
    )


def test_without_a_trader_it_compares_under_the_lease(account: ExchangeAccount) -> None:
    assert run() == ("Books (SIM): agrees with the exchange\n", "")
    lease = Lease.objects.get(account=account)
    assert (lease.token, lease.holder) == (1, "")


def test_a_difference_is_a_row_with_what_to_do(account: ExchangeAccount) -> None:
    run()
    miscount(account)
    printed, refusal = run("--account", str(account.pk))
    assert refusal == "1: 1 of 1 accounts differ, 0 could not be compared"
    first, heading, row = printed.splitlines()
    assert first == "Books (SIM): differs"
    assert heading.split() == ["difference", "what", "to", "do"]
    assert row.startswith("  wallet: we count 10100.00000000 USDT, the exchange 10000")
    assert row.endswith("look for transfers and funding in the venue's transaction log")
    assert heading.index("what to do") == row.index("look for transfers")


def test_a_position_that_is_not_ours_is_shown_and_is_no_difference(
    account: ExchangeAccount,
) -> None:
    run()
    buy_elsewhere(account)
    printed, refusal = run()
    assert refusal == ""
    assert "BTCUSDT: a position that is not ours" in printed
    assert "close it on the venue to trade the symbol here" in printed


def test_a_running_trader_is_asked(account: ExchangeAccount, traded: Callable[..., Desk]) -> None:
    desk = traded()
    assert run() == ("Books (SIM): agrees with the exchange\n", "")
    command = Command.objects.get()
    assert (command.kind, command.state) == ("reconcile", CommandState.DONE)
    assert Lease.objects.get().token == desk.lease.token == 1


def test_what_a_running_trader_found_is_shown(
    account: ExchangeAccount, traded: Callable[..., Desk]
) -> None:
    traded()
    miscount(account)
    printed, refusal = run()
    assert "wallet: we count" in printed
    assert "1 of 1 accounts differ" in refusal
    assert Event.objects.filter(kind="engine_differs").count() == 1


def test_a_trader_that_does_not_answer_is_said(
    account: ExchangeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.2)
    Lease.objects.update(heartbeat_at=timezone.now(), holder="another")
    printed, refusal = run()
    assert printed == "Books (SIM): not compared, the trader did not answer within 0 s\n"
    assert refusal == "1: 0 of 1 accounts differ, 1 could not be compared"


def test_a_trader_that_refuses_is_quoted(
    account: ExchangeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lease.objects.update(heartbeat_at=timezone.now(), holder="another")

    def refuse() -> None:
        while not Command.objects.update(state=CommandState.FAILED, answer="not now"):
            pass
        connection.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    printed, _ = run()
    thread.join()
    assert "not compared, the trader answered: not now" in printed


def test_an_account_that_somebody_else_holds_is_left_to_them(account: ExchangeAccount) -> None:
    Lease.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1), holder="silent")
    other = AccountLease(account, WALL)
    held = threading.Event()
    done = threading.Event()

    def hold() -> None:
        assert other.acquire()
        Lease.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
        held.set()
        done.wait(20)
        other.release()
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    printed, refusal = run()
    done.set()
    thread.join()
    assert "another process holds the account" in printed
    assert refusal


def test_an_unknown_account_is_refused(account: ExchangeAccount) -> None:
    with pytest.raises(CommandError, match="no account with id 77"):
        call_command("reconcile", "--account", "77")


def test_a_venue_that_cannot_be_opened_is_not_an_agreement(account: ExchangeAccount) -> None:
    ExchangeAccount.objects.update(mode="LIVE")
    printed, refusal = run()
    assert "real money is refused" in printed
    assert "1 could not be compared" in refusal


def test_a_repair_mends_what_is_proved_and_compares_again(account: ExchangeAccount) -> None:
    run()
    client_for(account, market_for(account)).place_order(STRAY)
    printed, refusal = run()
    assert "works on the exchange and is not in our tables" in printed
    assert "--repair: the order is cancelled" in printed
    assert "1 of 1 accounts differ" in refusal
    printed, refusal = run("--repair")
    first, mended = printed.splitlines()
    assert (first, refusal) == ("Books (SIM): agrees with the exchange", "")
    assert mended.startswith("  repair: BTCUSDT: order at1-stray")
    assert run() == ("Books (SIM): agrees with the exchange\n", "")


def test_a_running_trader_mends_on_request(
    account: ExchangeAccount, traded: Callable[..., Desk]
) -> None:
    traded(stray=True)
    printed, _ = run("--repair")
    assert "repair: BTCUSDT: order at1-stray" in printed
    assert Command.objects.get().payload == {"repair": True}


def test_the_wallet_is_compared_beside_a_trader_and_names_what_differs(
    account: ExchangeAccount,
) -> None:
    market = market_for(account)
    entry = PaperLedgerEntry.objects.create(
        account=account,
        entry_id="pl-1",
        kind="transfer",
        amount=Decimal(50),
        time=market.now() - timedelta(days=2),
    )
    ExchangeAccount.objects.filter(pk=account.pk).update(connected_at=entry.time)
    day = entry.time.date()
    out, why = run("--wallet", "--days", "3")
    assert f"{day}: differs, booked 0.00000000, reported 50.00000000 USDT" in out
    assert "transfer pl-1: ours –, the exchange 50.00000000, difference 50.00000000" in out
    assert why == "1: 1 of 1 accounts differ or could not be compared"
    Cashflow.objects.create(
        account=account, entry_id="pl-1", kind="transfer", amount=50, time=entry.time
    )
    out, why = run("--wallet", "--days", "3")
    assert (f"{day}: mended" in out, why) == (True, "")
