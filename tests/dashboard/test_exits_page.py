"""The page of a bot's exit rules: words for mistakes, what a change would do, and applying it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.exit_picture import exit_picture
from dashboard.forms_exits import ExitForm, initial_of
from tests.dashboard.conftest import Desk
from tests.factories import NOON
from trading.choices import OppositeSignal, RiskProfile
from trading.domain.exits import ExitSettings, default_exits
from trading.exit_changes import exits_of
from trading.models import Bot, Command, OperatorAction, Trade

HOUR = timedelta(hours=1)
PLAIN = default_exits(RiskProfile.CONSERVATIVE, HOUR)


def address(desk: Desk) -> str:
    return reverse("bot_exits", args=[desk.bot.pk])


def typed(desk: Desk, **changes: Any) -> dict[str, Any]:
    """The form as the page shows it, with changes."""
    shown = {name: "" if value is None else value for name, value in _shown(desk).items()}
    if not shown["invalidation"]:
        del shown["invalidation"]
    return shown | changes


def _shown(desk: Desk) -> dict[str, Any]:
    return initial_of(exits_of(Bot.objects.get(pk=desk.bot.pk)))


def aged(desk: Desk) -> Trade:
    """The open trade of the desk, entered a while before the newest candle."""
    Trade.objects.filter(pk=desk.trade.pk).update(opened_market=NOON - 2 * HOUR)
    return Trade.objects.get(pk=desk.trade.pk)


def test_the_page_shows_each_rule_with_its_value_and_default(console: Client, desk: Desk) -> None:
    page = console.get(address(desk)).content.decode()
    for name in ExitForm.base_fields:
        assert f'name="{name}"' in page
    assert "The way of the stop" in page
    assert "style=" not in page.split("<main")[1]


def test_new_rules_are_saved_for_the_next_trades(console: Client, desk: Desk) -> None:
    before = dict(desk.trade.exit_settings)
    sent = typed(
        desk,
        breakeven_at_r="0.8",
        partials="1.5: 50, 2.5: 25",
        trail_within="1",
        age_bars="12",
        age_share="20",
        invalidation="on",
        opposite="reverse",
        action="save",
    )
    page = console.post(address(desk), sent, follow=True).content.decode()
    assert "saved for the trades it enters from now on" in page
    kept = exits_of(Bot.objects.get(pk=desk.bot.pk))
    assert kept.breakeven_at_r == Decimal("0.8")
    assert kept.partials == ((Decimal("1.5"), Decimal("0.5")), (Decimal("2.5"), Decimal("0.25")))
    assert (kept.trail_within, kept.age_bars, kept.age_share) == (
        Decimal("0.01"),
        12,
        Decimal("0.2"),
    )
    assert (kept.invalidation, kept.opposite) == (True, OppositeSignal.REVERSE)
    assert Trade.objects.get(pk=desk.trade.pk).exit_settings == before
    action = OperatorAction.objects.get(action="exit settings")
    assert action.data["new"]["breakeven_at_r"] == "0.8"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"breakeven_at_r": "soon"}, "Write a number."),
        ({"breakeven_at_r": "0"}, "must be above 0"),
        ({"tightening": "1.5 to 0.75"}, "Write steps like 1.5: 0.75, 2: 1.2."),
        ({"tightening": "1: 2"}, "each stop must lie below the R that sets it"),
        ({"max_holding_bars": ""}, "Write a whole number."),
        ({"trail_within": "40"}, "must be a share above 0"),
        ({"age_bars": "12", "age_share": "31"}, "at most 0.3"),
        ({"age_bars": "9999"}, "below “Held at most”"),
        ({"partials": "1: 60, 2: 40"}, "must leave something to the target"),
        ({"opposite": "perhaps"}, "not one of the available choices"),
    ],
)
@pytest.mark.parametrize("action", ["preview", "save", "apply"])
def test_mistakes_are_told_in_words_and_change_nothing(
    console: Client, desk: Desk, changes: dict[str, str], words: str, action: str
) -> None:
    answer = console.post(address(desk), typed(desk, action=action, **changes))
    assert answer.status_code == 422
    assert words in answer.content.decode().replace("&#x27;", "'")
    assert exits_of(Bot.objects.get(pk=desk.bot.pk)) == exits_of(desk.bot)
    assert not Command.objects.exists()


def test_a_preview_shows_old_and_new_stop_and_saves_nothing(console: Client, desk: Desk) -> None:
    trade = aged(desk)
    page = console.post(
        address(desk), typed(desk, action="preview", age_bars="1", age_share="30")
    ).content.decode()
    assert f'value="{trade.pk}:{trade.version}"' in page
    assert "With these settings the last 50 trades would have ended" in page
    assert not Command.objects.exists()
    assert exits_of(Bot.objects.get(pk=desk.bot.pk)).age_bars is None


def preview_fields(page: str) -> dict[str, Any]:
    found = {
        name: re.findall(rf'name="{name}" value="([^"]*)"', page)
        for name in ("previewed", "idempotency_key", "seen")
    }
    return {
        "previewed": found["previewed"][0].replace("&#x27;", "'"),
        "idempotency_key": found["idempotency_key"][0],
        "seen": found["seen"],
    }


def test_applying_asks_the_trader_once_per_trade(console: Client, desk: Desk) -> None:
    trade = aged(desk)
    sent = typed(desk, age_bars="1", age_share="30")
    page = console.post(address(desk), sent | {"action": "preview"}).content.decode()
    wish = sent | preview_fields(page) | {"action": "apply"}
    console.post(address(desk), wish)
    console.post(address(desk), wish)
    command = Command.objects.get()
    assert (command.kind, command.target) == ("apply_exits", trade.pk)
    assert command.expected_version == trade.version
    assert command.payload["exit_settings"]["age_bars"] == 1
    assert OperatorAction.objects.filter(action="command apply_exits").count() == 1


def test_only_what_was_shown_is_applied(console: Client, desk: Desk) -> None:
    aged(desk)
    sent = typed(desk, age_bars="1")
    page = console.post(address(desk), sent | {"action": "preview"}).content.decode()
    other = sent | preview_fields(page) | {"action": "apply", "age_bars": "2"}
    answer = console.post(address(desk), other)
    assert "look at what they do first" in answer.content.decode()
    nothing = sent | preview_fields(page) | {"action": "apply", "seen": []}
    assert "not open any more" in console.post(address(desk), nothing).content.decode()
    assert not Command.objects.exists()


def test_stored_rules_that_cannot_be_read_can_be_replaced(console: Client, desk: Desk) -> None:
    Bot.objects.update(exit_settings={"trailing": 1})
    page = console.get(address(desk)).content.decode()
    assert "The stored exit rules can" in page


def test_the_page_needs_a_login(client: Client, desk: Desk) -> None:
    assert client.get(address(desk)).status_code == 302


def test_the_picture_follows_the_rules() -> None:
    drawn = exit_picture(PLAIN)
    assert drawn.words == (
        "The stop goes to 0.08 R at 1.00 R, 0.75 R at 1.50 R, 1.20 R at 2.00 R, "
        "2.00 R at 2.50 R, 2.50 R at 3.00 R."
    )
    bare = ExitSettings(None, (), 36, 3600, partials=((Decimal(1), Decimal("0.5")),))
    assert exit_picture(bare).words == "The stop stays where it is set."
    assert [part.text for part in exit_picture(bare).parts] == ["50% taken at 1 R"]
