"""Changing limits: versions, hard caps, effects; and the money that bots share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tests.factories import BotFactory, UserFactory
from tests.trading.execution.floor import Floor
from trading.choices import Autonomy, BotState
from trading.domain.settings import LEVERAGE_CAP
from trading.errors import ActionRefused
from trading.limits import limits_change, limits_preview
from trading.models import Bot, Event, OperatorAction, RiskLimits
from trading.services import bot_create, bot_set_state
from trading.settings_of import bot_settings, limits_current, limits_value

D = Decimal


def change(floor: Floor, reason: str = "calmer", **changes: Any) -> RiskLimits:
    return limits_change(
        account=floor.account, changes=changes, actor=UserFactory.create(), reason=reason
    )


def test_a_change_is_a_new_version_with_who_and_why(floor: Floor) -> None:
    old = limits_current(floor.account)
    new = change(floor, max_daily_loss=D("0.01"))
    assert (new.version, new.max_daily_loss, new.note) == (old.version + 1, D("0.01"), "calmer")
    assert RiskLimits.objects.get(pk=old.pk).max_daily_loss == old.max_daily_loss
    assert new.max_slots == old.max_slots
    assert limits_current(floor.account).pk == new.pk
    assert OperatorAction.objects.get(action="limits changed").actor == new.actor
    assert "Loss a day: 6.00 % to 1.00 %" in Event.objects.get(kind="limits_changed").text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "nothing would change"),
        ({"max_daily_loss": D("0.06")}, "nothing would change"),
        ({"max_leverage": D(11)}, "hard cap"),
        ({"risk_per_trade": D("0.051")}, "hard cap"),
        ({"protections": [{"method": "Luck"}]}, "entry 1, method"),
    ],
)
def test_what_may_not_be_is_refused(floor: Floor, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ActionRefused, match=words):
        change(floor, **changes)
    assert RiskLimits.objects.count() == 1


def test_a_reason_and_the_version_that_was_seen_are_needed(floor: Floor) -> None:
    with pytest.raises(ActionRefused, match="give a reason"):
        change(floor, " ", max_slots=1)
    change(floor, max_slots=1)
    with pytest.raises(ActionRefused, match="look again"):
        limits_change(
            account=floor.account,
            changes={"max_slots": 2},
            actor=None,
            reason="late",
            expected_version=1,
        )


def test_a_preview_says_what_it_means_in_money(floor: Floor) -> None:
    lines = limits_preview(floor.account, {"max_daily_loss": D("0.02")}, D(1000))
    (line,) = (one for one in lines if one.changed)
    assert (line.current, line.new, line.default) == ("6.00 %", "2.00 %", "6.00 %")
    assert line.before == "max loss a day = 60.00 USDT"
    assert line.effect == "max loss a day = 20.00 USDT"
    assert not line.looser
    beyond = limits_preview(floor.account, {"max_leverage": D(20)}, D(1000))
    assert [one.refusal != "" for one in beyond if one.changed] == [True]
    assert [one.effect for one in limits_preview(floor.account, {}, None) if one.effect] == []


def test_what_was_stored_past_a_hard_cap_counts_as_the_cap(floor: Floor) -> None:
    RiskLimits.objects.update(max_leverage=D(100), risk_per_trade=D(1))
    row = limits_current(floor.account)
    assert limits_value(row).max_leverage == LEVERAGE_CAP
    assert bot_settings(floor.bot, row).limits.risk_per_trade == D("0.05")
    with pytest.raises(ValidationError):
        row.full_clean(validate_unique=False, validate_constraints=False)


def test_a_bot_s_own_limits_reach_its_decisions(floor: Floor) -> None:
    floor.bot.tighter_limits = {"max_daily_loss": "0.01", "max_slots": 1}
    found = bot_settings(floor.bot, limits_current(floor.account))
    assert (found.limits.max_daily_loss, found.limits.max_slots) == (D("0.01"), 5)
    assert found.own.max_slots == 1


def second(floor: Floor, share: str, state: BotState = BotState.RUNNING, **more: Any) -> Bot:
    return bot_create(
        account=floor.account,
        name="second",
        timeframe="1h",
        symbols=["BTCUSDT"],
        analyst_profile=floor.bot.analyst_profile,
        autonomy=Autonomy.OBSERVE,
        state=state,
        capital_share=D(share),
        **more,
    )


def test_running_bots_share_the_whole_at_most(floor: Floor) -> None:
    Bot.objects.filter(pk=floor.bot.pk).update(capital_share=D("0.6"))
    with pytest.raises(ActionRefused, match="together they may use 100 %"):
        second(floor, "0.41")
    waiting = second(floor, "0.41", BotState.PAUSED)
    with pytest.raises(ActionRefused, match="together they may use 100 %"):
        bot_set_state(bot=waiting, state=BotState.RUNNING, actor=None)
    Bot.objects.filter(pk=waiting.pk).update(capital_share=D("0.4"))
    waiting.refresh_from_db()
    assert bot_set_state(bot=waiting, state=BotState.RUNNING, actor=None).state == "running"


def test_a_bot_with_looser_limits_does_not_start(floor: Floor) -> None:
    Bot.objects.filter(pk=floor.bot.pk).update(capital_share=D("0.1"))
    with pytest.raises(ActionRefused, match="may only tighten"):
        second(floor, "0.1", tighter_limits={"max_slots": 6})
    with pytest.raises(ActionRefused, match="max_slot is no limit"):
        second(floor, "0.1", tighter_limits={"max_slot": 6})
    BotFactory.create()
    assert second(floor, "0.1", tighter_limits={"max_slots": 2}).tighter_limits == {"max_slots": 2}
