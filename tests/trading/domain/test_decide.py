"""Decisions of a cycle: the first rule that says no, the rank, and limits kept together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from analysis.domain import Direction
from tests.trading.domain.made import (
    HOUR,
    MINUTE,
    NOW,
    exposure,
    instrument,
    portfolio,
    reading,
    settings,
    short_reading,
    stop_out,
    verdict_of,
)
from trading.choices import RiskProfile, TradingStateName
from trading.domain.pipeline import Decision, decide
from trading.domain.portfolio import PastSignal, Portfolio
from trading.domain.settings import BotSettings
from trading.domain.signal import Reading

LONG, SHORT, NONE = Direction.LONG, Direction.SHORT, Direction.NONE
SYMBOLS = ("AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT", "FUSDT", "GUSDT")
COARSE = instrument(tick_size=Decimal(1))


def decided(
    *readings: Reading, held: Portfolio | None = None, bot: BotSettings | None = None
) -> tuple[Decision, ...]:
    return decide(readings, held or portfolio(), bot or settings(), NOW)


def test_a_good_signal_is_accepted_sized_and_ranked() -> None:
    (decision,) = decided(reading())
    assert decision.accepted
    assert (decision.rule, decision.rank) == ("", 1)
    assert decision.sizing is not None
    assert decision.sizing.qty == Decimal("12.025")


def test_an_accepted_signal_shows_every_rule_once_and_its_text() -> None:
    (decision,) = decided(reading())
    assert [verdict.rule for verdict in decision.verdicts] == [
        "none",
        "prices_ordered",
        "ungrounded",
        "agreement",
        "confidence",
        "rr_net",
        "stop_distance",
        "entry_distance",
        "breakout_entry",
        "similar_signal",
        "analysis_age",
        "data_gap",
        "trading_state",
        "bot_state",
        "health",
        "slots",
        "entries_per_day",
        "drawdown",
        "consecutive_losses",
        "occupied",
        "group",
        "blackout",
        "cooldown",
        "same_direction",
        "same_side_cooldown",
        "spread",
        "turnover",
        "listing_age",
        "symbol_status",
        "funding_rate",
        "shock",
        "btc_move",
        "spread_of_stop",
        "funding_due",
        "size_minimum",
        "size_caps",
        "loss_at_stop",
        "liquidation_distance",
        "turnover_share",
        "open_risk",
        "same_direction_risk",
        "position_notional",
        "gross_exposure",
        "daily_loss",
        "weekly_loss",
    ]
    assert all(verdict.text.endswith(".") for verdict in decision.verdicts)


@pytest.mark.parametrize(
    ("read", "held", "rule"),
    [
        (reading(direction=NONE, entry=None, stop=None, target=None), {}, "none"),
        (reading(stop=101), {}, "prices_ordered"),
        (reading(target=None), {}, "prices_ordered"),
        (reading(entry="100.9", stop="100.2", last=101, rules=COARSE), {}, "prices_ordered"),
        (reading(setup="0.1"), {}, "confidence"),
        (reading(target="106.3", setup="1", environment="1"), {}, "rr_net"),
        (reading(stop="98.1"), {}, "stop_distance"),
        (reading(atr=0, last=100), {}, "stop_band"),
        (reading(last="101.1"), {}, "entry_distance"),
        (reading(last="99.7"), {}, "breakout_entry"),
        (
            reading(),
            {"past_signals": (PastSignal("BTCUSDT", LONG, Decimal(100), NOW, "executed"),)},
            "similar_signal",
        ),
        (reading(candle_time=NOW - 61 * MINUTE), {}, "analysis_age"),
        (reading(gap_free=False), {}, "data_gap"),
        (reading(), {"trading_state": TradingStateName.REDUCING}, "trading_state"),
        (reading(), {"doubts": ("an order is unknown",)}, "health"),
        (reading(), {"waiting": tuple(exposure(name) for name in SYMBOLS[:3])}, "slots"),
        (reading(), {"entries_today": 6}, "entries_per_day"),
        (reading(), {"day_start_equity": Decimal(10300)}, "daily_loss"),
        (reading(), {"external_symbols": frozenset({"BTCUSDT"})}, "occupied"),
        (reading(), {"stop_outs": (stop_out(HOUR, direction=SHORT),)}, "cooldown"),
        (reading(), {"exposures": tuple(exposure(n) for n in SYMBOLS[:2])}, "same_direction"),
        (reading(), {"stop_outs": (stop_out(5 * HOUR),)}, "same_side_cooldown"),
        (reading(), {"wallet": 20}, "size_minimum"),
        (
            reading(),
            {"exposures": (exposure(direction=SHORT, qty=30, stop=105),)},
            "open_risk",
        ),
        (reading(), {"exposures": (exposure(qty=20),)}, "same_direction_risk"),
        # 120 are lost already, 40 at the stop of the short, 50 at the new one.
        (
            reading(),
            {
                "day_start_equity": Decimal(10120),
                "exposures": (exposure(direction=SHORT, qty=8, stop=105),),
            },
            "daily_loss",
        ),
    ],
)
def test_the_first_rule_that_says_no(read: Reading, held: dict[str, Any], rule: str) -> None:
    (decision,) = decided(read, held=portfolio(**held))
    assert not decision.accepted
    assert decision.rule == rule


def test_liquidation_too_near_is_refused() -> None:
    bot = settings(max_leverage=Decimal(10), max_slots=1000)
    (decision,) = decided(reading(stop="95.5"), bot=bot)
    assert decision.rule == "liquidation_distance"


def test_one_symbol_that_can_not_be_judged_leaves_the_others_alone() -> None:
    dead, alive = decided(reading("AUSDT", atr=0, last=100), reading("BUSDT"))
    assert dead.rule == "stop_band"
    assert alive.accepted


def test_rank_is_by_confidence_then_reward_then_symbol() -> None:
    bot = settings(RiskProfile.CLASSIC, risk_per_trade=Decimal("0.005"), max_same_direction=5)
    decisions = decided(
        # Both offer more than 3, so that only the reward itself differs.
        reading("CUSDT", target=114),
        reading("DUSDT", target=116),
        reading("BUSDT", setup="0.7", target=114),
        reading("AUSDT", setup="0.7", target=114),
        reading("EUSDT", setup="0.9"),
        bot=bot,
    )
    assert {item.symbol: item.rank for item in decisions} == {
        "EUSDT": 1,
        "DUSDT": 2,
        "CUSDT": 3,
        "AUSDT": 4,
        "BUSDT": 5,
    }


def test_decisions_come_in_the_order_of_the_readings() -> None:
    decisions = decided(reading("CUSDT", setup="0.1"), reading("AUSDT"), reading("BUSDT"))
    assert [item.symbol for item in decisions] == ["CUSDT", "AUSDT", "BUSDT"]


def test_the_best_take_the_slots_of_their_direction() -> None:
    longs = [reading(name, setup=f"0.{9 - i}") for i, name in enumerate(SYMBOLS[:3])]
    first, second, third, short = decided(*longs, short_reading("ZUSDT", setup="0.5"))
    assert (first.rank, second.rank, short.rank) == (1, 2, 3)
    assert third.rule == "same_direction"


def test_the_first_counts_as_held_when_the_second_is_sized() -> None:
    bot = settings(risk_per_trade=Decimal("0.01"), max_same_direction_risk=Decimal("0.04"))
    # 75 of 150 are left to the second by gross exposure; open risk has room for one and a half.
    first, second, third = decided(
        *(reading(name, stop="98.9", atr=1, last="100.3") for name in SYMBOLS[:3]),
        bot=replace(bot, limits=replace(bot.limits, max_same_direction=3)),
    )
    assert first.sizing is not None
    assert first.sizing.qty == 75
    assert second.sizing is not None
    assert second.sizing.qty == 75
    assert second.accepted
    assert third.rule == "size_minimum"
    assert third.sizing is not None
    assert third.sizing.qty == 0


def test_a_symbol_gets_one_signal() -> None:
    better, worse = decided(reading(setup="0.9"), reading(setup="0.8"))
    assert better.accepted
    assert worse.rule == "occupied"


def test_nothing_read_is_nothing_decided() -> None:
    assert decided() == ()


@st.composite
def markets(draw: st.DrawFn) -> list[Reading]:
    """Readings of several symbols, most of them good."""
    found = []
    for name in draw(st.permutations(SYMBOLS)):
        make = draw(st.sampled_from([reading, short_reading]))
        sign = 1 if make is reading else -1
        risk = draw(st.sampled_from(["2", "2.3", "4", "6"]))
        found.append(
            make(
                name,
                stop=100 - sign * Decimal(risk),
                target=100 + sign * Decimal(draw(st.integers(4, 30))),
                setup=draw(st.decimals("0.3", 1, places=2)),
            )
        )
    return found


@st.composite
def accounts(draw: st.DrawFn) -> Portfolio:
    """An account of any size that holds a position or two and has had a day."""
    wallet = draw(st.decimals(20, 200_000, places=2))
    held = tuple(
        exposure(
            name,
            direction=direction,
            qty=wallet * draw(st.decimals(0, "0.004", places=4)),
            stop=100 - direction.sign * draw(st.integers(-2, 4)),
            margin=wallet / 20,
            working=draw(st.booleans()),
        )
        for name, direction in draw(
            st.lists(
                st.tuples(st.sampled_from(["XUSDT", "YUSDT"]), st.sampled_from([LONG, SHORT])),
                max_size=2,
                unique_by=lambda pair: pair[0],
            )
        )
    )
    return portfolio(
        wallet=wallet,
        equity=wallet * draw(st.decimals("0.8", "1.1", places=2)),
        day_start_equity=wallet * draw(st.decimals("0.97", "1.03", places=3)),
        entries_today=draw(st.integers(0, 6)),
        exposures=held,
    )


@given(markets(), accounts(), st.sampled_from(RiskProfile), st.decimals("0.001", "0.03", places=3))
@effort(max_examples=60)
def test_accepted_signals_keep_every_limit_together(
    market: list[Reading], account: Portfolio, profile: RiskProfile, share: Decimal
) -> None:
    bot = settings(profile, risk_per_trade=share)
    decisions = decide(market, account, bot, NOW)
    accepted = [item for item in decisions if item.accepted]
    after = account
    for item in accepted:
        assert item.sizing is not None
        assert item.proposal is not None
        assert item.sizing.risk_amount <= account.wallet * share * Decimal("1.01")
        after = after.with_signal(item.sizing.exposure(item.proposal, bot, Decimal("0.00055")))
    assert all(item.accepted or item.rule for item in decisions)
    assert sorted(item.rank for item in accepted if item.rank) == list(range(1, len(accepted) + 1))
    assert all(verdict.text for item in decisions for verdict in item.verdicts)
    if not accepted:
        return
    limits, equity = bot.limits, account.equity
    assert after.slots_used <= limits.max_slots
    assert after.entries_today <= limits.max_entries_per_day
    assert after.open_risk <= limits.max_open_risk * equity
    assert after.gross_notional <= limits.max_gross_exposure * equity
    assert after.free_margin >= 0
    worst = after.worst_day_result(Decimal(0))
    assert worst >= -limits.max_daily_loss * account.day_start_equity
    for direction in {item.proposal.direction for item in accepted if item.proposal}:
        assert after.same_direction(direction) <= limits.max_same_direction
        side_risk = after.direction_risk(direction)
        assert side_risk <= limits.max_same_direction_risk * equity


@given(markets(), st.randoms(use_true_random=False))
@effort(max_examples=25)
def test_the_order_of_the_readings_changes_nothing(market: list[Reading], random: Any) -> None:
    shuffled = random.sample(market, len(market))
    by_symbol = {item.symbol: item for item in decided(*market)}
    assert {item.symbol: item for item in decided(*shuffled)} == by_symbol


def test_a_later_hour_makes_the_analysis_too_old() -> None:
    (decision,) = decide([reading()], portfolio(), settings(), NOW + HOUR + timedelta(seconds=1))
    assert verdict_of(decision.verdicts, "analysis_age").passed is False
