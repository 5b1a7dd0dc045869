"""The accounting page adds up, downloads what it shows, and names what differs."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import AsyncRequestFactory, Client
from django.urls import reverse

from dashboard.selectors.accounting import Choice, books_read, choose
from dashboard.views.accounting import ledger_file
from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from tests.factories import NOON
from trading.models import Cashflow, Command, Execution, Trade

D = Decimal
TODAY = NOON.date()
DAY = timedelta(days=1)


@pytest.fixture
def booked(desk: Desk) -> Desk:
    """A round trip of 0.06 BTC won 174, paid fees of 6.40 and 0.40 of funding; 500 were added."""
    order = desk.trade.orders.get()
    Execution.objects.all().delete()
    for number, (side, price) in enumerate((("buy", 97000), ("sell", 99900))):
        factories.ExecutionFactory.create(
            order=order,
            exec_id=f"px-{number}",
            trade=desk.closed,
            side=side,
            price=D(price),
            time=NOON + number * timedelta(minutes=5),
        )
    Cashflow.objects.create(
        account=desk.account, entry_id="in", kind="transfer", amount=500, time=NOON
    )
    return desk


def test_the_page_shows_the_way_from_wallet_to_wallet(console: Client, booked: Desk) -> None:
    text = console.get(reverse("accounting")).content.decode()
    for part in ("10,000.00", "+174.00", "−6.40", "−0.40", "+500.00", "10,667.20", "Classic 15m"):
        assert part in text
    assert 'style="' not in text


def test_steps_of_the_bridge_lie_end_to_end(booked: Desk) -> None:
    books = books_read(booked.account, Choice(TODAY, TODAY))
    start, profit, fees, funding, transfers, end = books.bridge
    assert [one.tone for one in books.bridge] == ["level", "up", "down", "down", "up", "level"]
    assert float(profit.x) == pytest.approx(float(start.width), abs=0.03)
    assert float(fees.x) + float(fees.width) == pytest.approx(
        float(profit.x) + float(profit.width), abs=0.03
    )
    assert float(transfers.x) + float(transfers.width) == pytest.approx(float(end.width), abs=0.7)
    assert all(float(one.x) + float(one.width) <= 100 for one in books.bridge)
    assert funding.amount == "−0.40"


def test_an_empty_period_has_a_picture_too(account: ExchangeAccount) -> None:
    books = books_read(account, Choice(TODAY - DAY, TODAY - DAY))
    assert [one.tone for one in books.bridge] == ["level", "none", "none", "none", "none", "level"]
    assert books.total.slippage == "–"
    assert books.days == []


def test_ai_cost_of_a_fast_market_is_a_dash_once_something_was_paid(
    console: Client, booked: Desk
) -> None:
    assert books_read(booked.account, Choice(TODAY, TODAY)).total.after_ai == "+167.20"
    factories.SpendFactory.create(key=f"bot:{booked.bot.pk}", amount=D(1))
    assert books_read(booked.account, Choice(TODAY, TODAY)).total.after_ai == "–"
    text = console.get(reverse("accounting")).content.decode()
    assert "This market does not run in real time" in text


@pytest.mark.parametrize(
    ("first", "last", "expected", "problem"),
    [
        ("", "", (TODAY - 29 * DAY, TODAY), ""),
        ("2024-02-01", "2024-02-10", (date(2024, 2, 1), date(2024, 2, 10)), ""),
        ("soon", "", (TODAY - 29 * DAY, TODAY), "A day is written"),
        ("2024-03-01", "2024-02-01", (TODAY - 29 * DAY, TODAY), "before the first"),
        ("2024-03-01", "9999-12-31", (TODAY - 29 * DAY, TODAY), "A day is written"),
    ],
)
def test_periods(first: str, last: str, expected: tuple[date, date], problem: str) -> None:
    choice = choose(first, last, TODAY)
    assert (choice.first, choice.last) == expected
    assert problem in choice.problem


def test_a_period_that_makes_no_sense_is_said_and_the_usual_one_shown(
    console: Client, booked: Desk
) -> None:
    text = console.get(reverse("accounting"), {"from": "x"}).content.decode()
    assert "A day is written like 2026-03-01." in text


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_download_is_the_period_and_adds_up(console: Client, booked: Desk) -> None:
    answer = console.get(
        reverse("ledger_file"), {"from": TODAY.isoformat(), "to": TODAY.isoformat()}
    )
    assert answer["Content-Disposition"] == (
        'attachment; filename="ledger-sim-demo-20240301-20240302.csv"'
    )
    streamed = cast(StreamingHttpResponse, answer)
    rows = rows_of(streamed.getvalue().decode())
    assert sum((D(row["amount"]) for row in rows if row["amount"]), D(0)) == D("667.2")
    assert [row["total"] for row in rows if row["kind"] == "wallet change"] == ["667.2"]


@pytest.mark.django_db(transaction=True)
def test_the_download_streams_on_the_real_server_too(booked: Desk) -> None:
    """An ASGI request gets an asynchronous body, as its server wants it."""
    request = AsyncRequestFactory().get(reverse("ledger_file"), {"to": TODAY.isoformat()})
    request.user = User.objects.get_or_create(username="reader")[0]
    request.session = {}  # type: ignore[assignment]

    async def read() -> bytes:
        from asgiref.sync import sync_to_async

        answer = cast(StreamingHttpResponse, await sync_to_async(ledger_file)(request))
        assert answer.is_async
        body = cast(AsyncIterator[bytes], answer.streaming_content)
        return b"".join([chunk async for chunk in body])

    rows = rows_of(asyncio.run(read()).decode())
    assert len(rows) == 2 * 2 + 2 + 7


def test_checks_and_their_findings_are_listed(console: Client, booked: Desk) -> None:
    factories.WalletCheckFactory.create(
        account=booked.account,
        day=TODAY - DAY,
        state="differs",
        difference=D("0.00000001"),
        findings=[
            {
                "what": "execution",
                "id": "px-000012",
                "symbol": "BTCUSDT",
                "ours": "-0.53350001",
                "venue": "-0.53350000",
                "difference": "0.00000001",
            }
        ],
    )
    text = console.get(reverse("accounting")).content.decode()
    for part in ("Differs", "px-000012", "-0.53350001", "+0.00000001"):
        assert part in text


def test_compare_again_leaves_a_command(console: Client, account: ExchangeAccount) -> None:
    form = {"idempotency_key": "once"}
    for _ in range(2):
        answer = console.post(reverse("wallet_compare"), form, follow=True)
    assert "The trader compares the newest days" in answer.content.decode()
    command = Command.objects.get()
    assert (command.kind, command.payload) == ("reconcile", {"wallet": True})
    assert console.get(reverse("wallet_compare")).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["accounting", "ledger_file"])
def test_a_stranger_sees_nothing(client: Client, name: str) -> None:
    assert client.get(reverse(name))["Location"].startswith("/login/")


def test_without_an_account(console: Client) -> None:
    assert console.get(reverse("accounting")).status_code == 200
    assert console.get(reverse("ledger_file")).status_code == 404


def test_the_page_asks_no_more_for_more_rows(
    console: Client, booked: Desk, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        cycle = factories.CycleFactory.create(bot=booked.bot)
        signal = factories.SignalFactory.create(cycle=cycle)
        trade = factories.TradeFactory.create(signal=signal, closed=True)
        factories.CashflowFactory.create(trade=trade)
        factories.WalletCheckFactory.create(account=booked.account, day=TODAY - number * DAY)
    with django_assert_max_num_queries(26):
        assert console.get(reverse("accounting")).status_code == 200


def test_bots_page_is_net_of_ai_cost(console: Client, booked: Desk) -> None:
    factories.SpendFactory.create(key=f"bot:{booked.bot.pk}", amount=D("7.10"))
    text = console.get(reverse("bots")).content.decode()
    # One closed trade won 167.10.
    for part in ("+160.00", "+167.10", "AI 7.1000", "All bots, archived ones too"):
        assert part in text


def test_trade_page_shows_slippage_and_excursions(console: Client, booked: Desk) -> None:
    trade = booked.closed
    Trade.objects.filter(pk=trade.pk).update(
        best_price=D(100100),
        worst_price=D(96225),
        entry_slippage=D("1.2"),
        unverifiable=True,
    )
    text = console.get(reverse("trade", args=[trade.pk])).content.decode()
    for part in ("+2.00 R", "−0.50 R", "Slippage in, USDT</dt><dd>1.20", "<dd>–</dd>"):
        assert part in text
    assert "it is in no statistics" in text
