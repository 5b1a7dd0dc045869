"""What ticks: figures add up, unknown stays unknown, versions change exactly when they must."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.live import LiveSnapshot, snapshot
from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from tests.factories import NOON
from trading.choices import EventLevel
from trading.events import record
from trading.models import Command, Cycle, EquityPoint, Lease, RiskLimits, Signal, Trade
from trading.wiring import market_for


def changed(before: LiveSnapshot, after: LiveSnapshot) -> set[str]:
    return {
        key.partition(":")[0]
        for key in after.versions
        if before.versions[key] != after.versions[key]
    }


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("−", "-").removesuffix(" R"))


def test_trade_is_worth_its_price_less_what_it_paid(desk: Desk) -> None:
    last = market_for(desk.account).quote("BTCUSDT").last
    trade = Trade.objects.get(pk=desk.trade.pk)
    values = snapshot().values
    assert number(values[f"last:{trade.pk}"]) == last
    # Bought at the last price, so only the entry fee of 3.20 is lost, of 100 USDT at risk.
    assert values[f"pnl:{trade.pk}"] == "−3.20"
    assert values[f"r:{trade.pk}"] == "−0.03 R"
    # A third of the way from the stop (1,000 below) to the target (2,000 above).
    assert values[f"along:{trade.pk}"] == "33.3"


def test_tiles_of_an_account(desk: Desk) -> None:
    account = desk.account
    EquityPoint.objects.filter(account=account).delete()
    for hours, equity in ((-13, 9_900), (-6, 10_500), (0, 10_000)):
        factories.EquityPointFactory.create(
            account=account, time=NOON + timedelta(hours=hours), wallet=equity, equity=equity
        )
    values = snapshot().values
    # Equity 10,000 now, 9,900 at midnight, and 10,500 at its peak.
    assert values[f"equity:{account.pk}"] == "10,000.00"
    assert values[f"day:{account.pk}"] == "+100.00"
    assert values[f"drawdown:{account.pk}"] == "−4.76 %"
    assert values[f"day_used:{account.pk}"] == "0 %"
    # The trade and the question hold a slot each; the trade is confirmed to be protected.
    assert values[f"slots:{account.pk}"] == "2"
    assert values[f"protected:{account.pk}"] == "1/1"


def test_loss_of_the_day_is_measured_against_its_limit(account: ExchangeAccount) -> None:
    RiskLimits.objects.filter(account=account).update(max_daily_loss=Decimal("0.06"))
    EquityPoint.objects.filter(account=account).delete()
    midnight = NOON.replace(hour=0)
    for moment, equity in ((midnight, 10_000), (NOON, 9_700)):
        factories.EquityPointFactory.create(
            account=account, time=moment, wallet=equity, equity=equity
        )
    values = snapshot().values
    assert values[f"day_share:{account.pk}"] == "−3.00 %"
    assert values[f"day_used:{account.pk}"] == "50 %"
    assert values[f"day_bar:{account.pk}"] == "50.0"


def test_transfer_is_no_profit(account: ExchangeAccount) -> None:
    EquityPoint.objects.filter(account=account).delete()
    for moment, equity in ((NOON.replace(hour=0), 10_000), (NOON, 10_500)):
        factories.EquityPointFactory.create(
            account=account, time=moment, wallet=equity, equity=equity
        )
    factories.CashflowFactory.create(
        account=account, trade=None, symbol="", kind="transfer", amount=500, time=NOON
    )
    assert snapshot().values[f"day:{account.pk}"] == "0.00"


def test_market_that_can_not_be_read_leaves_dashes(db: None) -> None:
    account = factories.AccountFactory.create(mode="LIVE")
    trade = factories.TradeFactory.create(signal__cycle__bot__account=account)
    values = snapshot().values
    assert values[f"equity:{account.pk}"] == "–"
    assert values[f"pnl:{trade.pk}"] == "–"
    assert values[f"market_time:{account.pk}"] == "–"


def test_figures_of_two_accounts_are_not_summed(desk: Desk) -> None:
    other = factories.AccountFactory.create(mode="PAPER", start_equity=500)
    values = snapshot().values
    assert values[f"equity:{other.pk}"] == "500.00"
    assert values[f"slots:{other.pk}"] == "0"


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({}, "PAUSED"),
        ({"heartbeat_at": timezone.now() - timedelta(minutes=1)}, "STOPPED"),
        ({"reconciled": False}, "ERROR"),
        ({"doubts": ["an order is unknown"]}, "ERROR"),
    ],
)
def test_engine_says_what_it_does(account: ExchangeAccount, row: dict[str, Any], word: str) -> None:
    Lease.objects.update(**row)
    assert snapshot().values[f"engine:{account.pk}"] == word


def test_next_cycle_counts_wall_time(account: ExchangeAccount) -> None:
    factories.BotFactory.create(account=account, timeframe="15m")
    # A quarter of an hour of a market that runs at 120x.
    assert snapshot().values[f"next:{account.pk}"] == "00:08"


def test_running_cycle_is_named(desk: Desk) -> None:
    Cycle.objects.filter(pk=desk.cycle.pk).update(state="running")
    assert snapshot().values[f"next:{desk.account.pk}"] == "running"


def test_nothing_changes_while_nothing_happens(desk: Desk) -> None:
    assert changed(snapshot(), snapshot()) == set()


def test_each_part_has_its_own_version(desk: Desk) -> None:
    before = snapshot()
    Trade.objects.filter(pk=desk.trade.pk).update(version=9)
    assert changed(before, snapshot()) == {"positions"}
    before = snapshot()
    Command.objects.create(account=desk.account, kind="close", idempotency_key="k")
    assert changed(before, snapshot()) == {"positions"}
    before = snapshot()
    desk.approval.decision = "approved"
    desk.approval.save()
    assert changed(before, snapshot()) == {"approvals"}
    before = snapshot()
    factories.EventFactory.create(account=desk.account, level="warning")
    assert changed(before, snapshot()) == {"alerts"}
    before = snapshot()
    Lease.objects.update(reconciled=False)
    assert changed(before, snapshot()) == {"header"}
    before = snapshot()
    Signal.objects.filter(pk=desk.approval.signal_id).update(state="refused")
    assert changed(before, snapshot()) == {"decision"}
    before = snapshot()
    factories.CycleFactory.create(bot=desk.bot)
    assert changed(before, snapshot()) == {"cycles", "funnel"}


def test_snapshot_answers_polling(console: Client, desk: Desk) -> None:
    answer = console.get(reverse("snapshot")).json()
    assert answer["t"] > 0
    assert answer["values"][f"engine:{desk.account.pk}"] == "RUNNING"
    assert f"positions:{desk.account.pk}" in answer["versions"]


def test_trade_that_can_not_be_weighed_makes_the_risk_unknown(desk: Desk) -> None:
    signal = factories.SignalFactory.create(cycle=desk.cycle, symbol="GONEUSDT")
    factories.TradeFactory.create(signal=signal)
    values = snapshot().values
    for name in ("equity", "day", "risk", "gross", "drawdown"):
        assert values[f"{name}:{desk.account.pk}"] == "–"
    assert values[f"protected:{desk.account.pk}"] == "2/2"


def test_snapshot_pins_its_queries(desk: Desk, django_assert_max_num_queries: Any) -> None:
    other = factories.CycleFactory.create(bot=desk.bot)
    signal = factories.SignalFactory.create(cycle=other, symbol="ETHUSDT")
    factories.TradeFactory.create(signal=signal)
    with django_assert_max_num_queries(19):
        snapshot()


def test_page_shows_the_very_figures_that_are_pushed(console: Client, desk: Desk) -> None:
    text = console.get(reverse("overview")).content.decode()
    current = snapshot()
    for key in (f"equity:{desk.account.pk}", f"pnl:{desk.trade.pk}", f"next:{desk.account.pk}"):
        assert f'data-live="{key}"' in text
        assert f">{current.values[key]}</span>" in text
    for key, version in current.versions.items():
        assert f'data-fragment="{key}"' in text
        assert f'data-version="{version}"' in text


def test_answer_and_order_change_the_decision_and_the_cycle(desk: Desk) -> None:
    waiting = snapshot()
    Signal.objects.filter(pk=desk.approval.signal_id).update(state="approved")
    approved = snapshot()
    factories.TradeFactory.create(signal=desk.approval.signal)
    assert "decision" in changed(waiting, approved)
    assert "cycles" in changed(approved, snapshot())


def test_warning_for_everything_changes_the_alerts_of_each_account(
    account: ExchangeAccount,
) -> None:
    before = snapshot()
    record("state_changed", "A drill.", account=None, level=EventLevel.WARNING)
    assert changed(before, snapshot()) == {"alerts"}
