"""What past trades say of a signal's confidence, in the cycle that decides on it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.trading.cycle.conftest import BOUNDARY, Desk
from tests.trading.labelled import many
from trading.cycle.run import cycle_run
from trading.domain.entry_settings import EntrySettings
from trading.models import Bot, Signal

pytestmark = pytest.mark.django_db
BEFORE = BOUNDARY - timedelta(days=2)


def asks(bot: Bot) -> None:
    bot.entry_settings = EntrySettings(calibrated=True).as_json()
    bot.save()


def run(desk: Desk) -> Signal:
    """The signal of one symbol in the cycle that is due."""
    cycle = cycle_run(desk.cycle().pk, desk.ports())
    found: Signal = cycle.signals.get(symbol="BTCUSDT")
    return found


def verdict(signal: Signal) -> dict[str, object]:
    (found,) = (each for each in signal.verdicts if each["rule"] == "edge")
    return dict(found)


def test_a_signal_says_how_many_trades_it_lacks(desk: Desk) -> None:
    asks(desk.bot)
    signal = run(desk)
    assert signal.calibration == {"n": 0}
    assert (signal.rule, verdict(signal)["passed"]) == ("", None)
    assert verdict(signal)["value"] == "uncalibrated (n = 0)"


def test_a_signal_keeps_its_chance_and_passes_with_an_edge(desk: Desk) -> None:
    asks(desk.bot)
    many(desk.bot, 120, since=BEFORE)
    signal = run(desk)
    assert signal.calibration["n"] == 120
    assert Decimal(signal.calibration["p"]) > Decimal("0.5")
    assert (signal.rule, verdict(signal)["passed"]) == ("", True)


def test_a_confidence_that_lost_before_is_rejected(desk: Desk) -> None:
    asks(desk.bot)
    many(desk.bot, 120, lambda number, _: number % 8 == 0, since=BEFORE)
    signal = run(desk)
    assert signal.rule == "edge"
    assert "breaks even at" in signal.state_reason


def test_a_bot_that_does_not_ask_only_shows_it(desk: Desk) -> None:
    many(desk.bot, 120, lambda number, _: number % 8 == 0, since=BEFORE)
    signal = run(desk)
    assert signal.rule == ""
    assert signal.calibration["n"] == 120


def test_what_closes_later_is_not_known_to_the_decision(desk: Desk) -> None:
    asks(desk.bot)
    many(desk.bot, 120, since=BOUNDARY)
    signal = run(desk)
    assert (signal.rule, signal.calibration) == ("", {"n": 0})
