"""Each page works, needs a login, sends the strict policy, and pins how much it asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from exchange.models import ExchangeAccount, MarketSession
from tests import factories
from tests.dashboard.conftest import Desk
from trading.models import Bot, Execution, Trade
from trading.wiring import forget_markets

# Counts hold one query for the market's clock, which reads its row at most twice a second.
PAGES = ("overview", "cycles", "trades", "bots", "events", "kill", "plug")
FRAGMENTS = (
    "header", "positions", "approvals", "decision", "alerts", "cycles", "funnel", "equity",
)  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_anonymous_is_sent_to_the_login(client: Client, name: str) -> None:
    answer = client.get(reverse(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/?next=")


@pytest.mark.django_db
def test_anonymous_gets_neither_pictures_nor_figures(client: Client, desk: Desk) -> None:
    for address in (
        reverse("chart", args=[desk.trade.signal.analysis_id]),
        reverse("trade", args=[desk.trade.pk]),
        reverse("fragment", args=["positions"]),
    ):
        assert client.get(address).status_code == 302
    assert client.get(reverse("snapshot")).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_page_works_without_any_row(console: Client, account: ExchangeAccount, name: str) -> None:
    assert console.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", [name for name in PAGES if name != "plug"])
def test_page_works_without_an_account(console: Client, name: str) -> None:
    assert console.get(reverse(name)).status_code == 200


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("overview", 29),
        ("cycles", 10),
        ("trades", 12),
        ("bots", 14),
        ("events", 9),
        ("kill", 18),
        ("plug", 10),
    ],
)
def test_page_asks_no_more_for_more_rows(
    console: Client,
    desk: Desk,
    name: str,
    most: int,
    django_assert_max_num_queries: Any,
) -> None:
    for _ in range(12):
        cycle = factories.CycleFactory.create(bot=desk.bot)
        signal = factories.SignalFactory.create(cycle=cycle)
        factories.TradeFactory.create(signal=signal, closed=True)
        factories.EventFactory.create(account=desk.account, level="warning")
    with django_assert_max_num_queries(most):
        answer = console.get(reverse(name))
    assert answer.status_code == 200
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_cycle_page_shows_the_whole_decision(
    console: Client, desk: Desk, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(13):
        text = console.get(reverse("cycle", args=[desk.cycle.pk])).content.decode()
    for part in (
        "EMA 20 rises above EMA 50.",
        "Resistance at 98,200 is near.",
        "The range high at 98,200 held twice.",
        "A close below 95,450.",
        "Confidence 72 % reaches your minimum 55 %.",
        "not applicable",
        "1 % of 10,000 USDT is 100 USDT",
        f"Trade {desk.trade.pk}",
    ):
        assert part in text


def test_a_first_look_by_hand_is_not_called_a_second(console: Client, desk: Desk) -> None:
    cycle = factories.CycleFactory.create(bot=desk.bot, attempt=1)
    text = console.get(reverse("cycle", args=[cycle.pk])).content.decode()
    assert "asked for by hand, beside the schedule, and never trades." in text
    assert "second look" not in text


def test_rejected_symbol_says_why_in_words(console: Client, desk: Desk) -> None:
    cycle = desk.closed.signal.cycle_id
    answer = console.get(reverse("cycle", args=[cycle]), {"symbol": "ETHUSDT"})
    assert "Net reward/risk 0.84 is below your minimum 1.0." in answer.content.decode()


def test_trade_page_shows_the_whole_trade(
    console: Client, desk: Desk, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(16):
        text = console.get(reverse("trade", args=[desk.closed.pk])).content.decode()
    # 5,994 - 5,820 = 174 gross, less 6.50 fees and 0.40 funding.
    for part in ("+174.00", "−6.50", "−0.40", "+167.10", "+1.80 R", "180 ms", "Take profit"):
        assert part in text


def test_live_trade_page_offers_to_close_it(
    console: Client, desk: Desk, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(18):
        text = console.get(reverse("trade", args=[desk.trade.pk])).content.decode()
    assert reverse("trade_wish", args=[desk.trade.pk, "close"]) in text
    assert reverse("trade_wish", args=[desk.trade.pk, "release"]) in text
    assert f'data-live="pnl:{desk.trade.pk}"' in text


def test_an_entry_that_has_not_filled_can_not_be_handed_over(console: Client, desk: Desk) -> None:
    Trade.objects.filter(pk=desk.trade.pk).update(state="pending")
    text = console.get(reverse("trade", args=[desk.trade.pk])).content.decode()
    assert reverse("trade_wish", args=[desk.trade.pk, "cancel"]) in text
    assert reverse("trade_wish", args=[desk.trade.pk, "release"]) not in text


def test_what_is_not_the_trades_is_said_in_words(console: Client, desk: Desk) -> None:
    address = reverse("trade", args=[desk.trade.pk])
    text = console.get(address).content.decode()
    assert "not ours" not in text
    assert "Not ours any more" not in text
    Execution.objects.filter(trade=desk.trade).update(trade_qty=Decimal("0.02"))
    Trade.objects.filter(pk=desk.trade.pk).update(released_qty=Decimal("0.04"))
    text = console.get(address).content.decode()
    assert "0.02 of it is this trade&#x27;s, the rest is not ours" in text
    assert "Not ours any more: 0.04 of the 0.1 entered." in text
    Execution.objects.filter(trade=desk.trade).update(trade_qty=0)
    Trade.objects.filter(pk=desk.trade.pk).update(released_qty=Decimal("0.1"))
    text = console.get(address).content.decode()
    assert "none of it is this trade&#x27;s" in text
    assert "Not ours any more: all of the 0.1 entered." in text
    assert "Not ours any more, at entry" in text


def test_trade_address_gives_htmx_only_its_body(console: Client, desk: Desk) -> None:
    answer = console.get(reverse("trade", args=[desk.trade.pk]), headers={"HX-Request": "true"})
    assert "<html" not in answer.content.decode()


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragment_is_the_part_of_the_page(console: Client, desk: Desk, name: str) -> None:
    answer = console.get(reverse("fragment", args=[name]))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert f'data-fragment="{name}:{desk.account.pk}"' in text
    assert "<html" not in text


def test_unknown_rows_are_not_found(console: Client, account: ExchangeAccount) -> None:
    for name, args in (
        ("fragment", ["secrets"]),
        ("cycle", [404]),
        ("trade", [404]),
        ("command", [404]),
        ("chart", [404]),
        ("trade_chart", [404]),
    ):
        assert console.get(reverse(name, args=args)).status_code == 404


@pytest.mark.parametrize(
    ("name", "query", "rows"),
    [
        ("cycles", {"state": "failed"}, 0),
        ("cycles", {"rule": "rr_net"}, 1),
        ("cycles", {"bot": "0"}, 0),
        ("trades", {"state": "closed"}, 1),
        ("trades", {"symbol": "btcusdt"}, 2),
        ("trades", {"symbol": "ETHUSDT"}, 0),
        ("events", {"level": "critical"}, 0),
    ],
)
def test_filters_stand_in_the_address(
    console: Client, desk: Desk, name: str, query: dict[str, str], rows: int
) -> None:
    assert len(console.get(reverse(name), query).context[name]) == rows


def test_older_rows_are_a_link_away(console: Client, account: ExchangeAccount) -> None:
    events = factories.EventFactory.create_batch(30, account=account)
    first = console.get(reverse("events"))
    older = console.get(reverse("events") + first.context["next_url"])
    shown = [row.id for page in (first, older) for row in page.context["events"]]
    newest_first = [event.pk for event in reversed(events)]
    assert shown[: len(newest_first)] == newest_first
    assert older.context["next_url"] == ""


def test_real_money_anywhere_colours_the_bar(console: Client, account: ExchangeAccount) -> None:
    assert 'class="modebar mode-sim"' in console.get(reverse("overview")).content.decode()
    factories.AccountFactory.create(mode="LIVE")
    assert 'class="modebar mode-live"' in console.get(reverse("overview")).content.decode()


def test_account_switch_is_kept_in_the_session(console: Client, account: ExchangeAccount) -> None:
    other = factories.AccountFactory.create(name="other", mode="PAPER")
    console.post(reverse("account"), {"account": other.pk})
    assert "mode-paper" in console.get(reverse("trades")).content.decode()


def test_an_objects_page_carries_the_header_of_its_own_account(console: Client, desk: Desk) -> None:
    other = factories.AccountFactory.create(name="other", mode="PAPER")
    console.post(reverse("account"), {"account": other.pk})
    for address in (
        reverse("trade", args=[desk.trade.pk]),
        reverse("trade", args=[desk.closed.pk]),
        reverse("cycle", args=[desk.cycle.pk]),
    ):
        text = console.get(address).content.decode()
        assert 'class="chip mode-sim">SIM 120x' in text
        assert 'class="modebar mode-sim"' in text
        assert f'data-fragment="header:{desk.account.pk}"' in text
        assert f'/fragments/header/?account={desk.account.pk}"' in text
        assert f'<option value="{desk.account.pk}" selected>' in text
        assert "mode-paper" not in text
    assert "mode-paper" in console.get(reverse("trades")).content.decode()


def test_an_object_of_an_account_that_is_off_is_not_shown_as_anothers(
    console: Client, desk: Desk
) -> None:
    factories.AccountFactory.create(name="other", mode="PAPER")
    ExchangeAccount.objects.filter(pk=desk.account.pk).update(is_active=False)
    text = console.get(reverse("trade", args=[desk.trade.pk])).content.decode()
    assert 'class="chip mode-sim"' in text
    assert f'<option value="{desk.account.pk}" selected>' in text


def test_a_part_is_fetched_for_the_account_of_its_page(console: Client, desk: Desk) -> None:
    other = factories.AccountFactory.create(name="other", mode="PAPER")
    console.post(reverse("account"), {"account": other.pk})
    address = reverse("fragment", args=["header"])
    own = console.get(address, {"account": desk.account.pk}).content.decode()
    assert f'data-fragment="header:{desk.account.pk}"' in own
    assert "mode-sim" in own
    assert "mode-paper" in console.get(address).content.decode()
    for unknown in ("404", "x", ""):
        assert console.get(address, {"account": unknown}).status_code == 404


def test_market_that_is_stepped_offers_nothing_that_needs_time(console: Client, desk: Desk) -> None:
    session = desk.account.market_session
    ended = {"speed": 120, "end": session.reserved_until}
    for values in ({"speed": 0}, ended):
        MarketSession.objects.update(**values)
        forget_markets()
        for name in ("overview", "bots", "plug"):
            text = console.get(reverse(name)).content.decode()
            assert "Run now" not in text
            assert ">Pull the plug</button>" not in text
            assert f'data-live="next:{desk.account.pk}"' not in text


def test_bots_page_says_how_long_a_request_lives(console: Client, desk: Desk) -> None:
    Bot.objects.update(autonomy="approve")
    life = "live 7 s of wall time at 120x"
    assert f"{life} (15m candles)." in console.get(reverse("bots")).content.decode()
    assert f"{life}." in console.get(reverse("overview")).content.decode()


def test_unknown_address_gets_a_page_with_a_way_home(
    console: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        answer = console.get("/nowhere/")
    assert answer.status_code == 404
    assert 'href="/">To the overview</a>' in answer.content.decode()


def test_simulated_market_names_its_speed(console: Client, account: ExchangeAccount) -> None:
    text = console.get(reverse("overview")).content.decode()
    assert "SIM 120x" in text
    assert "SIM 120x · Autotrader</title>" in text
