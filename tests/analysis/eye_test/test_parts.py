"""Each part passes a reader that sees everything and fails the one defect it looks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis.calls.values import FailureCode
from analysis.domain import Direction
from analysis.eye_test import parts_behaviour as behaviour
from analysis.eye_test import parts_reading as reading
from analysis.eye_test.ask import Asked
from analysis.eye_test.grading import results_of
from analysis.eye_test.marks import PartResult
from analysis.eye_test.plan import Control, Group

Answers = tuple[Asked, ...]
EXAMINED = {
    "P0", "P1", "P2", "P3", "P4", "P5", "P6", "P8", "P9", "P10", "P11", "P12", "P13", "P15",
}  # fmt: skip


def changed(
    answers: Sequence[Asked],
    change: Callable[[Asked], dict[str, Any]],
    *groups: Group,
) -> list[Asked]:
    """The answers with fields changed in these groups (all without one)."""
    return [
        replace(each, fields={**(each.fields or {}), **change(each)})
        if not groups or each.item.group in groups
        else each
        for each in answers
    ]


def saying(
    answers: Sequence[Asked], side: Callable[[Asked], Direction], *groups: Group
) -> list[Asked]:
    """The answers with other directions, without looking at their prices."""
    return [
        replace(
            each,
            answer=replace(each.answer, direction=side(each)),
            fields={**(each.fields or {}), "direction": side(each).value},
        )
        if each.answer is not None and (not groups or each.item.group in groups)
        else each
        for each in answers
    ]


def always(side: Direction) -> Callable[[Asked], Direction]:
    return lambda _: side


def test_who_sees_everything_passes_all_parts(perfect: Answers) -> None:
    results = results_of(perfect, scale=1.0, assets=0)
    assert {each.part for each in results if each.passed} == EXAMINED
    assert {each.part for each in results if each.passed is None} == {"P7", "P14"}


def test_p0_wants_both_ids(perfect: Answers) -> None:
    wrong = changed(perfect, lambda _: {"chart_id": "ZZZZ"}, Group.NULL)
    assert not reading.p0(wrong).passed


def test_p0_wants_valid_answers(perfect: Answers) -> None:
    broken = [replace(each, problem="fields", answer=None) for each in perfect]
    result = reading.p0(broken)
    assert not result.passed
    assert "fields" in result.text


def test_p0_counts_stops_accepted_on_the_wrong_side(perfect: Answers) -> None:
    # A short direction over the prices of a long.
    turned = saying(perfect, lambda each: Direction.SHORT, Group.STABILITY)
    result = reading.p0(turned)
    assert not result.passed
    assert "wrong side 0" not in result.text


def test_p1_wants_every_digit(perfect: Answers) -> None:
    rounded = changed(perfect, lambda each: {"rsi": Decimal(50)}, Group.READING)
    assert not reading.p1(rounded).passed


def test_p1_counts_orders_of_magnitude(perfect: Answers) -> None:
    def tenfold(each: Asked) -> dict[str, Any]:
        return {"last_close": (each.number("last_close") or Decimal(0)) * 10}

    assert "magnitude 0" not in reading.p1(changed(perfect, tenfold, Group.READING)).text


def shifted(share: str) -> Callable[[Asked], dict[str, Any]]:
    def change(each: Asked) -> dict[str, Any]:
        assert each.facts is not None
        off = each.facts.visible_range * Decimal(share)
        return {
            name: (each.number(name) or Decimal(0)) + off for name in reading.MARKERS_AND_EXTREMES
        }

    return change


@pytest.mark.parametrize(("share", "passed"), [("0.004", True), ("0.008", False), ("0.03", False)])
def test_p2_measures_in_shares_of_the_range(perfect: Answers, share: str, passed: bool) -> None:
    # Eight per mille is small enough for the median, but it is a bias.
    assert reading.p2(changed(perfect, shifted(share), Group.NULL, Group.DRIFT)).passed is passed


def test_p2_counts_what_was_not_read(perfect: Answers) -> None:
    blind = changed(perfect, lambda _: {"marker_1": None}, Group.NULL, Group.DRIFT)
    result = reading.p2(blind)
    assert not result.passed
    assert "not read 25.0 %" in result.text


def test_p3_fails_for_one_bad_item(perfect: Answers) -> None:
    def turned(each: Asked) -> dict[str, Any]:
        return {"higher_marker": "2" if each.word("higher_marker") == "1" else "1"}

    result = reading.p3(changed(perfect, turned, Group.READING))
    assert not result.passed
    assert "higher_marker" in result.text


def test_p3_is_not_passed_by_the_commoner_answer(perfect: Answers) -> None:
    same = changed(perfect, lambda _: {"ema20_vs_ema50": "above"}, Group.READING)
    assert not reading.p3(same).passed


def test_p4_fails_who_sees_a_trend_in_every_chart(perfect: Answers) -> None:
    assert not reading.p4(changed(perfect, lambda _: {"trend": "up"}, Group.READING)).passed


def test_p5_wants_extremes_within_three_bars(perfect: Answers) -> None:
    def off(bars: int) -> Callable[[Asked], dict[str, Any]]:
        return lambda each: {
            "bars_since_high": (each.number("bars_since_high") or Decimal(0)) + bars
        }

    assert reading.p5(changed(perfect, off(3), Group.READING)).passed
    assert not reading.p5(changed(perfect, off(20), Group.READING)).passed


def test_p5_wants_the_newest_bar(perfect: Answers) -> None:
    assert not reading.p5(changed(perfect, lambda _: {"last_bar": "solid"})).passed


def test_p6_tells_found_levels_from_invented_ones(perfect: Answers) -> None:
    missing = changed(perfect, lambda _: {"support": None, "resistance": None}, Group.LEVELS)
    assert not reading.p6(missing).passed

    def beside(each: Asked) -> dict[str, Any]:
        assert each.facts is not None
        return {"support": each.facts.visible_low - 2 * each.facts.atr}

    invented = reading.p6(changed(perfect, beside, Group.LEVELS))
    assert not invented.passed
    assert "invented of those named 50.0 %" in invented.text


def test_p8_fails_who_always_says_long(perfect: Answers) -> None:
    result = behaviour.p8(saying(perfect, always(Direction.LONG)))
    assert not result.passed
    assert result.value == 1.0
    assert "flipped with the mirror 0.0 %" in result.text


def test_p8_proves_nothing_for_who_never_takes_a_side(perfect: Answers) -> None:
    assert not behaviour.p8(saying(perfect, always(Direction.NONE))).passed


def test_p9_fails_who_changes_side_with_the_theme(perfect: Answers) -> None:
    def by_theme(each: Asked) -> Direction:
        return Direction.SHORT if each.item.variant == "dark" else each.direction

    assert not behaviour.p9(saying(perfect, by_theme, Group.INVARIANCE)).passed


def test_p9_measures_shifts_of_the_stop(perfect: Answers) -> None:
    moved = [
        replace(each, answer=replace(each.answer, stop=each.answer.stop - each.facts.atr))
        if each.item.group is Group.INVARIANCE
        and each.answer is not None
        and each.facts is not None
        and each.answer.stop is not None
        else each
        for each in perfect
    ]
    assert not behaviour.p9(moved).passed


def test_p10_needs_an_effect_of_the_bars(perfect: Answers) -> None:
    assert not behaviour.p10(saying(perfect, always(Direction.LONG))).passed

    def wrong_sign(each: Asked) -> Direction:
        return Direction.SHORT if each.item.variant == "bullish" else Direction.LONG

    result = behaviour.p10(saying(perfect, wrong_sign, Group.EVIDENCE))
    assert not result.passed
    assert result.value == -1.0


def test_p10_says_who_follows_the_past_trend(perfect: Answers) -> None:
    def trend(each: Asked) -> Direction:
        assert each.item.spec is not None
        return Direction.LONG if each.item.spec.drift_t > 0 else Direction.SHORT

    assert "past trend +1.00" in behaviour.p10(saying(perfect, trend, Group.EVIDENCE)).text


def test_p11_wants_restraint(perfect: Answers) -> None:
    assert not behaviour.p11(saying(perfect, always(Direction.LONG), Group.NULL)).passed


def test_p12_gives_no_merit_for_what_code_refuses(perfect: Answers) -> None:
    def bold(each: Asked) -> dict[str, Any]:
        return {"direction": "long", "legible": "all", "conflict": "none"}

    result = behaviour.p12(changed(perfect, bold, Group.CONTROL))
    assert not result.passed
    assert "blank picture flagged 0.0 %; wrong picture flagged 100.0 %" in result.text


@pytest.mark.parametrize(
    ("fields", "problem", "expected"),
    [
        ({"direction": "none"}, "", True),
        ({"direction": "long", "conflict": "image_vs_table", "legible": "all"}, "", True),
        ({"direction": "long", "conflict": "none", "legible": "partly"}, "", True),
        ({"direction": "long", "conflict": "none", "legible": "all"}, "chart_id", False),
        ({}, "not_json", False),
        (None, FailureCode.REFUSED, True),
        (None, FailureCode.TIMEOUT, False),
    ],
)
def test_what_counts_as_admitting(
    perfect: Answers, fields: dict[str, Any] | None, problem: str, expected: bool
) -> None:
    control = next(each for each in perfect if each.item.control is Control.BLANK)
    assert behaviour.admits(replace(control, fields=fields, problem=problem)) is expected


def test_p13_wants_the_same_answer_again(perfect: Answers) -> None:
    sides = (Direction.LONG, Direction.SHORT, Direction.NONE)

    def whim(each: Asked) -> Direction:
        return sides[int(each.item.variant.removeprefix("repeat")) % 3]

    assert not behaviour.p13(saying(perfect, whim, Group.STABILITY)).passed


def probes(perfect: Answers, hits: int, count: int) -> list[Asked]:
    card = next(each for each in perfect if each.item.group is Group.CARD)
    return [
        replace(
            card,
            item=replace(card.item, group=Group.RECALL, number=number),
            fields={"asset": "BTCUSDT" if number < hits else "ETHUSDT", "month": "2024-01"},
            expected=("BTCUSDT", "2024-02"),
        )
        for number in range(count)
    ]


def test_p14_fails_who_knows_the_markets(perfect: Answers) -> None:
    assert behaviour.p14(probes(perfect, 12, 60), assets=5).passed
    assert not behaviour.p14(probes(perfect, 30, 60), assets=5).passed


def legibility(perfect: Answers, from_size: int, scale: float = 1.0) -> PartResult:
    def reads(each: Asked) -> dict[str, Any]:
        numbers = list(each.expected)
        return {"numbers": numbers if each.item.size >= from_size else numbers[1:]}

    return behaviour.p15(changed(perfect, reads, Group.CARD), scale)


def test_p15_compares_the_floor_with_the_smallest_text(perfect: Answers) -> None:
    assert legibility(perfect, 12).passed
    assert not legibility(perfect, 14).passed
    assert legibility(perfect, 16, scale=4 / 3).passed
    assert not legibility(perfect, 30).passed
