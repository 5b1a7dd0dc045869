"""Guards: each at its limit and just beyond, with its numbers and its sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.domain import Direction
from tests.trading.domain.made import (
    HOUR,
    MINUTE,
    NOW,
    exposure,
    portfolio,
    reading,
    settings,
    sized,
    verdict_of,
)
from trading.choices import BotState
from trading.domain.caps import CAPS, cap_refusal, capped
from trading.domain.groups import groups_of
from trading.domain.guards import is_weekend, losing_streak
from trading.domain.pipeline import decide
from trading.domain.portfolio import PastTrade
from trading.domain.risk import account_factors, direction_rules, gate, money_rules
from trading.domain.settings import BotSettings, OwnLimits
from trading.domain.tighter import TighterInvalid, refuse_looser, tightened, tighter_of
from trading.domain.verdict import Verdict

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT


def asked(rule: str, bot: BotSettings | None = None, **held: Any) -> Verdict:
    return verdict_of(gate("BTCUSDT", portfolio(**held), bot or settings()), rule)


def past(
    net: str,
    ago: timedelta = HOUR,
    *,
    symbol: str = "BTCUSDT",
    bot_id: int = 0,
    stopped: bool = True,
) -> PastTrade:
    pnl = D(net)
    return PastTrade(symbol, LONG, bot_id, NOW - ago, pnl, pnl / 10_000, stopped)


# Loss of a week


@pytest.mark.parametrize(
    ("start", "transfers", "risk", "passed", "value"),
    [
        ("10000", "0", "400", True, "-4.00 %"),
        ("10000", "0", "400.01", False, "-4.00 %"),
        # A withdrawal of 2,000 since Monday is no loss, a deposit no gain.
        ("12000", "-2000", "480", True, "-4.00 %"),
        ("12000", "-2000", "480.01", False, "-4.00 %"),
        ("8000", "2000", "320", True, "-4.00 %"),
        ("8000", "2000", "320.01", False, "-4.00 %"),
        ("0", "0", "0", False, "–"),
    ],
)
def test_a_week_may_lose_four_percent_of_its_start(
    start: str, transfers: str, risk: str, passed: bool, value: str
) -> None:
    held = portfolio(week_start_equity=D(start), transfers_this_week=D(transfers))
    new = exposure("BTCUSDT", qty=1, price=D(risk) + 1, stop=1, working=True, exit_rate=0)
    verdict = verdict_of(money_rules(new, held, settings()), "weekly_loss")
    assert (verdict.passed, verdict.value, verdict.limit) == (passed, value, "-4.00 %")
    assert verdict.text.endswith(".")


def test_stops_and_working_entries_count_in_the_week() -> None:
    held: dict[str, Any] = {
        "exposures": (
            exposure("ETHUSDT", qty=10, stop=80, exit_rate=0),
            exposure("SOLUSDT", qty=10, stop=90, exit_rate=0, working=True),
        ),
        "waiting": (exposure("XRPUSDT", qty=10, stop=90, exit_rate=0, working=True),),
    }
    assert asked("weekly_loss", **held).value == "-4.00 %"
    assert asked("weekly_loss", **held).passed
    assert not asked("weekly_loss", wallet=9999, week_start_equity=D(10_000), **held).passed


def test_without_a_start_of_the_week_there_is_no_weekly_limit() -> None:
    assert asked("weekly_loss", week_start_equity=None).passed is None


@given(
    wallet=st.integers(1, 20_000),
    start=st.integers(1, 20_000),
    transfer=st.integers(-5000, 5000),
    risk=st.integers(0, 3000),
)
def test_a_transfer_shifts_wallet_and_account_alike(
    wallet: int, start: int, transfer: int, risk: int
) -> None:
    """Whatever a guard says, it says the same after money was moved."""
    new = exposure("BTCUSDT", qty=1, price=risk + 1, stop=1, working=True, exit_rate=0)
    before = portfolio(wallet=wallet, day_start_equity=D(start), week_start_equity=D(start))
    after = replace(
        before,
        wallet=before.wallet + transfer,
        transfers_today=D(transfer),
        transfers_this_week=D(transfer),
    )
    for rule in ("daily_loss", "weekly_loss"):
        told = [verdict_of(money_rules(new, held, settings()), rule) for held in (before, after)]
        assert told[0] == told[1]


# Drawdown


@pytest.mark.parametrize(("lost", "passed"), [("0.10", True), ("0.10001", False), ("0", True)])
def test_drawdown_is_limited(lost: str, passed: bool) -> None:
    verdict = asked("drawdown", drawdown=D(lost))
    assert (verdict.passed, verdict.limit) == (passed, "10.00 %")
    assert "below its peak" in verdict.text


# Losses in a row


@pytest.mark.parametrize(
    ("results", "count"),
    [
        ([], 0),
        (["-1"], 1),
        (["-1", "-1", "-1"], 3),
        (["-1", "1", "-1"], 1),
        # Nothing lost is no loss.
        (["-1", "-1", "0"], 0),
    ],
)
def test_losses_in_a_row_are_counted_back_to_the_last_trade_without(
    results: list[str], count: int
) -> None:
    trades = [past(net, (len(results) - n) * HOUR) for n, net in enumerate(results)]
    assert losing_streak(trades, NOW).count == count


def test_a_day_without_a_loss_makes_the_count_zero() -> None:
    row = [past("-1", 30 * HOUR + n * MINUTE) for n in (3, 2, 1)]
    assert losing_streak(row, NOW).count == 0
    # The next loss is the first of a new row, not the fourth.
    assert losing_streak([*row, past("-1", HOUR)], NOW).count == 1
    last = NOW - 24 * HOUR
    assert losing_streak([replace(row[0], closed_at=last)], NOW).count == 0
    assert losing_streak([replace(row[0], closed_at=last + MINUTE)], NOW).count == 1


def losses(count: int, **changes: Any) -> tuple[PastTrade, ...]:
    return tuple(past("-1", n * MINUTE, **changes) for n in range(count, 0, -1))


@pytest.mark.parametrize(("count", "factor"), [(3, []), (4, ["0.5"]), (5, ["0.5"]), (6, ["0.5"])])
def test_four_losses_in_a_row_halve_the_size(count: int, factor: list[str]) -> None:
    held = portfolio(past_trades=losses(count))
    assert [str(one.value) for one in account_factors("BTCUSDT", held, settings())] == factor
    assert asked("consecutive_losses", past_trades=losses(count)).passed is (count < 6)


def test_a_pause_names_its_end() -> None:
    verdict = asked("consecutive_losses", past_trades=losses(6))
    until = NOW - MINUTE + timedelta(hours=24)
    assert (verdict.value, verdict.limit) == ("6", "fewer than 6")
    assert f"until {until:%m-%d %H:%M} UTC" in verdict.text


def test_the_bot_s_own_row_counts_too() -> None:
    mine = losses(6, bot_id=7)
    won = past("5", 30 * timedelta(seconds=1), bot_id=8)
    held: dict[str, Any] = {"past_trades": (*mine, won), "bot_id": 7}
    assert asked("consecutive_losses", **held).passed is False
    assert "this bot" in asked("consecutive_losses", **held).text
    assert asked("consecutive_losses", past_trades=(*mine, won), bot_id=8).passed


def test_zero_switches_the_row_of_losses_off() -> None:
    bot = settings(half_size_losses=0, pause_losses=0)
    held = portfolio(past_trades=losses(20))
    assert account_factors("BTCUSDT", held, bot) == ()
    assert asked("consecutive_losses", bot, past_trades=losses(20)).passed


# Groups


def test_symbols_are_in_groups_unless_an_operator_says_otherwise() -> None:
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "1000PEPEUSDT", "XYZUSDT")
    usual = {"BTCUSDT": "majors", "ETHUSDT": "majors", "SOLUSDT": "L1", "1000PEPEUSDT": "meme"}
    assert groups_of(symbols) == usual
    # A group of that name takes the default's place; a symbol is in the group that lists it.
    assert groups_of(symbols, {"majors": ["BTCUSDT"], "mine": ["SOLUSDT", "XYZUSDT"]}) == {
        "BTCUSDT": "majors",
        "SOLUSDT": "mine",
        "1000PEPEUSDT": "meme",
        "XYZUSDT": "mine",
    }


def test_one_position_in_a_group() -> None:
    groups = groups_of(("BTCUSDT", "ETHUSDT", "SOLUSDT"))
    other: dict[str, Any] = {"exposures": (exposure("SOLUSDT"),), "groups": groups}
    same: dict[str, Any] = {"waiting": (exposure("ETHUSDT", working=True),), "groups": groups}
    assert asked("group", **other).passed
    verdict = asked("group", **same)
    assert (verdict.passed, verdict.value, verdict.limit) == (False, "1", "1")
    assert verdict.text == "majors: 1 of 1 taken (ETHUSDT)."
    assert asked("group", settings(max_per_group=2), **same).passed
    assert asked("group", settings(max_per_group=0), **same).passed
    assert asked("group", exposures=(exposure("ETHUSDT"),)).passed


def test_the_second_signal_of_a_group_is_left_out_in_the_same_cycle() -> None:
    held = portfolio(groups=groups_of(("BTCUSDT", "ETHUSDT")))
    decisions = decide([reading("BTCUSDT"), reading("ETHUSDT")], held, settings(), NOW)
    assert [one.rule for one in decisions] == ["", "group"]


# Weekend

FRIDAY = datetime(2024, 3, 1, 22, tzinfo=UTC)
SUNDAY = datetime(2024, 3, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "weekend"),
    [
        (FRIDAY - MINUTE, False),
        (FRIDAY, True),
        (FRIDAY + 24 * HOUR, True),
        (SUNDAY - MINUTE, True),
        (SUNDAY, False),
    ],
)
def test_the_weekend_is_from_friday_to_sunday_22_utc(moment: datetime, weekend: bool) -> None:
    assert is_weekend(moment) is weekend
    held = portfolio(time=moment, groups=groups_of(("BTCUSDT", "SOLUSDT")))
    assert account_factors("BTCUSDT", held, settings()) == ()
    halves = [one.rule for one in account_factors("SOLUSDT", held, settings())]
    assert halves == (["weekend"] if weekend else [])
    assert account_factors("SOLUSDT", held, settings(weekend_half_size=False)) == ()


def test_a_factor_halves_the_risk_of_a_trade() -> None:
    held = portfolio(past_trades=losses(4), groups=groups_of(("BTCUSDT",)))
    (decision,) = decide([reading()], held, settings(), NOW)
    assert decision.sizing is not None
    full = sized()
    assert abs(decision.sizing.risk_amount * 2 - full.risk_amount) < D("0.01")


# Bots


def test_a_paused_bot_enters_nothing() -> None:
    verdict = asked("bot_state", bot_state=BotState.PAUSED)
    assert (verdict.passed, verdict.value) == (False, "paused")


def test_a_bot_may_have_less_room_than_its_account() -> None:
    bot = replace(settings(), own=OwnLimits(1, 1, 2))
    mine = replace(exposure("SOLUSDT"), bot_id=7)
    other = replace(exposure("XRPUSDT"), bot_id=8)
    assert asked("bot_slots", bot, exposures=(other,), bot_id=7).passed
    assert asked("bot_slots", bot, exposures=(mine, other), bot_id=7).passed is False
    assert asked("bot_entries_per_day", bot, bot_entries_today=1).passed
    assert asked("bot_entries_per_day", bot, bot_entries_today=2).passed is False
    for held, passed in (((other,), True), ((mine,), False)):
        verdicts = direction_rules("BTCUSDT", LONG, portfolio(exposures=held, bot_id=7), bot)
        assert verdict_of(verdicts, "bot_same_direction").passed is passed
    rules = {verdict.rule for verdict in gate("BTCUSDT", portfolio(), settings())}
    assert not any(rule.startswith("bot_s") and rule != "bot_state" for rule in rules)


def test_a_bot_s_own_limits_only_tighten() -> None:
    limits = settings().limits
    given = tighter_of({"max_daily_loss": "0.01", "max_slots": 1, "min_confidence": 0.8})
    tight, own = tightened(limits, given)
    assert (tight.max_daily_loss, tight.min_confidence, tight.max_slots) == (D("0.01"), D("0.8"), 3)
    assert own == OwnLimits(max_slots=1)
    # The account's was lowered below the bot's since: the account's counts.
    lowered = replace(limits, max_daily_loss=D("0.005"))
    assert tightened(lowered, given)[0].max_daily_loss == D("0.005")


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ([], "write an object"),
        ({"max_slot": 1}, "max_slot is no limit"),
        ({"max_slots": "1"}, "max_slots must be a whole number"),
        ({"max_slots": True}, "max_slots must be a whole number"),
        ({"max_daily_loss": "lots"}, "max_daily_loss must be a number"),
        ({"max_daily_loss": "NaN"}, "no number"),
        ({"max_leverage": 50}, "hard cap"),
        ({"weekend_half_size": 1}, "true or false"),
    ],
)
def test_own_limits_that_make_no_sense_are_named(stored: object, words: str) -> None:
    with pytest.raises(TighterInvalid, match=words):
        tighter_of(stored)


@pytest.mark.parametrize(
    "stored",
    [
        {"max_daily_loss": "0.03"},
        {"max_slots": 4},
        {"min_confidence": "0.5"},
        {"pause_losses": 0},
        {"max_per_group": 0},
        {"weekend_half_size": False},
    ],
)
def test_looser_than_the_account_is_refused(stored: dict[str, Any]) -> None:
    with pytest.raises(TighterInvalid, match="may only tighten"):
        refuse_looser(tighter_of(stored), settings().limits)


# Hard caps


@pytest.mark.parametrize("name", sorted(CAPS))
def test_a_hard_cap_stands_above_what_was_stored(name: str) -> None:
    beyond = CAPS[name].high + 1
    given: dict[str, Any] = {name: int(beyond) if "." not in str(CAPS[name].high) else beyond}
    stored = settings(**given).limits
    assert getattr(capped(stored), name) == CAPS[name].high
    assert "hard cap" in cap_refusal(name, beyond)
    assert cap_refusal(name, CAPS[name].high) == ""
    assert cap_refusal(name, CAPS[name].low - 1)


def test_limits_within_the_caps_stay_as_they_are() -> None:
    limits = settings().limits
    assert capped(limits) is limits
