"""The numbers beside the picture: exact, in index units, and silent about the read-back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from analysis.chart import render
from analysis.chart_secrets import TABLE_BARS
from analysis.domain import AnalysisInput, ChartFacts, Level
from analysis.prompts.numbers import READ_IT, numbers_table
from tests.analysis.candle_makers import instrument, random_window

SEEDS = range(40)


def given(seed: int = 1, **options: Any) -> AnalysisInput:
    return AnalysisInput("TESTUSDT", "1h", instrument(), random_window(seed, **options))


def sections(table: str) -> list[list[list[str]]]:
    return [[line.split("|") for line in part.split("\n")] for part in table.split("\n\n")]


def test_the_bars_run_from_oldest_to_newest_and_say_so() -> None:
    asked = given()
    facts = render(asked).facts
    header, *rows = sections(numbers_table(asked, facts))[0]
    assert header == ["bar", "open", "high", "low", "close", "volume", "order"]
    assert [row[0] for row in rows] == [str(bar) for bar in range(1 - TABLE_BARS, 1)]
    assert [row[-1] for row in rows if row[-1]] == ["oldest of these", "newest, last closed"]
    assert rows[0][-1] == "oldest of these"
    assert rows[-1][4] == str(facts.last_close)


@pytest.mark.parametrize("price", [0.00001234, 1.0, 97_431.5])
def test_numbers_are_index_units_as_drawn(price: float) -> None:
    asked = given(3, price=price, digits=9)
    facts = render(asked).facts
    rows = sections(numbers_table(asked, facts))[0][1:]
    opens = asked.window.open[-TABLE_BARS:] * float(facts.factor)
    assert [float(row[1]) for row in rows] == pytest.approx(opens, abs=0.006)
    assert all(len(cell.replace(".", "")) <= 5 for row in rows for cell in row[1:5])


def test_volume_tells_nothing_about_the_market() -> None:
    asked = given()
    times_a_thousand = replace(
        asked, window=replace(asked.window, volume=asked.window.volume * 1000)
    )
    facts = render(asked).facts
    assert numbers_table(asked, facts) == numbers_table(times_a_thousand, facts)


def test_a_market_without_volume_says_unknown() -> None:
    asked = given()
    silent = replace(asked, window=replace(asked.window, volume=np.zeros(len(asked.window))))
    table = sections(numbers_table(silent, render(silent).facts))
    assert {row[5] for row in table[0][1:]} == {"unknown"}
    assert ["volume / mean of 20 bars before", "unknown"] in table[1]


def test_indicators_and_costs() -> None:
    asked = given()
    facts = replace(render(asked).facts, atr=Decimal("1.234567"), last_close=Decimal("100.00"))
    values = dict(sections(numbers_table(asked, facts))[1])
    assert values["ATR14"] == "1.2346"
    # Twice 0.055 % of 100 over an ATR of 1.2346.
    assert values["round-trip fee in ATR"] == "0.09"
    assert {"EMA20", "EMA50", "RSI14"} <= set(values)


def test_levels_have_prices_and_touches() -> None:
    asked = given()
    facts = replace(
        render(asked).facts, levels=(Level("R1", Decimal("123.4567"), 3),), high_bars=(-40,)
    )
    assert sections(numbers_table(asked, facts))[2] == [
        ["level", "price", "touches"],
        ["R1", "123.46", "3"],
    ]


def withheld(facts: ChartFacts) -> list[str]:
    """Visible extremes that no bar of the table shows."""
    extremes = ((facts.visible_high, facts.high_bars), (facts.visible_low, facts.low_bars))
    return [f"{price:.2f}" for price, bars in extremes if max(bars) <= -TABLE_BARS]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_has_to_be_read_from_the_picture_cannot_be_copied(seed: int) -> None:
    asked = given(seed)
    facts = render(asked).facts
    table = numbers_table(asked, facts)
    cells = {cell for section in sections(table) for row in section for cell in row}
    hidden = [facts.chart_id, *withheld(facts), *(f"{price:.2f}" for price in facts.markers)]
    # The newest close is drawn and tabled alike, so it proves nothing and may be met by chance.
    assert not cells & (set(hidden) - {str(facts.last_close)})
    assert facts.chart_id not in table
    assert "high_bar" not in table


@pytest.mark.parametrize("seed", SEEDS)
def test_the_text_does_not_change_with_what_is_withheld(seed: int) -> None:
    asked = given(seed)
    facts = render(asked).facts
    others = replace(
        facts,
        chart_id="AAAA",
        markers=(facts.markers[1], facts.markers[0]),
        newest_hollow=not facts.newest_hollow,
    )
    assert numbers_table(asked, others) == numbers_table(asked, facts)


def test_a_level_at_an_extreme_has_to_be_read() -> None:
    asked = given()
    edge = render(asked).facts
    facts = replace(
        edge, levels=(Level("R1", edge.visible_high, 1),), high_bars=(-50,), low_bars=(-60,)
    )
    assert ["R1", READ_IT, "1"] in sections(numbers_table(asked, facts))[2]
    in_the_table = replace(facts, high_bars=(-50, -3))
    assert ["R1", f"{edge.visible_high:.2f}", "1"] in sections(numbers_table(asked, in_the_table))[
        2
    ]
