"""What asking costs, by the rules that vendors state and by the server's own count."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis.choices import AnalystKind, ImageDetail, ImageFamily, ReasoningEffort
from analysis.cost import (
    FRAME_TOKENS,
    PRESCREEN_SHARE,
    cost_of,
    daily_estimate,
    expected_cost,
    image_tokens,
    most_cost,
    request_tokens,
    schema_tokens,
)
from analysis.domain import Usage
from analysis.models import AnalystProfile
from analysis.prompts.rendering import RenderedPrompt

HOUR = timedelta(hours=1)


def profile(**changes: Any) -> AnalystProfile:
    values: dict[str, Any] = {
        "kind": AnalystKind.OPENAI,
        "model": "reader-1",
        "input_price": Decimal("2.5"),
        "cached_input_price": Decimal("0.25"),
        "output_price": Decimal(15),
        "max_output_tokens": 6000,
        "prescreen": False,
    }
    return AnalystProfile(**(values | changes))


@pytest.mark.parametrize(
    ("model", "family", "size", "tokens"),
    [
        ("gpt-4o", ImageFamily.TILE, None, 1105),
        ("gpt-4.1", ImageFamily.TILE, (512, 512), 255),
        ("gpt-4.1", ImageFamily.TILE, (1024, 768), 765),
        ("gpt-4o", ImageFamily.TILE, (1536, 1024), 1105),
        ("gpt-4o", ImageFamily.TILE, (4096, 512), 85 + 4 * 170),
        ("gpt-5.1", ImageFamily.TILE, None, 910),
        ("o3", ImageFamily.TILE, None, 975),
        ("gpt-4o-mini", ImageFamily.TILE, None, 36835),
        ("gpt-5.6", ImageFamily.PATCH, None, 1844),
        ("gpt-5.6", ImageFamily.PATCH, (1152, 768), 1037),
        ("gpt-4.1-mini", ImageFamily.PATCH, None, 2489),
        ("gpt-5-nano", ImageFamily.PATCH, None, 3779),
        ("o4-mini", ImageFamily.PATCH, None, 2642),
        ("gpt-5.6", ImageFamily.PATCH, (4000, 4000), 3000),
    ],
)
def test_a_picture_is_counted_by_the_rules_of_its_family(
    model: str, family: ImageFamily, size: tuple[int, int] | None, tokens: int
) -> None:
    assert image_tokens(profile(model=model, image_family=family), size) == tokens


def test_low_detail_is_one_view_of_tiles() -> None:
    assert image_tokens(profile(image_detail=ImageDetail.LOW)) == 85


def test_original_detail_is_not_shrunk() -> None:
    whole = profile(image_family=ImageFamily.PATCH, image_detail=ImageDetail.ORIGINAL)
    assert image_tokens(whole, (3200, 3200)) == 12000


def test_what_was_measured_stands_above_the_rule() -> None:
    measured = profile(image_tokens=1500)
    assert image_tokens(measured) == 1500
    assert image_tokens(measured, (512, 512)) == 1500
    assert image_tokens(profile(image_tokens=100), (512, 512)) == 255


def test_the_most_counts_the_whole_allowance_and_nothing_as_cached() -> None:
    text = -(-(1000 + schema_tokens() + FRAME_TOKENS) * 5 // 4)
    dollars = ((text + 2 * 1105) * Decimal("2.5") + 6000 * 15) / 1_000_000
    most = most_cost(profile(), 1000, images=2)
    assert dollars <= most < dollars + Decimal("0.0000001")


def test_more_of_anything_never_costs_less() -> None:
    one = most_cost(profile(), 1000)
    assert most_cost(profile(), 1001) >= one
    assert most_cost(profile(), 1000, images=2) > one
    assert most_cost(profile(max_output_tokens=6001), 1000) > one
    assert most_cost(profile(), 1000, size=(3000, 800)) > one


def test_the_most_covers_what_a_long_answer_costs() -> None:
    asked = profile()
    used = Usage(1000 + schema_tokens() + FRAME_TOKENS + 1105, 0, 6000, 5000)
    assert cost_of(asked, used) <= most_cost(asked, 1000)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(1_000_000, 0, 0, 0), "2.5"),
        (Usage(1_000_000, 400_000, 0, 0), "1.6"),
        (Usage(0, 0, 1_000_000, 900_000), "15"),
        # Counted apart, so both are paid.
        (Usage(0, 0, 100_000, 900_000), "15"),
        # More cached than sent is a server's mistake; it may not pay us back.
        (Usage(100, 5_000_000, 0, 0), "0.000025"),
        (Usage(1, 0, 1, 0), "0.0000175"),
    ],
)
def test_a_call_costs_what_its_usage_says(usage: Usage, dollars: str) -> None:
    assert cost_of(profile(), usage) == Decimal(dollars)


def test_a_fraction_of_the_last_place_is_rounded_up() -> None:
    tiny = profile(input_price=Decimal("0.001"), cached_input_price=Decimal(0))
    assert cost_of(tiny, Usage(1, 0, 0, 0)) == Decimal("0.00000001")


def test_without_a_price_cached_input_costs_as_much_as_any() -> None:
    plain = profile(cached_input_price=Decimal(0))
    assert cost_of(plain, Usage(1_000_000, 1_000_000, 0, 0)) == Decimal("2.5")


def test_a_day_is_looks_times_calls_times_tries() -> None:
    each = expected_cost(profile(), 2000)
    day = daily_estimate(profile(), symbols=10, timeframe=HOUR, prompt_tokens=2000)
    assert day - Decimal("0.01") < 240 * each * Decimal("1.05") <= day


@pytest.mark.parametrize(("copies", "calls"), [(0, 1), (1, 1), (2, 2), (6, Decimal("2.5"))])
def test_copies_and_prescreen_change_a_day(copies: int, calls: Decimal) -> None:
    plain = daily_estimate(profile(), symbols=50, timeframe=HOUR, prompt_tokens=2000)
    changed = profile(copies=copies, prescreen=True)
    day = daily_estimate(changed, symbols=50, timeframe=HOUR, prompt_tokens=2000)
    assert day == pytest.approx(plain * calls * PRESCREEN_SHARE, abs=Decimal("0.02"))


@pytest.mark.parametrize("copies", range(7))
def test_every_number_of_copies_has_an_estimate(copies: int) -> None:
    asked = profile(copies=copies)
    assert daily_estimate(asked, symbols=1, timeframe=HOUR, prompt_tokens=0) > 0


def test_thinking_costs_and_is_bounded_by_the_allowance() -> None:
    hard = profile(reasoning_effort=ReasoningEffort.HIGH)
    bounded = profile(reasoning_effort=ReasoningEffort.HIGH, max_output_tokens=1500)
    assert expected_cost(hard, 0) > expected_cost(profile(), 0)
    assert expected_cost(bounded, 0) == expected_cost(profile(), 0)


def test_a_request_is_shown_with_all_it_holds() -> None:
    rendered = RenderedPrompt(system="", user="", tokens=2000)
    assert request_tokens(profile(), rendered) == 2000 + schema_tokens() + FRAME_TOKENS + 1105


def test_a_picture_measured_at_nothing_is_counted_by_the_rule() -> None:
    assert image_tokens(profile(image_tokens=0)) == image_tokens(profile()) > 0
    assert most_cost(profile(image_tokens=0), 1000) == most_cost(profile(), 1000)
