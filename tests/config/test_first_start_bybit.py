"""A first start on live prices: the account, and what is said about Bybit beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from config.demo import first_start, paper_ensure
from config.embedded.preflight import StartRefused, region_chosen
from config.embedded.reach import Reach, reach_lines
from config.embedded.screen import screen
from exchange.choices import Mode, Region
from exchange.models import ExchangeAccount
from tests.simulators.bybit.server import SimServer
from trading.choices import Autonomy, BotState
from trading.models import Bot, Event

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def unreachable(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.BYBIT_REST_URL = NOWHERE


@pytest.fixture
def venue(settings: Settings) -> Iterator[SimServer]:
    with SimServer() as server:
        settings.BYBIT_REST_URL = server.url
        yield server


def test_a_paper_account_with_a_bot_is_made_without_asking_bybit() -> None:
    first_start(demo=False, seed=0, speed=120)
    paper_ensure(Region.NETHERLANDS, follow=True)
    account = ExchangeAccount.objects.get()
    assert (account.name, account.mode, account.region) == ("Paper", Mode.PAPER, "bybit.nl")
    bot = Bot.objects.get()
    assert (bot.timeframe, bot.autonomy, bot.state) == ("15m", Autonomy.AUTO, BotState.RUNNING)
    assert bot.symbols == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT"]


def test_a_later_start_makes_no_second_one_and_follows_a_chosen_site() -> None:
    paper_ensure(Region.GLOBAL, follow=False)
    paper_ensure(Region.EUROPE, follow=False)
    assert ExchangeAccount.objects.get().region == "bybit.com"
    paper_ensure(Region.EUROPE, follow=True)
    paper_ensure(Region.EUROPE, follow=True)
    assert ExchangeAccount.objects.get().region == "bybit.eu"
    assert Event.objects.filter(kind="account_region").count() == 1


def test_an_account_of_somebody_else_keeps_its_site() -> None:
    paper_ensure(Region.GLOBAL, follow=False)
    ExchangeAccount.objects.update(name="Mine")
    paper_ensure(Region.EUROPE, follow=True)
    assert ExchangeAccount.objects.get().region == "bybit.com"


def test_a_site_that_does_not_exist_is_refused_with_the_choice() -> None:
    assert region_chosen("bybit.eu") is Region.EUROPE
    with pytest.raises(StartRefused, match=r"BYBIT_REGION: got 'bybit.us', wants one of bybit.com"):
        region_chosen("bybit.us")


def test_where_bybit_answers_one_line_says_so(venue: SimServer) -> None:
    paper_ensure(Region.GLOBAL, follow=False)
    lines: list[str] = []
    reach = Reach(lines.append)
    reach.start()
    reach.join(timeout=20)
    (line,) = lines
    assert f"Paper (PAPER): {venue.url} answers in" in line
    assert ExchangeAccount.objects.get().key_facts["findings"][0]["check"] == "reachable"


def test_where_bybit_does_not_answer_the_choice_of_hosts_is_told() -> None:
    paper_ensure(Region.GLOBAL, follow=False)
    text = "\n".join(reach_lines(ExchangeAccount.objects.get()))
    assert "does not answer" in text
    assert "bybit.nl" in text
    assert "make run MARKET=bybit BYBIT_REGION=bybit.eu" in text


def test_a_refused_address_is_told_in_words(venue: SimServer) -> None:
    venue.knobs.add("*", "status", times=-1, status=403)
    paper_ensure(Region.GLOBAL, follow=False)
    text = "\n".join(reach_lines(ExchangeAccount.objects.get()))
    assert "refuses this address or country" in text
    assert "BYBIT_REGION=" in text


def test_the_screen_tells_whose_prices_and_when_the_first_cycle_comes() -> None:
    paper_ensure(Region.EUROPE, follow=False)
    text = screen(address="http://127.0.0.1:8000/", data_folder="var", password=None)
    assert "Paper (PAPER): live prices of bybit.eu, simulated fills, no real money" in text
    assert "the first one within 15 min" in text
