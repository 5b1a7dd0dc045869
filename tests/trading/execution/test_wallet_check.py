"""The wallet check finds what differs to the last place and names it; it corrects nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from exchange.choices import Mode
from exchange.domain import AccountUpdate, quantise
from exchange.errors import ExchangeUnavailable
from exchange.models import ExchangeAccount, PaperLedgerEntry
from exchange.paper.rows import ledger_since
from tests.exchange.bybit.simulated_venue import SYMBOL, SimulatedVenue, simulated_venue
from tests.exchange.conformance.exchange_client import EPOCH, away, closing, enter, market
from tests.factories import AccountFactory
from tests.trading.execution.floor import Floor
from trading.accounting import midnight, period_read
from trading.choices import CommandKind, WalletCheckState
from trading.execution.booking import book
from trading.execution.wallet_watch import WalletWatch
from trading.models import Cashflow, Event, Execution, WalletCheck
from trading.services import command_request
from trading.wallet_check import DAY, LedgerReader, days_due, wallet_checks_run

D = Decimal
TINY = D("0.00000001")


def paper_reader(account: ExchangeAccount) -> LedgerReader:
    return lambda since: ledger_since(account, since)


@pytest.fixture
def traded(paper_floor: Floor) -> Floor:
    """A trade that was opened and stopped out on the real paper venue."""
    paper_floor.signal()
    paper_floor.rounds(2)
    paper_floor.play(100, 94, 94)
    assert Execution.objects.count() == 2
    return paper_floor


def checked(floor: Floor, reader: LedgerReader | None = None) -> WalletCheck:
    (found,) = wallet_checks_run(
        floor.account,
        reader or paper_reader(floor.account),
        market_now=floor.market.now() + DAY,
        wall_now=timezone.now(),
        days=[floor.market.now().date()],
    )
    return found


def test_books_and_paper_ledger_agree(traded: Floor) -> None:
    check = checked(traded)
    assert check.state == WalletCheckState.AGREED
    assert (
        check.booked
        == check.reported
        == sum(PaperLedgerEntry.objects.values_list("amount", flat=True))
    )
    assert not Event.objects.filter(kind__startswith="wallet").exists()


def test_a_planted_hundred_millionth_in_our_books_is_found_and_named(traded: Floor) -> None:
    planted = Execution.objects.order_by("id")[1]
    Execution.objects.filter(pk=planted.pk).update(fee=planted.fee + TINY)
    check = checked(traded)
    assert (check.state, check.difference) == (WalletCheckState.DIFFERS, TINY)
    (finding,) = check.findings
    assert (finding["what"], finding["id"]) == ("execution", planted.exec_id)
    assert D(finding["venue"]) - D(finding["ours"]) == D(finding["difference"]) == TINY
    event = Event.objects.get(kind="wallet_differs")
    assert (event.level, planted.exec_id in event.text) == ("warning", True)


def test_a_planted_hundred_millionth_in_the_ledger_is_found_and_named(traded: Floor) -> None:
    entry = PaperLedgerEntry.objects.order_by("id")[0]
    PaperLedgerEntry.objects.filter(pk=entry.pk).update(amount=entry.amount - TINY)
    check = checked(traded)
    assert check.difference == -TINY
    assert [one["id"] for one in check.findings] == [entry.exec_id]


def test_differences_that_cancel_out_are_found_all_the_same(traded: Floor) -> None:
    for execution, sign in zip(Execution.objects.order_by("id"), (1, -1), strict=True):
        Execution.objects.filter(pk=execution.pk).update(fee=execution.fee + sign * TINY)
    check = checked(traded)
    assert (check.state, check.difference, len(check.findings)) == ("differs", 0, 2)


def test_what_we_lack_and_what_the_exchange_lacks_are_named(traded: Floor) -> None:
    lost = PaperLedgerEntry.objects.order_by("id")[0]
    PaperLedgerEntry.objects.filter(pk=lost.pk).update(exec_id="px-999")
    found = {one["id"]: (one["ours"], one["venue"]) for one in checked(traded).findings}
    assert found == {
        lost.exec_id: (f"{lost.amount:.8f}", "–"),
        "px-999": ("–", f"{lost.amount:.8f}"),
    }


def test_executions_that_the_log_does_not_name_are_all_found(traded: Floor) -> None:
    PaperLedgerEntry.objects.update(exec_id="")
    entries = set(PaperLedgerEntry.objects.values_list("entry_id", flat=True))
    check = checked(traded)
    assert {one["id"] for one in check.findings if one["ours"] == "–"} == entries
    assert (check.difference, len(check.findings)) == (0, 4)


def test_nothing_is_corrected_and_the_same_difference_is_told_once(traded: Floor) -> None:
    planted = Execution.objects.order_by("id")[0]
    Execution.objects.filter(pk=planted.pk).update(fee=planted.fee + TINY)
    checked(traded)
    checked(traded)
    planted.refresh_from_db()
    assert checked(traded).state == "differs"
    assert planted.fee == Execution.objects.get(pk=planted.pk).fee
    assert Event.objects.filter(kind="wallet_differs").count() == 1


def test_what_was_mended_by_hand_stays_on_record(traded: Floor) -> None:
    planted = Execution.objects.order_by("id")[0]
    Execution.objects.filter(pk=planted.pk).update(fee=planted.fee + TINY)
    found = checked(traded).findings
    Execution.objects.filter(pk=planted.pk).update(fee=planted.fee)
    check = checked(traded)
    assert (check.state, check.findings, check.difference) == ("mended", found, 0)
    assert Event.objects.filter(kind="wallet_agrees").count() == 1


def test_an_exchange_that_does_not_answer_leaves_the_day_unread(traded: Floor) -> None:
    def silent(since: datetime) -> list[object]:
        raise ExchangeUnavailable("no answer")

    assert checked(traded, silent).state == "unread"  # type: ignore[arg-type]
    assert checked(traded).state == "agreed"
    assert checked(traded, silent).state == "agreed"  # type: ignore[arg-type]


def test_days_are_due_once_they_are_complete_and_again_where_they_differ(traded: Floor) -> None:
    day, now = traded.market.now().date(), timezone.now()
    account, next_day = traded.account, midnight(day) + DAY
    assert days_due(account, next_day + timedelta(minutes=4), now) == []
    assert days_due(account, next_day + timedelta(minutes=6), now) == [day]
    check = checked(traded)
    assert days_due(account, next_day + timedelta(hours=1), now) == []
    WalletCheck.objects.filter(pk=check.pk).update(state="differs")
    assert days_due(account, next_day + timedelta(hours=1), now) == []
    later = now + timedelta(hours=2)
    assert days_due(account, next_day + timedelta(hours=1), later) == [day]
    assert days_due(account, next_day + 20 * DAY, later)[0] == day + DAY


def test_the_watch_beside_the_trader_compares_by_itself_and_on_a_command(traded: Floor) -> None:
    """The day is over on a clock that is a day ahead."""

    class Tomorrow:
        def now(self) -> datetime:
            return traded.market.now() + DAY

    traded.desk.market = Tomorrow()  # type: ignore[assignment]
    watch = WalletWatch(traded.desk, paper_reader, lambda _: traded.market)
    (check,) = watch.look()
    assert (check.day, check.state) == (date(2024, 1, 1), "agreed")
    assert watch.look() == []
    traded.desk.market = traded.market
    command_request(
        account=traded.account,
        kind=CommandKind.RECONCILE,
        payload={"wallet": True},
        idempotency_key="wallet",
        actor=None,
    )
    traded.rounds()
    assert traded.desk.wallet_asked.is_set()
    traded.desk.market = Tomorrow()  # type: ignore[assignment]
    assert [one.day for one in watch.look(asked=True)] == [date(2024, 1, 1)]
    assert not traded.desk.wallet_asked.is_set()


@pytest.mark.parametrize("error", [ExchangeUnavailable("no answer"), ValueError("a strange row")])
def test_whatever_goes_wrong_the_watch_looks_again(traded: Floor, error: Exception) -> None:
    class Tomorrow:
        def now(self) -> datetime:
            return traded.market.now() + DAY

    opened: list[ExchangeAccount] = []

    def opens(account: ExchangeAccount) -> LedgerReader:
        opened.append(account)
        if len(opened) == 1:
            raise error
        return paper_reader(account)

    traded.desk.market = Tomorrow()  # type: ignore[assignment]
    watch = WalletWatch(traded.desk, opens, lambda _: traded.market)
    watch.turn()
    assert not WalletCheck.objects.exists()
    watch.turn()
    assert WalletCheck.objects.get().state == WalletCheckState.AGREED


def test_the_watch_ends_with_the_lease(traded: Floor) -> None:
    watch = WalletWatch(traded.desk, paper_reader, lambda _: traded.market)
    traded.desk.lease_over.set()
    watch.start()
    watch.join(timeout=5)
    assert watch not in threading.enumerate()


# Bybit, as the simulator plays it over real HTTP.


@pytest.fixture
def venue() -> Iterator[SimulatedVenue]:
    with simulated_venue() as venue:
        yield venue


@pytest.fixture
def account(venue: SimulatedVenue, transactional_db: None) -> ExchangeAccount:
    made: ExchangeAccount = AccountFactory.create(
        mode=Mode.DEMO, start_equity=venue.client.balance().wallet, connected_at=EPOCH
    )
    return made


def learn(account: ExchangeAccount, venue: SimulatedVenue) -> None:
    """Book what the exchange has, as a reconciliation does."""
    client = venue.client
    executions, ledger = client.executions(since=EPOCH), client.ledger(since=EPOCH)
    book(account, AccountUpdate(executions=tuple(executions), ledger=tuple(ledger)))


def round_trip(venue: SimulatedVenue) -> None:
    """Two entries at uneven prices, left in three parts."""
    enter(venue, "one")
    venue.trade_at(away(venue, 1))
    venue.client.place_order(market(venue, "two", qty=D("0.007")))
    for number, percent in enumerate((2, -1, 3)):
        venue.trade_at(away(venue, percent))
        everything = number == 2
        qty = D(0) if everything else D("0.005")
        venue.client.place_order(closing(venue, f"out{number}", qty, everything=everything))
    assert not venue.client.positions()


def compared(account: ExchangeAccount, venue: SimulatedVenue) -> list[WalletCheck]:
    """Today and yesterday, so that midnight may pass while the test runs."""
    today = datetime.now(UTC).date()
    return wallet_checks_run(
        account,
        lambda since: venue.client.ledger(since=since),
        market_now=datetime.now(UTC) + DAY,
        wall_now=timezone.now(),
        days=[today - DAY, today],
    )


def test_books_and_bybit_log_agree(venue: SimulatedVenue, account: ExchangeAccount) -> None:
    round_trip(venue)
    learn(account, venue)
    assert {one.state for one in compared(account, venue)} == {"agreed"}
    period = period_read(account, EPOCH, datetime.now(UTC) + DAY)
    assert period.closing == quantise(venue.client.balance().wallet)
    assert period.total.executions == Execution.objects.count() >= 5


@pytest.mark.parametrize("place", ["books", "exchange"])
def test_a_planted_hundred_millionth_on_bybit_is_found_and_named(
    venue: SimulatedVenue, account: ExchangeAccount, place: str
) -> None:
    enter(venue, "one")
    venue.trade_at(away(venue, 2))
    venue.client.place_order(closing(venue, "out", D(0), everything=True))
    learn(account, venue)
    planted = Execution.objects.order_by("id")[1]
    if place == "books":
        Execution.objects.filter(pk=planted.pk).update(fee=planted.fee + TINY)
    else:
        rows = [one.row for one in venue.exchange.account().log]
        row = next(row for row in rows if row["tradeId"] == planted.exec_id)
        row["change"] = str(D(row["change"]) + TINY)
    checks = compared(account, venue)
    (finding,) = [one for check in checks for one in check.findings]
    assert (finding["id"], D(finding["difference"])) == (planted.exec_id, TINY)
    assert finding["symbol"] == SYMBOL
    assert sum(check.state == "differs" for check in checks) == 1


def test_withdrawal_and_deposit_are_no_result(
    venue: SimulatedVenue, account: ExchangeAccount
) -> None:
    """A fifth of the wallet leaves in the middle of the day and comes back."""
    round_trip(venue)
    learn(account, venue)
    until = datetime.now(UTC) + DAY
    before = period_read(account, EPOCH, until)
    fifth = quantise(before.closing / 5)
    venue.exchange.transfer(-fifth)
    learn(account, venue)
    after = period_read(account, EPOCH, until)
    assert after.total.net == before.total.net
    assert (after.total.transfers, after.closing) == (-fifth, before.closing - fifth)
    assert after.symbols == before.symbols
    assert after.bots == before.bots
    venue.exchange.transfer(fifth + 100)
    learn(account, venue)
    again = period_read(account, EPOCH, until)
    assert (again.total.net, again.total.transfers) == (before.total.net, D(100))
    assert [flow.amount for flow in Cashflow.objects.order_by("id")] == [-fifth, fifth + 100]
    assert {one.state for one in compared(account, venue)} == {"agreed"}
    assert again.closing == quantise(venue.client.balance().wallet)
