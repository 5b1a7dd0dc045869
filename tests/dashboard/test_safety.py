"""The safety page says what stands now, what was proved and what was lived through; stale rows,
missing files and broken ones are said in words and never look good."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard.selectors.safety import AccountNow, Check, safety_now
from dashboard.selectors.safety_proof import Proof, proof_read
from dashboard.selectors.safety_record import record_read
from exchange.choices import LinkState, Mode
from exchange.models import ExchangeAccount
from tests import factories
from tests.crash.tally import Tally
from tests.dashboard.conftest import Desk
from trading.choices import OrderState, TradingStateName
from trading.models import Lease, TradingState


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
    assert {one.outcome for one in found.checks} == {"passed"}
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


# What was proved.


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def row(**changes: object) -> dict[str, object]:
    count = {"n": 50, "failed": 0, "worst_gap_s": 0.8, "worst_settled_s": 12.5, "failures": []}
    return count | changes


def test_without_a_file_the_page_says_how_to_make_one(
    console: Client, account: ExchangeAccount
) -> None:
    assert proof_read() == Proof()
    text = text_of(console)
    assert "Nothing has been proved on this machine yet." in text
    assert "make crash" in text
    assert 'class="table proof"' not in text


def test_what_the_harness_counts_is_what_the_page_shows(
    console: Client, account: ExchangeAccount, folder: Path
) -> None:
    path = folder / "var" / "crash.json"
    Tally(path, "state machine").add("sequences", gap_s=0, settled_s=0, failures=[], times=60_000)
    Tally(path, "matrix apart").add("K8", gap_s=1.25, settled_s=8, failures=[], times=600)
    Tally(path, "matrix apart").add("K10", gap_s=0.4, settled_s=33, failures=[], times=600)
    proof = proof_read()
    matrix, machine = proof.groups
    assert (matrix.title, matrix.n, matrix.failed) == ("Kills, processes apart", "1,200", 0)
    assert (matrix.worst_gap, matrix.worst_settled) == ("1.2 s", "33.0 s")
    assert matrix.bound == "0.250 %"
    assert [kind.name for kind in matrix.kinds] == ["K8", "K10"]
    assert matrix.ran is not None
    assert proof.updated is not None
    assert (machine.n, machine.bound) == ("60,000", "0.005 %")
    assert (machine.timed, machine.worst_gap) == (False, "–")
    text = text_of(console)
    assert "a signal is claimed for sending, its order not stored" in text
    assert "60,000" in text


def test_a_bar_past_its_promise_says_so(folder: Path) -> None:
    content = {
        "K8": row(worst_gap_s=5.4, worst_settled_s=31.0, failed=1, failures=["K8: too slow"]),
        "K9": row(worst_settled_s=34.0),
        "K15": row(worst_settled_s=46.0),
    }
    write(folder / "data" / "crash.json", {"matrix apart": content})
    (group,) = proof_read().groups
    assert (group.failed, group.bound, group.failures) == (1, "–", ("K8: too slow",))
    k8, k9, k15 = group.kinds
    assert (k8.gap.tone, k8.gap.over) == ("bad", "over 5 s")
    assert (k8.settled.tone, k8.settled.over) == ("bad", "over 30 s")
    assert (k9.settled.tone, k9.settled.over) == ("warn", "over 30 s")
    assert (k15.settled.tone, k15.settled.over) == ("bad", "over 45 s")
    assert group.waits_for_proof
    assert not group.folded


def test_the_newest_file_counts(folder: Path) -> None:
    older, newer = folder / "var" / "crash.json", folder / "data" / "crash.json"
    write(older, {"outages": {"a": row(n=1)}})
    write(newer, {"outages": {"a": row(n=2)}})
    os.utime(older, (1, 1))
    assert proof_read().groups[0].n == "2"
    os.utime(newer, (0, 0))
    assert proof_read().groups[0].n == "1"


@pytest.mark.parametrize("content", ["{", "[]", "\x00", '"text"'])
def test_a_broken_file_is_said_in_words(
    console: Client, account: ExchangeAccount, folder: Path, content: str
) -> None:
    (folder / "data" / "crash.json").write_text(content, encoding="utf-8")
    proof = proof_read()
    assert proof.found
    assert not proof.groups
    assert len(proof.problems) == 1
    assert proof.problems[0] in text_of(console)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        7,
        {"K1": 7},
        {"K1": row(n="many")},
        {"K1": row(n=-1)},
        {"K1": row(worst_gap_s=float("nan"))},
        {"K1": row(failures="none")},
        {"K1": {}},
    ],
)
def test_a_broken_group_hides_no_other(folder: Path, broken: object) -> None:
    content = {"matrix apart": broken, "outages": {"a": row()}, "updated_at": 3, "ran_at": []}
    write(folder / "data" / "crash.json", content)
    proof = proof_read()
    assert [group.title for group in proof.groups] == ["Outages"]
    assert len(proof.problems) == 1
    assert "matrix apart" in proof.problems[0]
    assert proof.updated is None


def test_a_bound_is_rounded_up(folder: Path) -> None:
    write(folder / "data" / "crash.json", {"outages": {"a": row(n=9000)}})
    assert proof_read().groups[0].bound == "0.034 %"


def test_a_group_nobody_described_is_shown_all_the_same(folder: Path) -> None:
    write(folder / "data" / "crash.json", {"something new": {"a": row()}})
    (group,) = proof_read().groups
    assert (group.title, group.n, group.settled_promise) == ("Something new", "50", "")


def test_names_from_the_file_are_no_markup(
    console: Client, account: ExchangeAccount, folder: Path
) -> None:
    write(folder / "data" / "crash.json", {"matrix apart": {"<b>K1</b>": row()}})
    answer = console.get(reverse("safety")).content.decode()
    assert "<b>K1</b>" not in answer
    assert "&lt;b&gt;K1" in answer


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
    with django_assert_max_num_queries(16):
        answer = console.get(reverse("safety"))
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "<script>" not in answer.content.decode()


def test_the_part_that_asks_again_is_only_what_stands_now(
    console: Client, desk: Desk, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(9):
        answer = console.get(reverse("safety"), headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.lstrip().startswith('<section id="now"')
    assert "own record" not in text
