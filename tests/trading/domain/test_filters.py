"""Market filters: each at, below and above its threshold, with its fact missing or never given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.domain import Direction
from exchange.domain import Ticker
from tests.trading.domain.made import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    dec,
    instrument,
    market_view,
    portfolio,
    proposal,
    quote,
    reading,
    settings,
    short_reading,
    verdict_of,
)
from trading.choices import RiskProfile
from trading.domain.filters import (
    FiltersInvalid,
    MarketFilters,
    MarketView,
    funding_cost,
    market_factors,
    signal_rules,
    size_rules,
    symbol_rules,
)
from trading.domain.pipeline import decide
from trading.domain.verdict import Verdict

LONG, SHORT = Direction.LONG, Direction.SHORT
BOT = settings()
Passed = bool | None


def ticker(**known: Any) -> Ticker:
    """100 M USDT traded in 24 h, listed for years, funding of 0.01 % in 4 hours."""
    facts = Ticker(
        symbol="BTCUSDT",
        time=NOW,
        last=dec(100),
        mark=None,
        turnover_24h=dec(100_000_000),
        funding_rate=dec("0.0001"),
        next_funding=NOW + 4 * HOUR,
        listed_at=datetime(2020, 3, 1, tzinfo=UTC),
    )
    return replace(facts, **known)


def asked(rule: str, view: MarketView) -> Verdict:
    return verdict_of(symbol_rules(view, BOT), rule)


def asked_of_signal(
    rule: str, view: MarketView, direction: Direction = LONG, stop: str = "4"
) -> Verdict:
    return verdict_of(signal_rules(direction, dec(stop), view, BOT), rule)


@pytest.mark.parametrize(("spread", "passed"), [("0.049", True), ("0.05", True), ("0.051", False)])
def test_the_spread_is_at_most_five_hundredths_of_a_percent(spread: str, passed: bool) -> None:
    view = market_view(gives_spread=True, quote=quote(100, spread))
    assert asked("spread", view).passed is passed


@pytest.mark.parametrize(
    ("stop", "passed"), [("1.01", True), ("1", True), ("0.99", False), ("0", False)]
)
def test_the_spread_is_at_most_a_twentieth_of_the_way_to_the_stop(stop: str, passed: bool) -> None:
    view = market_view(gives_spread=True, quote=quote(100, "0.05"))
    assert asked_of_signal("spread_of_stop", view, stop=stop).passed is passed


@pytest.mark.parametrize(
    ("turnover", "passed"), [("49_999_999", False), ("50_000_000", True), ("50_000_001", True)]
)
def test_fifty_million_a_day_are_traded(turnover: str, passed: bool) -> None:
    view = market_view(gives_turnover=True, ticker=ticker(turnover_24h=dec(turnover)))
    assert asked("turnover", view).passed is passed


@pytest.mark.parametrize(
    ("age", "passed"), [(90 * DAY, True), (90 * DAY - MINUTE, False), (91 * DAY, True)]
)
def test_a_symbol_is_listed_for_ninety_days(age: timedelta, passed: bool) -> None:
    view = market_view(gives_listing=True, ticker=ticker(listed_at=NOW - age))
    assert asked("listing_age", view).passed is passed


def test_a_symbol_trades_and_is_not_announced_for_delisting() -> None:
    closed = market_view(instrument=instrument(tradable=False))
    leaving = market_view(instrument=instrument(delisting_at=NOW + 30 * DAY))
    assert asked("symbol_status", market_view()).passed is True
    assert asked("symbol_status", closed).value == "closed"
    assert asked("symbol_status", leaving).passed is False
    assert "2024-06-07 12:00" in asked("symbol_status", leaving).text
    assert asked("symbol_status", market_view(instrument=None)).value == "missing"


@pytest.mark.parametrize(
    ("rate", "passed"),
    [("0.00149", True), ("0.0015", False), ("-0.0015", False), ("-0.00149", True)],
)
def test_extreme_funding_turns_the_symbol_off_for_both_sides(rate: str, passed: bool) -> None:
    view = market_view(gives_funding=True, ticker=ticker(funding_rate=dec(rate)))
    assert asked("funding_rate", view).passed is passed


@pytest.mark.parametrize(
    ("direction", "rate", "minutes", "passed"),
    [
        (LONG, "0.0005", 10, False),
        (LONG, "0.0005", 11, True),
        (LONG, "0.00049", 1, True),
        (LONG, "-0.001", 1, True),
        (SHORT, "-0.0005", 10, False),
        (SHORT, "-0.0005", 11, True),
        (SHORT, "0.001", 1, True),
        (LONG, "0.0005", -1, False),
    ],
)
def test_nothing_is_entered_right_before_a_funding_we_would_pay(
    direction: Direction, rate: str, minutes: int, passed: bool
) -> None:
    next_funding = NOW + minutes * MINUTE
    told = ticker(funding_rate=dec(rate), next_funding=next_funding)
    view = market_view(gives_funding=True, ticker=told)
    assert asked_of_signal("funding_due", view, direction).passed is passed


@pytest.mark.parametrize(
    ("sizes", "passed", "factor"),
    [
        (("1", "1", "1", "2.5"), True, None),
        (("1", "1", "1", "2.51"), False, "0.5"),
        (("1", "1", "2.51", "1"), False, "0.5"),
        (("1", "2.51", "1", "1"), True, "0.5"),
        (("2.51", "1", "1", "1"), True, "0.5"),
        (("3", "1", "1", "1", "1"), True, None),
        (("9", "1", "1", "2.6"), False, "0.5"),
    ],
)
def test_a_shock_stops_entries_for_two_bars_and_halves_the_size_for_four(
    sizes: tuple[str, ...], passed: bool, factor: str | None
) -> None:
    view = market_view(bar_sizes=tuple(map(dec, sizes)))
    found = market_factors(view, BOT)
    assert asked("shock", view).passed is passed
    assert [str(one.value) for one in found] == ([factor] if factor else [])


@pytest.mark.parametrize(("move", "passed"), [("0.0149", True), ("0.015", False), ("0.02", False)])
def test_a_move_of_bitcoin_stops_entries_in_every_symbol(move: str, passed: bool) -> None:
    view = market_view("DOGEUSDT", gives_btc=True, btc_move=dec(move))
    assert asked("btc_move", view).passed is passed


@pytest.mark.parametrize(("notional", "passed"), [("4999", True), ("5000", True), ("5001", False)])
def test_a_position_is_small_beside_what_is_traded_in_an_hour(notional: str, passed: bool) -> None:
    view = market_view(gives_turnover=True, hourly_turnover=dec(1_000_000))
    assert verdict_of(size_rules(dec(notional), view, BOT), "turnover_share").passed is passed


def test_a_market_where_nothing_was_traded_takes_no_position() -> None:
    view = market_view(gives_turnover=True, hourly_turnover=dec(0))
    assert verdict_of(size_rules(dec(10), view, BOT), "turnover_share").passed is False


def all_rules(view: MarketView) -> dict[str, Verdict]:
    found = (
        *symbol_rules(view, BOT),
        *signal_rules(LONG, dec(4), view, BOT),
        *size_rules(dec(100), view, BOT),
    )
    return {verdict.rule: verdict for verdict in found}


MARKET_FACTS = {
    "spread",
    "spread_of_stop",
    "turnover",
    "turnover_share",
    "listing_age",
    "funding_rate",
    "funding_due",
    "btc_move",
}


def test_what_a_market_never_gives_is_not_applicable_and_says_so() -> None:
    found = all_rules(market_view())
    silent = {rule for rule, verdict in found.items() if verdict.passed is None}
    assert silent == MARKET_FACTS
    assert all(found[rule].text.startswith("Not applicable: ") for rule in silent)


def test_a_market_without_candles_has_no_shocks() -> None:
    facts = replace(market_view().facts, candles=False)
    found = all_rules(market_view(facts=facts, bar_sizes=None))
    assert found["shock"].passed is None


def test_what_a_market_gives_and_is_missing_now_fails_the_symbol() -> None:
    gives: dict[str, Any] = {
        f"gives_{name}": True for name in ("spread", "turnover", "funding", "listing", "btc")
    }
    found = all_rules(market_view(**gives, instrument=None, bar_sizes=None))
    missing = {rule for rule, verdict in found.items() if verdict.value == "missing"}
    assert missing == {*MARKET_FACTS, "shock", "symbol_status"}
    assert not any(verdict.passed for verdict in found.values())


@pytest.mark.parametrize("field", ["turnover_24h", "listed_at", "funding_rate", "next_funding"])
def test_a_ticker_that_lacks_one_fact_fails_the_rules_that_ask_for_it(field: str) -> None:
    gives: dict[str, Any] = {f"gives_{name}": True for name in ("turnover", "funding", "listing")}
    lacking = ticker(**{field: None})
    view = market_view(**gives, ticker=lacking, hourly_turnover=dec(10**7))
    assert any(verdict.value == "missing" for verdict in all_rules(view).values())


def test_a_filter_that_says_no_rejects_the_signal_with_its_name() -> None:
    wide = market_view(gives_spread=True, quote=quote(100, "0.2"))
    (decision,) = decide([reading(view=wide)], portfolio(), BOT, NOW)
    assert decision.rule == "spread"


def test_a_position_too_large_for_the_market_is_rejected_once_its_size_is_known() -> None:
    thin = market_view(gives_turnover=True, ticker=ticker(), hourly_turnover=dec(1000))
    (decision,) = decide([reading(view=thin)], portfolio(), BOT, NOW)
    assert decision.sizing is not None
    assert decision.rule == "turnover_share"


def test_a_shock_halves_the_risk_and_the_words_say_why() -> None:
    calm, shaken = (
        decide([reading(view=market_view(bar_sizes=sizes))], portfolio(), BOT, NOW)[0].sizing
        for sizes in ((dec(1),) * 4, (dec(3), dec(1), dec(1), dec(1)))
    )
    assert calm is not None
    assert shaken is not None
    assert shaken.risk_amount == pytest.approx(calm.risk_amount / 2, abs=Decimal("0.01"))
    assert "0.5 (3 bars after a shock)" in shaken.words[0]


@pytest.mark.parametrize(
    ("direction", "hours", "rate", "cost"),
    [
        (LONG, 1, "0.001", "0"),
        (LONG, 2, "0.001", "0.001"),
        (LONG, 9, "0.001", "0.001"),
        (LONG, 10, "0.001", "0.002"),
        (LONG, 27, "0.001", "0.004"),
        (LONG, 27, "-0.001", "0"),
        (SHORT, 27, "-0.001", "0.004"),
    ],
)
def test_funding_counts_as_often_as_it_falls_due_while_a_trade_lasts(
    direction: Direction, hours: int, rate: str, cost: str
) -> None:
    view = market_view(ticker=ticker(funding_rate=dec(rate), next_funding=NOW + 2 * HOUR))
    assert funding_cost(direction, view, hours * HOUR) == dec(cost)


def test_funding_that_is_not_known_costs_nothing() -> None:
    told = market_view(ticker=ticker())
    assert funding_cost(LONG, told, None) == 0
    assert funding_cost(LONG, market_view(), DAY) == 0
    assert funding_cost(LONG, market_view(ticker=ticker(funding_rate=None)), DAY) == 0


def test_reward_to_risk_counts_the_funding_that_falls_due() -> None:
    view = market_view(ticker=ticker(funding_rate=dec("0.001")))
    without = proposal(reading(view=view), BOT)
    held = proposal(reading(view=view), replace(BOT, median_hold=5 * HOUR))
    # (12 - 0.158 - 0.1) / (4 + 0.158 + 0.1); the size is that of the costs alone.
    assert without.rr_net == dec("2.8480")
    assert held.rr_net == dec("2.7576")
    assert held.unit_costs == without.unit_costs
    short = proposal(short_reading(view=view), replace(BOT, median_hold=5 * HOUR))
    assert short.rr_net == proposal(short_reading(view=view), BOT).rr_net


def test_stored_thresholds_stand_over_the_defaults() -> None:
    stored = {"max_spread": "0.001", "min_listed_days": 30, "btc_move_minutes": "10"}
    read = MarketFilters.from_json(stored)
    assert read == replace(
        MarketFilters(), max_spread=dec("0.001"), min_listed_days=30, btc_move_minutes=10
    )
    assert MarketFilters.from_json({}) == MarketFilters()
    assert MarketFilters().as_json() == {}


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ([], "names with values"),
        ({"max_spred": "1"}, "unknown market filters: max_spred"),
        ({"max_spread": "wide"}, "max_spread must be a number from 0 to 1, not 'wide'"),
        ({"max_spread": "1.1"}, "max_spread must be a number"),
        ({"max_spread": "NaN"}, "max_spread must be a number"),
        ({"max_spread": None}, "max_spread must be a number"),
        ({"max_spread": True}, "max_spread must be a number"),
        ({"min_listed_days": "1.5"}, "min_listed_days must be a whole number from 0 to 3650"),
        ({"shock_bars": -1}, "shock_bars must be a whole number"),
        ({"btc_move_minutes": 0}, "btc_move_minutes must be a whole number from 1"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused_by_name(stored: object, words: str) -> None:
    with pytest.raises(FiltersInvalid, match=words):
        MarketFilters.from_json(stored)


SHARES = st.decimals(0, 1, places=6)


@given(
    spread=SHARES,
    turnover=st.decimals(0, 10**12, places=2),
    days=st.integers(0, 3650),
    bars=st.integers(0, 100),
)
def test_stored_thresholds_read_back_as_they_were(
    spread: Decimal, turnover: Decimal, days: int, bars: int
) -> None:
    filters = MarketFilters(
        max_spread=spread, min_turnover_24h=turnover, min_listed_days=days, shock_bars=bars
    )
    assert MarketFilters.from_json(filters.as_json()) == filters


@given(
    rate=st.decimals("-0.01", "0.01", places=6),
    minutes=st.integers(-5, 480),
    spread=st.decimals("0.0001", 5, places=4),
    limit=SHARES,
)
def test_a_looser_threshold_never_refuses_what_a_tighter_one_lets_pass(
    rate: Decimal, minutes: int, spread: Decimal, limit: Decimal
) -> None:
    told = ticker(funding_rate=rate, next_funding=NOW + minutes * MINUTE)
    view = market_view(gives_spread=True, gives_funding=True, ticker=told, quote=quote(100, spread))
    tight = MarketFilters(max_spread=limit / 2, funding_to_pay=limit / 2, funding_off=limit / 2)
    loose = MarketFilters(max_spread=limit, funding_to_pay=limit, funding_off=limit)
    before, after = (
        {
            verdict.rule: verdict.passed
            for verdict in (
                *symbol_rules(view, replace(BOT, filters=filters)),
                *signal_rules(LONG, dec(4), view, replace(BOT, filters=filters)),
            )
        }
        for filters in (tight, loose)
    )
    assert all(after[rule] for rule, passed in before.items() if passed)


@given(sizes=st.lists(st.decimals(0, 10, places=2), min_size=4, max_size=30))
def test_a_size_is_halved_whenever_entries_have_just_been_off(sizes: list[Decimal]) -> None:
    view = market_view(bar_sizes=tuple(sizes))
    halved = bool(market_factors(view, settings(RiskProfile.CLASSIC)))
    recent = [size > dec("2.5") for size in sizes[::-1]]
    assert halved == any(recent[:4])
    assert asked("shock", view).passed is not any(recent[:2])
