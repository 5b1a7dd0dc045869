"""A bot whose model costs much is saved only by somebody who agrees to the cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.selectors.bots import bot_list
from tests.factories import (
    AccountFactory,
    BotFactory,
    MarketSessionFactory,
    ModelProfileFactory,
    RiskLimitsFactory,
)
from trading.ai import ai_cost_estimate
from trading.choices import BotState, RiskProfile
from trading.models import Bot, OperatorAction, RiskLimits

pytestmark = pytest.mark.django_db


@pytest.fixture
def bot() -> Bot:
    account = AccountFactory.create(start_equity=Decimal(1000))
    RiskLimitsFactory.create(account=account)
    MarketSessionFactory.create(account=account, speed=1)
    return BotFactory.create(
        account=account,
        analyst_profile=ModelProfileFactory.create(),
        timeframe="4h",
        symbols=["BTCUSDT"],
        state=BotState.PAUSED,
    )


def saved(client: Client, bot: Bot, **changes: Any) -> Any:
    """The answer to the bot's form with some fields changed."""
    page = reverse("admin:trading_bot_change", args=[bot.pk])
    form = client.get(page).context["adminform"].form
    given = {name: value for name, value in form.initial.items() if value is not None}
    answer = client.post(
        page,
        given | {"symbols": '["BTCUSDT"]', "exit_settings": "{}", "entry_settings": "{}"} | changes,
    )
    bot.refresh_from_db()
    return answer


def errors(answer: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = answer.context["adminform"].form.errors
    return found


def level_shown(client: Client, bot: Bot) -> str:
    page = client.get(reverse("admin:trading_bot_change", args=[bot.pk])).content.decode()
    return page.partition("ai-cost-")[2].partition('"')[0]


def test_a_cheap_bot_needs_no_consent(operator_client: Client, bot: Bot) -> None:
    assert saved(operator_client, bot, name="Cheap").status_code == 302
    assert (bot.name, bot.ai_cost_accepted) == ("Cheap", None)
    assert level_shown(operator_client, bot) == "ok"


def test_a_dear_one_is_refused_with_its_cost(operator_client: Client, bot: Bot) -> None:
    answer = saved(operator_client, bot, timeframe="1m")
    assert answer.status_code == 200
    assert "of equity a month" in errors(answer)["accept_ai_cost"][0]
    assert bot.timeframe == "4h"


def test_consent_is_kept_with_who_gave_it(operator_client: Client, bot: Bot) -> None:
    assert saved(operator_client, bot, timeframe="1m", accept_ai_cost="on").status_code == 302
    assert bot.timeframe == "1m"
    share = ai_cost_estimate(bot).share_of_equity_per_month
    assert bot.ai_cost_accepted == pytest.approx(share)
    acted = OperatorAction.objects.get(action="AI cost accepted")
    assert (str(acted.actor), acted.target) == ("operator", bot.name)
    assert level_shown(operator_client, bot) == "red"


def test_consent_that_was_given_is_not_asked_for_again(operator_client: Client, bot: Bot) -> None:
    saved(operator_client, bot, timeframe="1m", accept_ai_cost="on")
    assert saved(operator_client, bot, name="Same cost").status_code == 302
    answer = saved(operator_client, bot, symbols='["BTCUSDT", "ETHUSDT"]')
    assert "accept_ai_cost" in errors(answer)


def test_nobody_can_agree_without_equity(operator_client: Client, bot: Bot) -> None:
    type(bot.account).objects.update(start_equity=Decimal(0))
    answer = saved(operator_client, bot, accept_ai_cost="on")
    assert "no equity" in errors(answer)["accept_ai_cost"][0]


def test_what_was_agreed_to_can_not_be_typed_in(operator_client: Client, bot: Bot) -> None:
    saved(operator_client, bot, ai_cost_accepted="5", state="running")
    assert (bot.ai_cost_accepted, bot.state) == (None, BotState.PAUSED)


def test_symbols_that_are_no_list_get_their_own_refusal(operator_client: Client, bot: Bot) -> None:
    answer = saved(operator_client, bot, symbols='"BTCUSDT"')
    assert list(errors(answer)) == ["symbols"]


def test_symbols_the_market_does_not_have_are_refused(operator_client: Client, bot: Bot) -> None:
    answer = saved(operator_client, bot, symbols='["BTCUSDT", "FOOUSDT"]')
    assert "has no FOOUSDT; it has BTCUSDT" in errors(answer)["symbols"][0]
    assert bot.symbols == ["BTCUSDT"]


def test_a_running_bot_is_not_given_a_model_that_can_not_ask(
    operator_client: Client, bot: Bot
) -> None:
    Bot.objects.filter(pk=bot.pk).update(state=BotState.RUNNING)
    useless = ModelProfileFactory.create(name="Without prices", input_price=0, output_price=0)
    answer = saved(operator_client, bot, analyst_profile=useless.pk)
    assert "Without prices" in errors(answer)["analyst_profile"][0]


def test_entry_settings_are_stored_as_typed(operator_client: Client, bot: Bot) -> None:
    typed = '{"breakout_entries": true, "min_order_policy": "round_up"}'
    assert saved(operator_client, bot, entry_settings=typed).status_code == 302
    assert bot.entry_settings == {"breakout_entries": True, "min_order_policy": "round_up"}
    (row,) = bot_list(bot.account, datetime.now(UTC))
    assert row.entries == "rounds up to the smallest order, breakout entries"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ('{"breakouts": true}', "There is no entry setting breakouts."),
        ('{"method": "kelly"}', "Kelly sizing is for accounts of the classic profile."),
        ("[1]", "Entry settings must be names with values."),
    ],
)
def test_entry_settings_that_make_no_sense_are_refused(
    operator_client: Client, bot: Bot, typed: str, sentence: str
) -> None:
    RiskLimits.objects.update(profile=RiskProfile.CONSERVATIVE)
    answer = saved(operator_client, bot, entry_settings=typed)
    assert errors(answer)["entry_settings"] == [sentence]
    assert bot.entry_settings == {}


def test_kelly_is_for_the_classic_profile(operator_client: Client, bot: Bot) -> None:
    RiskLimits.objects.update(profile=RiskProfile.CLASSIC)
    assert saved(operator_client, bot, entry_settings='{"method": "kelly"}').status_code == 302
    assert bot.entry_settings == {"method": "kelly"}
