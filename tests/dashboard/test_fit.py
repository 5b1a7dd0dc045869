"""Fit on the Bots page, on its own, and in a terminal."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from exchange.models import ExchangeAccount
from tests.factories import BotFactory


@pytest.fixture
def bot_symbols(account: ExchangeAccount) -> None:
    BotFactory.create(account=account, name="Two", symbols=["BTCUSDT", "ETHUSDT"])


@pytest.mark.usefixtures("bot_symbols")
def test_the_bots_page_asks_for_fit_after_it_stands(
    console: Client, account: ExchangeAccount
) -> None:
    page = console.get(reverse("bots")).content.decode()
    assert f'hx-get="/bots/fit/?account={account.pk}"' in page
    assert 'href="/bots/fit/"' in page
    part = console.get(reverse("fit"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert part.count('<th scope="row">') == 2


@pytest.mark.usefixtures("bot_symbols")
def test_fit_has_a_page_of_its_own(console: Client) -> None:
    page = console.get(reverse("fit")).content.decode()
    assert "<html" in page
    assert "at a stop of" in page


def test_without_bots_fit_says_so(console: Client, account: ExchangeAccount) -> None:
    assert "No bots on this account." in console.get(reverse("fit")).content.decode()


@pytest.mark.usefixtures("bot_symbols")
def test_settings_that_can_not_be_read_are_told(console: Client, account: ExchangeAccount) -> None:
    account.risk_limits.update(filters={"max_spread": "wide"})
    page = console.get(reverse("fit")).content.decode()
    assert "max_spread must be a number from 0 to 1" in page


@pytest.mark.usefixtures("bot_symbols")
def test_a_terminal_tells_the_same(account: ExchangeAccount) -> None:
    out = StringIO()
    call_command("fit", account.name, stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("Two (")
    assert [line.split()[0] for line in lines[1:]] == ["BTCUSDT", "ETHUSDT"]
    with pytest.raises(CommandError, match="no account 'nobody'"):
        call_command("fit", "nobody")
