"""What covers the positions: on the safety page, and in the header of every page."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard.selectors.accounts import account_list
from dashboard.selectors.protection import Protection, protection_read, protection_values
from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from tests.dashboard.safety_read import ago, check, empty_folder, lease, now, text_of, the_account
from trading.models import Trade


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    return empty_folder(settings, tmp_path)


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
