"""The safety page says what stands now, what was proved and what was lived through; stale rows,
missing files and broken ones are said in words and never look good."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard.selectors.safety import safety_now
from dashboard.selectors.safety_record import record_read
from exchange.choices import LinkState, Mode
from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from tests.dashboard.safety_read import ago, check, empty_folder, lease, now, text_of, the_account
from trading.choices import OrderState, TradingStateName
from trading.models import TradingState


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    return empty_folder(settings, tmp_path)


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


@time_machine.travel(0, tick=False)
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
