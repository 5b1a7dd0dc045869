"""The safety page says what stands now, what was proved and what was lived through; stale rows,
missing files and broken ones are said in words and never look good."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard.selectors.accounts import account_list
from dashboard.selectors.protection import Protection, protection_read, protection_values
from dashboard.selectors.safety import AccountNow, safety_now
from dashboard.selectors.safety_check import Check
from dashboard.selectors.safety_record import record_read
from exchange.choices import LinkState, Mode
from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from trading.choices import OrderState, TradingStateName
from trading.models import Lease, Trade, TradingState


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    """An empty data folder; the checkout has no counts either."""
    settings.DATA_DIR = tmp_path / "data"
    settings.BASE_DIR = tmp_path
    settings.DATA_DIR.mkdir()
    (tmp_path / "var").mkdir()
    return tmp_path


def now() -> datetime:
    return datetime.now(UTC)


def ago(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)


def the_account() -> AccountNow:
    return safety_now(now())[0]


def check(name: str) -> Check:
    return next(one for one in the_account().checks if one.name == name)


def lease(account: ExchangeAccount, **changes: Any) -> None:
    Lease.objects.filter(account=account).update(**changes)


def text_of(client: Client) -> str:
    answer = client.get(reverse("safety"))
    assert answer.status_code == 200
    return unescape(answer.content.decode())


# What stands now.


def test_a_healthy_account_has_nothing_against_it(desk: Desk) -> None:
    lease(desk.account, pid=4242, host="desk", token=3)
    found = the_account()
    assert {one.outcome for one in found.checks} == {"passed", "none"}
    never = {one.name for one in found.checks if one.outcome == "none"}
    assert never == {"Wallet", "Kill drill"}
    assert (found.tone, found.verdict) == ("good", "nothing speaks against it")
    assert check("Stops").text == "The open trade has its stop confirmed on the exchange."
    assert check("Stops").details == ("Longest ever without one: 180 ms, over 2 trades.",)
    assert check("Trader").text.startswith("Process 4242 on desk has held the lease for 0 s, ")


def test_without_a_trader_nothing_it_would_say_is_good(account: ExchangeAccount) -> None:
    lease(account, holder="")
    outcomes = {one.name: one.outcome for one in the_account().checks}
    for name in ("Trader", "Heartbeat", "Reconciled", "Doubts", "Others' positions"):
        assert outcomes[name] == "failed"


def test_a_silent_trader_makes_all_it_said_doubtful(desk: Desk) -> None:
    lease(desk.account, heartbeat_at=ago(40), expires_at=ago(25))
    assert check("Heartbeat").outcome == "failed"
    assert check("Heartbeat").text.startswith("Not heard of for 40 s.")
    assert "ran out 25 s ago" in check("Trader").details[0]
    for name in ("Reconciled", "Doubts", "Stops", "Others' positions"):
        assert check(name).outcome == "warning"
        assert check(name).text.startswith("Not known; 40 s ago: ")


def test_a_late_heartbeat_is_a_doubt(account: ExchangeAccount) -> None:
    lease(account, heartbeat_at=ago(7))
    assert check("Heartbeat").outcome == "warning"
    assert check("Reconciled").outcome == "passed"
    assert the_account().verdict == "1 doubt"


def test_not_reconciled_is_a_problem(account: ExchangeAccount) -> None:
    lease(account, reconciled=False, agreed_until=factories.NOON)
    assert check("Reconciled").outcome == "failed"
    assert check("Reconciled").details == ("Agreed up to 2024-03-01 12:00 UTC of market time.",)


def test_doubts_and_positions_of_others_are_named(account: ExchangeAccount) -> None:
    lease(account, doubts=["prices are 12 s old"], external_symbols=["XRPUSDT"])
    assert check("Doubts").details == ("prices are 12 s old",)
    assert check("Others' positions").text == "Not ours and not touched: XRPUSDT."
    assert the_account().verdict == "2 doubts"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(TradingStateName.REDUCING, "warning"), (TradingStateName.HALTED, "failed")],
)
def test_trading_state_comes_with_its_reason(
    account: ExchangeAccount, state: str, outcome: str
) -> None:
    TradingState.objects.update_or_create(
        account=None, defaults={"state": state, "reason": "Maintenance."}
    )
    found = check("Trading state")
    assert found.outcome == outcome
    assert found.text.endswith("for the whole installation.")
    assert found.details[0] == "Reason: Maintenance."


def test_state_of_another_account_is_not_taken_for_ours(account: ExchangeAccount) -> None:
    other = factories.AccountFactory.create()
    TradingState.objects.create(account=other, state=TradingStateName.HALTED)
    assert check("Trading state").outcome == "passed"


def test_the_kill_file_is_seen(account: ExchangeAccount, folder: Path) -> None:
    assert check("KILL file").outcome == "passed"
    (folder / "data" / "KILL").touch()
    assert check("KILL file").outcome == "failed"


def test_an_unknown_order_is_named_with_its_age(desk: Desk) -> None:
    factories.OrderFactory.create(
        trade=desk.closed, state=OrderState.UNKNOWN, unknown_since=ago(12)
    )
    found = check("Unknown orders")
    assert found.outcome == "warning"
    assert found.text.startswith("1 order without a certain fate")
    assert found.details[0].endswith("looked up for 12 s")


@pytest.mark.parametrize(("naked_s", "outcome"), [(3, "warning"), (8, "failed")])
def test_a_position_without_a_stop_is_told_with_its_age(
    desk: Desk, naked_s: int, outcome: str
) -> None:
    desk.trade.naked_since = ago(naked_s)
    desk.trade.save()
    found = check("Stops")
    assert found.outcome == outcome
    assert found.text == "1 of 1 open trades without a confirmed stop:"
    assert found.details[0] == f"BTCUSDT: no stop for {naked_s} s"


def test_a_stop_never_read_back_is_not_confirmed(desk: Desk) -> None:
    desk.trade.protected_at = None
    desk.trade.save()
    assert check("Stops").outcome == "warning"
    assert check("Stops").details[0] == "BTCUSDT: not confirmed yet"


def test_links_say_streams_clock_and_age(account: ExchangeAccount) -> None:
    factories.VenueLinkFactory.create(account=account, name="account-1", updated_at=ago(130))
    found = check("Orders and positions")
    assert found.outcome == "passed"
    assert found.text == "Connected, unchanged for 2m 10s."
    assert found.details == ("private stream: ready", "clock: +12 ms, the exchange's minus ours")


def test_an_old_link_is_not_good_once_its_trader_is_silent(account: ExchangeAccount) -> None:
    factories.VenueLinkFactory.create(account=account, name="account-1", updated_at=ago(130))
    lease(account, heartbeat_at=ago(40))
    found = check("Orders and positions")
    assert found.outcome == "warning"
    assert found.text == "Not known: its trader is silent. 2m 10s ago: Connected."


def test_an_open_circuit_says_why_and_until_when(account: ExchangeAccount) -> None:
    factories.VenueLinkFactory.create(
        account=account,
        name="market-1",
        state=LinkState.OPEN,
        reason="refused: 403",
        open_until=datetime(2026, 1, 1, 10, 41, tzinfo=UTC),
        updated_at=ago(2),
    )
    found = check("Prices")
    assert found.outcome == "failed"
    assert found.details[:2] == ("refused: 403", "Tried again at 10:41:00 UTC.")


def test_a_wrong_clock_is_a_doubt(account: ExchangeAccount) -> None:
    factories.VenueLinkFactory.create(account=account, clock_offset_ms=-2000, updated_at=ago(1))
    assert check("Orders and positions").outcome == "warning"


@pytest.mark.parametrize(("age_s", "outcome"), [(20, "passed"), (100, "failed")])
def test_a_watchdog_must_be_heard_of_itself(
    account: ExchangeAccount, age_s: int, outcome: str
) -> None:
    factories.VenueLinkFactory.create(account=account, name="watchdog-1", updated_at=ago(age_s))
    assert check("Watchdog").outcome == outcome


def test_a_bybit_account_without_links_is_not_guarded(db: None) -> None:
    account = factories.AccountFactory.create(mode=Mode.DEMO)
    factories.LeaseFactory.create(account=account)
    assert check("Watchdog").outcome == "failed"
    assert check("Orders and positions").outcome == "failed"


# What this installation went through.


def figures() -> dict[str, tuple[str, str]]:
    (record,) = record_read(safety_now(now()), now())
    return {one.label: (one.value, one.about) for one in record.figures}


def test_record_of_an_account_that_did_nothing(account: ExchangeAccount) -> None:
    found = figures()
    assert found["Longest without a stop"] == ("–", "of 0 opened trades")
    assert found["Unknown orders"] == ("0", "of 0 orders")


def test_record_counts_what_happened_and_how_it_ended(desk: Desk) -> None:
    for state in (OrderState.FILLED, OrderState.NOT_PLACED, OrderState.UNKNOWN):
        trade = factories.TradeFactory.create(
            signal=factories.SignalFactory.create(cycle=desk.cycle, symbol=f"{state}USDT"),
            longest_naked_ms=900,
        )
        factories.OrderFactory.create(trade=trade, state=state, unknown_since=ago(60))
    for kind in ("order_late", "trade_late_fill", "engine_differs", "trade_unprotected"):
        factories.EventFactory.create(account=desk.account, kind=kind)
    found = figures()
    assert found["Longest without a stop"] == ("900 ms", "of 5 opened trades")
    value, about = found["Unknown orders"]
    assert value == "3"
    assert about == "of 4 orders: 1 filled, 1 never reached the exchange, 1 still unknown"
    assert found["Late arrivals"][0] == "2"
    assert found["Differences with the exchange"][0] == "1"
    assert found["Closed for want of a stop"][0] == "1"


def test_record_forgets_what_is_older_and_what_is_another_accounts(desk: Desk) -> None:
    factories.EventFactory.create(
        account=desk.account, kind="engine_differs", created_at=ago(31 * 86400)
    )
    factories.EventFactory.create(kind="engine_differs", account=None, mode="")
    assert figures()["Differences with the exchange"][0] == "0"


# The page.


@pytest.mark.django_db
def test_anonymous_is_sent_to_the_login(client: Client) -> None:
    assert client.get(reverse("safety")).status_code == 302


def test_page_works_without_an_account(console: Client) -> None:
    assert "There is no account" in text_of(console)


def test_page_asks_no_more_for_more_rows(
    console: Client, desk: Desk, django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        account = factories.AccountFactory.create()
        factories.LeaseFactory.create(account=account)
        factories.VenueLinkFactory.create(account=account, name=f"account-{number}")
        factories.EventFactory.create(account=account, kind="order_late")
    with django_assert_max_num_queries(19):
        answer = console.get(reverse("safety"))
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "<script>" not in answer.content.decode()


def test_the_part_that_asks_again_is_only_what_stands_now(
    console: Client, desk: Desk, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(12):
        answer = console.get(reverse("safety"), headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.lstrip().startswith('<section id="now"')
    assert "own record" not in text


# What covers each position, orphans, the wallet and the drill.


def test_a_position_shows_its_stop_and_how_far_liquidation_is(desk: Desk) -> None:
    trade = desk.trade
    (row,) = the_account().positions
    assert (row.trade_id, row.symbol, row.covered, row.tone) == (
        trade.pk,
        "BTCUSDT",
        "0.1 of 0.1",
        "good",
    )
    assert row.verified == "0 s"
    # Leverage 2: half the entry price less 0.5 %, in stops of 1,000.
    entry = trade.entry_value * 10
    assert row.liquidation == f"{entry * Decimal('0.495') / 1000:,.1f} stops"
    assert row.liquidation_price.replace(",", "")[:5] == str(entry * Decimal("0.505"))[:5]


def test_a_stop_that_was_not_read_back_lately_is_doubtful(desk: Desk) -> None:
    Trade.objects.filter(pk=desk.trade.pk).update(protected_at=ago(90))
    (row,) = the_account().positions
    assert (row.covered, row.tone, row.verified) == ("0.1 of 0.1?", "warn", "1m 30s")
    Trade.objects.filter(pk=desk.trade.pk).update(naked_since=ago(3))
    (row,) = the_account().positions
    assert (row.covered, row.tone) == ("0 of 0.1", "bad")


def test_orders_that_nobody_explains_are_listed(console: Client, desk: Desk) -> None:
    orphan = {
        "symbol": "ETHUSDT",
        "side": "buy",
        "words": "limit",
        "qty": "3",
        "price": "90.5",
        "id": "app-1",
        "since": "2024-03-01T11:00:00+00:00",
    }
    lease(desk.account, orphan_orders=[orphan])
    assert check("Orphan orders").outcome == "warning"
    text = text_of(console)
    assert "buy 3 limit at 90.5" in text
    assert "app-1" in text


def test_the_wallet_line_tells_the_newest_day_and_what_differs(desk: Desk) -> None:
    fields = {"account": desk.account, "checked_at": ago(60)}
    factories.WalletCheckFactory.create(day=date(2024, 2, 29), **fields)
    assert check("Wallet").text == "2024-02-29 agrees with the exchange's log, looked 1m 00s ago."
    factories.WalletCheckFactory.create(
        day=date(2024, 2, 20),
        state="differs",
        difference=Decimal("0.00000001"),
        findings=[{"id": "x1"}],
        **fields,
    )
    assert check("Wallet").outcome == "failed"
    assert check("Wallet").details == ("2024-02-20: by +0.00000001 USDT, 1 entry",)


def test_the_newest_drill_is_told_with_its_times(desk: Desk) -> None:
    run = factories.KillRunFactory.create(
        account=desk.account,
        drill=True,
        pressed_at=ago(3600),
        committed_at=ago(3599.9),
        done_at=ago(3598.6),
    )
    assert check("Kill drill").outcome == "passed"
    assert check("Kill drill").text == "Tried 1h 00m ago, all seen done after 1.4 s."
    assert "entries off 0.1 s" in check("Kill drill").details[0]
    type(run).objects.filter(pk=run.pk).update(done_at=None)
    assert check("Kill drill").outcome == "warning"


# The header of every page.


def covered(account: ExchangeAccount) -> Protection:
    return protection_read(account_list().get(pk=account.pk), now())


def test_the_header_says_what_covers_the_positions(console: Client, desk: Desk) -> None:
    lease(desk.account, compared_at=ago(14))
    Trade.objects.filter(pk=desk.closed.pk).update(longest_naked_ms=1100)
    found = covered(desk.account)
    assert protection_values(found) == {
        "cover": "1/1",
        "naked": "180 ms",
        "naked_month": "1.1 s",
        "orphans": "0",
        "agreed": "14 s",
    }
    assert (found.tone, found.agreement) == ("good", "=")
    text = console.get(reverse("events")).content.decode()
    assert f'data-live="cover:{desk.account.pk}">1/1<' in text


@pytest.mark.parametrize(
    ("changes", "tone", "agreement"),
    [
        ({"heartbeat_at": 40}, "bad", "?"),
        ({"compared_at": 600}, "warn", "="),
    ],
)
def test_the_header_trusts_nothing_old(
    desk: Desk, changes: dict[str, float], tone: str, agreement: str
) -> None:
    lease(desk.account, compared_at=ago(14))
    lease(desk.account, **{name: ago(seconds) for name, seconds in changes.items()})
    found = covered(desk.account)
    assert (found.tone, found.agreement) == (tone, agreement)
    assert protection_values(found)["cover"] == ("1/1?" if agreement == "?" else "1/1")


def test_the_header_shows_a_missing_stop_and_a_difference(desk: Desk) -> None:
    lease(desk.account, compared_at=ago(14))
    Trade.objects.filter(pk=desk.trade.pk).update(naked_since=ago(7))
    found = covered(desk.account)
    assert (found.protected, found.open_trades, found.tone) == (0, 1, "bad")
    assert found.longest_ms is not None
    assert found.longest_ms >= 7000
    Trade.objects.filter(pk=desk.trade.pk).update(naked_since=None)
    lease(desk.account, reconciled=False, orphan_orders=[{}])
    found = covered(desk.account)
    assert (found.tone, found.agreement, found.orphans) == ("warn", "\N{NOT EQUAL TO}", 1)


def test_the_header_asks_once(desk: Desk, django_assert_num_queries: Any) -> None:
    account = account_list().get(pk=desk.account.pk)
    with django_assert_num_queries(1):
        protection_read(account, now())
