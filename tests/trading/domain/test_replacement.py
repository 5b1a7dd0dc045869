"""When a better signal may have the slot of an unfilled entry, and when it gets it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.domain.made import (
    NOW,
    entries,
    exposure,
    portfolio,
    reading,
    settings,
    verdict_of,
)
from trading.choices import OrderState
from trading.domain.pipeline import Decision, decide
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.replacement import Exchanged, at_best, exchanged, replaceable
from trading.domain.settings import BotSettings

D = Decimal


def bot(slots: int = 2, **changes: object) -> BotSettings:
    chosen = entries(replacement=True, **changes)
    return replace(settings(max_slots=slots, max_same_direction=9, max_per_group=0), entries=chosen)


def waiting(symbol: str, confidence: str = "0.66", bot_id: int = 7) -> Exposure:
    one = exposure(symbol, qty="0.1", working=True)
    return replace(one, bot_id=bot_id, confidence=D(confidence))


def held(symbol: str) -> Exposure:
    return replace(exposure(symbol, qty="0.1"), bot_id=7)


def account(*exposures: Exposure) -> Portfolio:
    return portfolio(exposures=exposures, bot_id=7)


def chosen(here: Portfolio, confidence: str = "0.80", rules: BotSettings | None = None) -> str:
    old = replaceable("BTCUSDT", D(confidence), here, rules or bot())
    return old.symbol if old else ""


def test_the_least_confident_unfilled_entry_gives_way() -> None:
    here = account(waiting("ETHUSDT", "0.68"), waiting("SOLUSDT", "0.66"))
    assert chosen(here) == "SOLUSDT"


@pytest.mark.parametrize(("confidence", "old"), [("0.76", "ETHUSDT"), ("0.759", "")])
def test_it_must_be_better_by_the_least_improvement(confidence: str, old: str) -> None:
    assert chosen(account(held("SOLUSDT"), waiting("ETHUSDT")), confidence) == old


@pytest.mark.parametrize(
    "here",
    [
        account(waiting("ETHUSDT")),
        account(held("SOLUSDT"), held("ETHUSDT")),
        account(held("SOLUSDT"), waiting("ETHUSDT", bot_id=8)),
        account(held("SOLUSDT"), waiting("BTCUSDT")),
        account(held("ETHUSDT"), waiting("ETHUSDT"), held("SOLUSDT")),
        account(held("SOLUSDT"), held("XRPUSDT"), waiting("ETHUSDT")),
    ],
    ids=["a slot is free", "all trades", "another bot's", "own symbol", "part filled", "over full"],
)
def test_nothing_else_gives_way(here: Portfolio) -> None:
    assert chosen(here) == ""


def test_the_setting_is_off_unless_asked_for() -> None:
    here = account(held("SOLUSDT"), waiting("ETHUSDT"))
    plain = replace(bot(), entries=entries())
    assert chosen(here, rules=plain) == ""
    assert at_best("BTCUSDT", here, plain) == here
    assert at_best("BTCUSDT", here, bot()).slots_used == 1


def decided(here: Portfolio, *symbols: str) -> tuple[Decision, ...]:
    return decide([reading(symbol) for symbol in symbols], here, bot(), NOW)


def test_a_better_signal_passes_and_says_whose_slot_it_takes() -> None:
    (decision,) = decided(account(held("SOLUSDT"), waiting("ETHUSDT")), "BTCUSDT")
    assert decision.rule == ""
    assert verdict_of(decision.verdicts, "replacement").text == (
        "Would replace the unfilled entry of ETHUSDT, whose confidence is 66.0 %."
    )
    assert verdict_of(decision.verdicts, "slots").text == "1 of 2 slots are taken."


def test_only_one_is_replaced_per_cycle() -> None:
    here = account(waiting("ETHUSDT"), waiting("SOLUSDT"))
    first, second = decided(here, "BTCUSDT", "XRPUSDT")
    assert (first.rule, second.rule) == ("", "slots")


def test_without_a_worse_entry_the_slots_say_no() -> None:
    (decision,) = decided(account(held("SOLUSDT"), waiting("ETHUSDT", "0.79")), "BTCUSDT")
    assert decision.rule == "slots"


@pytest.mark.parametrize(
    ("state", "filled", "read_back", "waited", "answer"),
    [
        (OrderState.CANCELLED, "0", True, 0.1, Exchanged.PLACE),
        (OrderState.CANCELLED, "0", None, 4.9, Exchanged.WAIT),
        (OrderState.CANCELLED, "0", None, 5.0, Exchanged.DROP),
        (OrderState.ACKNOWLEDGED, "0", True, 4.9, Exchanged.WAIT),
        (OrderState.ACKNOWLEDGED, "0", None, 5.0, Exchanged.DROP),
        (OrderState.CANCELLED, "0.1", None, 0.1, Exchanged.DROP),
        (OrderState.CANCELLED, "0", False, 0.1, Exchanged.DROP),
        (OrderState.FILLED, "1", False, 0.1, Exchanged.DROP),
        (OrderState.UNKNOWN, "0", None, 1.0, Exchanged.WAIT),
    ],
)
def test_only_a_slot_that_is_surely_empty_is_taken(
    state: OrderState, filled: str, read_back: bool | None, waited: float, answer: Exchanged
) -> None:
    assert exchanged(state, D(filled), read_back, waited) is answer
