"""What models may cost, are likely to cost, and did cost."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from analysis.budget import Purse, budget_reserve
from analysis.models import AnalystProfile
from tests.factories import (
    AccountFactory,
    AnalysisFactory,
    BotFactory,
    EquityPointFactory,
    ModelCallFactory,
    ModelProfileFactory,
    RiskLimitsFactory,
    SignalFactory,
    SpendFactory,
    TradeFactory,
)
from trading import ai
from trading.models import Bot

pytestmark = pytest.mark.django_db

DAY = date(2026, 11, 22)


def make_bot(profile: AnalystProfile | None = None, **changes: Any) -> Bot:
    account = AccountFactory.create(start_equity=Decimal(1000))
    RiskLimitsFactory.create(account=account, ai_daily_cap=changes.pop("account_cap", None))
    return BotFactory.create(
        account=account, analyst_profile=profile or ModelProfileFactory.create(), **changes
    )


@pytest.mark.parametrize(
    ("equity", "cap"), [("500", "0.5"), ("1000", "1"), ("50000", "1"), ("0", "0"), ("-5", "0")]
)
def test_an_account_spends_a_thousandth_of_its_equity_at_most_a_dollar(
    equity: str, cap: str
) -> None:
    bot = make_bot()
    assert ai.purses_of(bot, Decimal(equity)) == (
        Purse(f"bot:{bot.pk}", Decimal(cap)),
        Purse(f"account:{bot.account_id}", Decimal(cap)),
    )


def test_caps_that_were_entered_count_instead() -> None:
    bot = make_bot(account_cap=Decimal(5), ai_daily_cap=Decimal("0.2"))
    assert [purse.cap for purse in ai.purses_of(bot, Decimal(1000))] == [Decimal("0.2"), Decimal(5)]


def test_a_cap_of_nothing_is_not_an_empty_one() -> None:
    bot = make_bot(account_cap=Decimal(0), ai_daily_cap=Decimal(0))
    assert [purse.cap for purse in ai.purses_of(bot, Decimal(1000))] == [0, 0]


def test_newer_limits_of_the_account_count() -> None:
    bot = make_bot(account_cap=Decimal(5))
    RiskLimitsFactory.create(account=bot.account, version=99, ai_daily_cap=Decimal(3))
    assert ai.account_purse(bot.account, Decimal(1000)).cap == 3


def test_purses_are_shown_with_what_was_promised_today() -> None:
    bot = make_bot()
    purses = ai.purses_of(bot, Decimal(1000))
    budget_reserve(purses, Decimal("0.25"), DAY)
    states = ai.purse_states(purses, DAY)
    assert [(state.name, state.spent) for state in states] == [
        ("this bot", Decimal("0.25")),
        ("this account", Decimal("0.25")),
    ]


def test_rules_cost_nothing() -> None:
    bot = BotFactory.create()
    assert ai.ai_cost_estimate(bot) == ai.AiCost(Decimal(0), Decimal(0), "ok")
    assert ai.ai_cost_estimate(bot).sentence == "Its analyses cost nothing."
    assert ai.cost_refusal(bot) == ""


def test_an_estimate_grows_with_symbols_and_shorter_candles() -> None:
    profile = ModelProfileFactory.create()
    one = ai.ai_cost_estimate(make_bot(profile, symbols=["BTCUSDT"], timeframe="1h"))
    ten = ai.ai_cost_estimate(make_bot(profile, symbols=["BTCUSDT"] * 10, timeframe="1h"))
    fast = ai.ai_cost_estimate(make_bot(profile, symbols=["BTCUSDT"], timeframe="15m"))
    assert one.per_day > 0
    assert ten.per_day == pytest.approx(one.per_day * 10, rel=Decimal("0.05"))
    assert fast.per_day == pytest.approx(one.per_day * 4, rel=Decimal("0.05"))


@pytest.mark.parametrize(
    ("per_month", "level"),
    [("0.0099", "ok"), ("0.0101", "amber"), ("0.0299", "amber"), ("0.0301", "red")],
)
def test_over_one_percent_a_month_is_amber_and_over_three_is_red(
    per_month: str, level: str
) -> None:
    bot = make_bot()
    per_day = ai.ai_cost_estimate(bot).per_day
    cost = ai.ai_cost_estimate(bot, equity=per_day * 30 / Decimal(per_month))
    assert cost.level == level
    assert cost.share_of_equity_per_month == pytest.approx(Decimal(per_month))


def test_the_newest_equity_is_what_it_is_a_share_of() -> None:
    bot = make_bot()
    before = ai.ai_cost_estimate(bot).share_of_equity_per_month
    EquityPointFactory.create(account=bot.account, equity=Decimal(2000))
    after = ai.ai_cost_estimate(bot).share_of_equity_per_month
    assert before is not None
    assert after == before / 2


def test_without_equity_any_cost_is_too_much() -> None:
    cost = ai.ai_cost_estimate(make_bot(), equity=Decimal(0))
    assert (cost.share_of_equity_per_month, cost.level) == (None, "red")
    assert "no equity" in cost.sentence


def test_a_red_estimate_needs_a_person_and_what_was_agreed_to_a_little_slack() -> None:
    bot = make_bot(timeframe="1m", symbols=["BTCUSDT"] * 10)
    share = ai.ai_cost_estimate(bot).share_of_equity_per_month
    assert share is not None
    assert "has to be agreed to" in ai.cost_refusal(bot)
    bot.ai_cost_accepted = share / Decimal("1.09")
    assert ai.cost_refusal(bot) == ""
    bot.ai_cost_accepted = share / Decimal("1.11")
    assert ai.cost_refusal(bot) != ""


def test_what_was_paid_in_a_period_is_summed_by_purse() -> None:
    for day, amount in ((20, "0.1"), (21, "0.2"), (22, "0.4")):
        SpendFactory.create(key="bot:7", day=date(2026, 11, day), amount=Decimal(amount))
    SpendFactory.create(key="bot:71", day=DAY, amount=Decimal(8))
    assert ai.ai_cost_of("bot:7", date(2026, 11, 21), DAY) == Decimal("0.6")
    assert ai.ai_cost_of("bot:8", date(2026, 11, 21), DAY) == 0


def test_a_trade_costs_what_its_own_bot_paid_for_its_analysis() -> None:
    analysis = AnalysisFactory.create(candle_time=datetime(2026, 11, 22, tzinfo=UTC))
    trade = TradeFactory.create(signal=SignalFactory.create(analysis=analysis))
    own = {"analysis": analysis, "charged_to": f"bot:{trade.bot_id}"}
    ModelCallFactory.create(cost=Decimal("0.02"), **own)
    ModelCallFactory.create(cost=None, reserved_cost=Decimal("0.05"), **own)
    ModelCallFactory.create(analysis=analysis, charged_to="bot:0", cost=Decimal(1))
    assert ai.trade_ai_cost(trade) == Decimal("0.07")
