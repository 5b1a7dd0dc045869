"""Which closed trades a bot's calibration is fitted on."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories.analysis import AnalysisFactory, PromptVersionFactory
from tests.factories.bots import BotFactory, RiskLimitsFactory
from tests.factories.cycles import CycleFactory, SignalFactory
from tests.factories.exchange import NOON
from tests.factories.trades import TradeFactory
from tests.trading.labelled import MINUTE, many
from trading.calibration import calibration_json, calibration_of, calibration_words
from trading.models import Bot, Trade
from trading.settings_of import bot_settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def bot() -> Bot:
    made: Bot = BotFactory.create()
    return made


def closed(
    bot: Bot, minute: int, confidence: str = "0.72", net: str = "5", **more: object
) -> Trade:
    """A trade that closed so many minutes after NOON, on an answer of the bot's analyst."""
    wanted = {"profile": bot.analyst_profile} | dict(more.pop("analysis", {}))  # type: ignore[call-overload]
    analysis = AnalysisFactory.create(**wanted)
    signal = SignalFactory.create(
        cycle=CycleFactory.create(bot=bot), analysis=analysis, confidence=Decimal(confidence)
    )
    trade: Trade = TradeFactory.create(
        signal=signal,
        closed=True,
        net_pnl=Decimal(net),
        closed_market=NOON + minute * MINUTE,
        **more,
    )
    return trade


def test_trades_that_close_later_are_not_known_yet(bot: Bot) -> None:
    for minute in (1, 2, 3):
        closed(bot, minute)
    assert calibration_of(bot, NOON + 2 * MINUTE).count == 1
    assert calibration_of(bot, NOON + 4 * MINUTE).count == 3


def test_only_trusted_results_of_this_analyst_count(bot: Bot) -> None:
    closed(bot, 1)
    closed(bot, 2, unverifiable=True)
    closed(bot, 3, analysis={"profile_version": 2})
    closed(bot, 4, analysis={"prompt_version": PromptVersionFactory.create()})
    closed(BotFactory.create(analyst_profile=bot.analyst_profile), 5)
    TradeFactory.create(signal__cycle__bot=bot, symbol="ETHUSDT")
    assert calibration_of(bot, NOON + 60 * MINUTE).count == 1


def test_a_hundred_trades_make_a_curve(bot: Bot) -> None:
    many(bot, 100)
    later = NOON + 10_000 * MINUTE
    curve = calibration_of(bot, later)
    assert (curve.method, curve.count) == ("platt", 100)
    assert (
        bot_settings(bot, RiskLimitsFactory.create(account=bot.account), later).calibration == curve
    )


def test_another_closed_trade_fits_the_curve_anew(bot: Bot) -> None:
    many(bot, 100)
    later = NOON + 10_000 * MINUTE
    before = calibration_of(bot, later)
    closed(bot, 5000, confidence="0.9", net="-50")
    after = calibration_of(bot, later)
    assert (before.count, after.count) == (100, 101)
    assert before.points != after.points


@settings(
    max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.data())
def test_no_trade_that_closed_after_a_decision_changes_it(bot: Bot, data: st.DataObject) -> None:
    """The curve at a moment stays what it was, whatever closes at or after it."""
    if not Trade.objects.filter(bot=bot).exists():
        many(bot, 140)
    now = NOON + data.draw(st.integers(100, 140)) * MINUTE
    before = calibration_of(bot, now)
    for _ in range(data.draw(st.integers(1, 3))):
        minute = data.draw(st.integers(0, 50))
        trade = closed(bot, 0, data.draw(st.sampled_from(["0.6", "0.9"])), "-500")
        Trade.objects.filter(pk=trade.pk).update(closed_market=now + minute * MINUTE)
    after = calibration_of(bot, now)
    Trade.objects.filter(net_pnl=-500).delete()
    assert after == before


def test_without_a_moment_settings_are_not_calibrated(bot: Bot) -> None:
    assert bot_settings(bot, RiskLimitsFactory.create(account=bot.account)).calibration is None


def test_what_a_signal_keeps_reads_as_a_sentence(bot: Bot) -> None:
    few = calibration_json(calibration_of(bot, NOON), Decimal("0.7"))
    assert (few, calibration_words(few)) == ({"n": 0}, "uncalibrated (n = 0)")
    many(bot, 120)
    kept = calibration_json(calibration_of(bot, NOON + 10_000 * MINUTE), Decimal("0.7"))
    assert set(kept) == {"p", "se", "n", "method"}
    chance, error = Decimal(kept["p"]), Decimal(kept["se"])
    words = f"calibrated {chance * 100:.0f} % ± {error * 100:.0f}, n = 120"
    assert calibration_words(kept) == words
    assert calibration_words({}) == ""
