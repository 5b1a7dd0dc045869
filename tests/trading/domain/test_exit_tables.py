"""Every exit rule by table: candles in, moves of the stop, parts taken and the exit out.

The made trade enters at 100 with R = 4 and its target at 120; a table is written for the long, and
the short is its mirror image at 100.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis.answer.value import InvalidationCondition
from exchange.domain import Side
from tests.trading.domain.made import HOUR, NOW, exits, instrument, trade
from tests.trading.domain.played import Bar, bars, told
from trading.domain.exits import ExitSettings, ManagedTrade
from trading.domain.invalidation import Invalidation, invalidation_of

SIDES = pytest.mark.parametrize("side", [Side.BUY, Side.SELL], ids=["long", "short"])
D = Decimal
BARE: dict[str, Any] = {"breakeven_at_r": None, "tightening": ()}


def only(**changes: Any) -> ExitSettings:
    """No break-even and no tightening: just what is named."""
    return exits(**(BARE | changes))


def held(side: Side, **changes: Any) -> ManagedTrade:
    """The made trade, ten units of it."""
    sized = replace(trade(side), full_qty=D(10), open_qty=D(10))
    return replace(sized, **changes)


def idea(condition: str, price: str | None, hours: float | None, side: Side) -> Invalidation:
    shown = None if price is None else D(price) if side is Side.BUY else 200 - D(price)
    until = None if hours is None else NOW + timedelta(hours=hours)
    return Invalidation(InvalidationCondition(condition), shown, until)


@SIDES
@pytest.mark.parametrize(
    ("candles", "expected"),
    [
        (("103.9", "101", "97"), []),
        (("104", "103"), ["0 breakeven 100.2"]),
        (("104", ("100.1", "102", "101")), ["0 breakeven 100.2", "stopped"]),
        (("106", "107"), ["0 tightening 103"]),
        (
            ("104", "106", "108", "110", "112", ("109.9", "111", "110")),
            [
                "0 breakeven 100.2",
                "1 tightening 103",
                "2 tightening 104.8",
                "3 tightening 108",
                "4 tightening 110",
                "stopped",
            ],
        ),
        # One leap goes straight to the highest step; a fall back moves nothing.
        (("113", "111", "112"), ["0 tightening 110"]),
        ((("96", "99", "98"),), ["stopped"]),
        (("112", ("111", "120.1", "119")), ["0 tightening 110", "target"]),
    ],
)
def test_break_even_and_tightening(
    side: Side, candles: tuple[Bar, ...], expected: list[str]
) -> None:
    assert told(held(side), bars(*candles, side=side), exits()) == expected


@SIDES
def test_a_trade_is_closed_when_it_was_held_too_long(side: Side) -> None:
    hours = bars(*["101"] * 40, side=side, every=HOUR)
    assert told(held(side), hours, exits()) == ["35 max_holding"]


@pytest.mark.parametrize(
    ("side", "candles", "expected"),
    [
        # Within 1 % of 120 from 118.8 on, 1 % behind the close, rounded toward profit.
        (Side.BUY, ("118.7", "118.8", "119.1", "118.9"), ["1 target_trail 117.7"]),
        (Side.BUY, ("118.9", "119.9"), ["0 target_trail 117.8", "1 target_trail 118.8"]),
        (Side.BUY, ("119", ("117.8", "119", "118")), ["0 target_trail 117.9", "stopped"]),
        # Within 1 % of 80 down to 80.8; the made table shows a short's stops mirrored.
        (Side.SELL, ("119.1", "119.2"), ["1 target_trail 118.4"]),
        (Side.SELL, ("119.2", "119.7"), ["0 target_trail 118.4", "1 target_trail 118.9"]),
    ],
)
def test_near_the_target_the_stop_trails(
    side: Side, candles: tuple[Bar, ...], expected: list[str]
) -> None:
    settings = only(trail_within=D("0.01"))
    assert told(held(side), bars(*candles, side=side), settings) == expected


@SIDES
@pytest.mark.parametrize(
    ("candles", "expected"),
    [
        # After three hours below 1 R the stop comes nearer by 30 % of 4: 96 to 97.2.
        (("101", "99", "101", "102"), ["2 age 97.2"]),
        (("101", "99", "104", "104.5", "103.9"), ["4 age 97.2"]),
        # At 1 R the trade is not old, whatever its age.
        (("104", "104", "104", "104"), []),
        # Price is there already: out at market.
        (("99", "98", "97.2"), ["2 tightened_stop"]),
        (("99", "98", "97.3", ("97.2", "98", "97.5")), ["2 age 97.2", "stopped"]),
    ],
)
def test_an_old_trade_gets_its_stop_nearer_once(
    side: Side, candles: tuple[Bar, ...], expected: list[str]
) -> None:
    hours = bars(*candles, side=side, every=HOUR)
    assert told(held(side), hours, only(age_bars=3)) == expected


@SIDES
@pytest.mark.parametrize(
    ("candles", "expected"),
    [
        (("105.9", "106", "107", "106"), ["1 part 5"]),
        (("106", "110", "112"), ["0 part 5", "1 part 2.5"]),
        # A leap over both steps takes both in one order.
        (("111",), ["0 part 2.5"]),
        # What was taken stays taken: falling and rising again takes nothing.
        (("106", "100", "106", "109.9", "110"), ["0 part 5", "4 part 2.5"]),
    ],
)
def test_parts_are_taken_once_each(
    side: Side, candles: tuple[Bar, ...], expected: list[str]
) -> None:
    settings = only(partials=((D("1.5"), D("0.5")), (D("2.5"), D("0.25"))))
    assert told(held(side), bars(*candles, side=side), settings) == expected


@SIDES
def test_the_stop_moves_before_a_part_is_taken(side: Side) -> None:
    settings = exits(partials=((D(1), D("0.3")),))
    lines = told(held(side), bars("104", "104", side=side), settings)
    assert lines == ["0 breakeven 100.2", "0 part 7"]


@pytest.mark.parametrize(
    ("step", "least", "qty", "share", "expected"),
    [
        # Sold is rounded down to a step, so that what is kept is never less than asked.
        ("1", "1", "7", "0.5", ["0 part 4"]),
        ("0.1", "0.1", "0.7", "0.5", ["0 part 0.4"]),
        # Nothing below the minimum is sold, and nothing below it is kept.
        ("0.1", "0.5", "0.9", "0.5", []),
        ("1", "1", "1", "0.5", []),
        ("1", "3", "10", "0.8", []),
        ("1", "3", "10", "0.7", ["0 part 3"]),
    ],
)
def test_parts_respect_steps_and_minimum(
    step: str, least: str, qty: str, share: str, expected: list[str]
) -> None:
    rules = instrument(qty_step=D(step), min_qty=D(least))
    managed = held(Side.BUY, instrument=rules)
    managed = replace(managed, full_qty=D(qty), open_qty=D(qty))
    settings = only(partials=((D(1), D(share)),))
    assert told(managed, bars("104"), settings) == expected


def test_what_an_operator_took_counts_as_taken() -> None:
    settings = only(partials=((D(1), D("0.5")), (D(2), D("0.2"))))
    managed = held(Side.BUY, open_qty=D(4))
    assert told(managed, bars("104", "108"), settings) == ["1 part 3"]


@SIDES
@pytest.mark.parametrize(
    ("condition", "price", "hours", "candles", "expected"),
    [
        # Only the close of a bar of the timeframe counts, and only beyond the price.
        ("close_beyond", "98", None, (*["97.9"] * 59, "98"), []),
        ("close_beyond", "98", None, (*["98.5"] * 59, "97.9"), ["59 invalidation"]),
        ("close_beyond", "98", 1.0, (*["98.5"] * 119, "97.9"), []),
        ("close_beyond", "98", 2.0, (*["98.5"] * 119, "97.9"), ["119 invalidation"]),
        ("touch", "98", None, ("99", ("98", "99", "99")), ["1 invalidation"]),
        ("touch", "98", None, ("99", ("98.1", "99", "99")), []),
        ("touch", "98", 0.5, (*["99"] * 31, ("97", "99", "99")), []),
        # In time, and without profit after costs (100.16).
        ("time", None, 1.0, (*["100.1"] * 60,), ["59 invalidation"]),
        ("time", None, 1.0, (*["100.2"] * 62, "100.1"), ["62 invalidation"]),
    ],
)
def test_an_idea_that_was_proved_wrong_ends_the_trade(
    side: Side,
    condition: str,
    price: str | None,
    hours: float | None,
    candles: tuple[Bar, ...],
    expected: list[str],
) -> None:
    managed = held(side, invalidation=idea(condition, price, hours, side))
    made = bars(*candles, side=side)
    assert told(managed, made, only(invalidation=True)) == expected
    assert told(managed, made, only()) == []


def test_a_touch_before_the_entry_is_no_touch() -> None:
    managed = held(Side.BUY, invalidation=idea("touch", "98", None, Side.BUY))
    managed = replace(managed, opened_at=NOW + timedelta(seconds=30))
    made = bars(("97", "99", "99"), "99")
    assert told(managed, made, only(invalidation=True)) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, None),
        ({"invalidation_condition": None}, None),
        ({"invalidation_condition": "someday", "invalidation_price": "98"}, None),
        ({"invalidation_condition": "close_beyond"}, None),
        ({"invalidation_condition": "time", "invalidation_bars": None}, None),
        (
            {"invalidation_condition": "touch", "invalidation_price": "98"},
            Invalidation(InvalidationCondition.TOUCH, D(98), None),
        ),
        (
            {
                "invalidation_condition": "close_beyond",
                "invalidation_price": None,
                "invalidation_at": "97.5",
                "invalidation_bars": 3,
            },
            Invalidation(InvalidationCondition.CLOSE_BEYOND, D("97.5"), NOW + 3 * HOUR),
        ),
        (
            {"invalidation_condition": "time", "invalidation_bars": 2},
            Invalidation(InvalidationCondition.TIME, None, NOW + 2 * HOUR),
        ),
    ],
)
def test_an_invalidation_is_read_from_the_answer(
    answer: dict[str, Any], expected: Invalidation | None
) -> None:
    found = invalidation_of(answer, NOW, HOUR)
    assert found == expected
    if found is not None:
        assert Invalidation.from_json(found.as_json()) == found


def test_every_rule_is_off_unless_it_is_named() -> None:
    managed = held(Side.BUY, invalidation=idea("touch", "99", None, Side.BUY))
    assert told(managed, bars("98", "119.5", "119.9", "96.1"), only()) == []
