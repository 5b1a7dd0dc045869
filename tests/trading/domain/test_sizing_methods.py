"""Sizes beyond the plain one: ramp, smallest order, fixed share, Kelly. By hand and for any."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.trading.domain.made import (
    approved,
    entries,
    instrument,
    market_view,
    portfolio,
    proposal,
    quote,
    reading,
    settings,
    verdict_of,
)
from trading.choices import RiskProfile
from trading.domain.entry_settings import EntrySettings, MinOrderPolicy, SizingMethod
from trading.domain.pipeline import Admission, ApprovedSignal, admit
from trading.domain.portfolio import Portfolio
from trading.domain.settings import BotSettings
from trading.domain.signal import propose, still_ordered
from trading.domain.sizing import Sizing, bot_factors, minimum_order, size
from trading.domain.track_record import TrackRecord, kelly_share, track_record
from trading.domain.verdict import Factor, first_failure, product

D = Decimal
ROUND_UP = entries(min_order_policy=MinOrderPolicy.ROUND_UP)
FIXED = entries(method=SizingMethod.NOTIONAL)
KELLY = entries(method=SizingMethod.KELLY)


def made(
    entry_settings: EntrySettings,
    held: Portfolio | None = None,
    *,
    factors: tuple[Factor, ...] = (),
    profile: RiskProfile = RiskProfile.CONSERVATIVE,
    min_qty: str = "0.001",
    **limits: Any,
) -> Sizing:
    """The plain long (4.158 USDT lost per unit) under these settings."""
    bot = bot_with(entry_settings, profile, **limits)
    rules = instrument(min_qty=D(min_qty))
    read = reading(rules=rules)
    return size(propose(read, bot), held or portfolio(), bot, rules, factors)


def test_an_account_without_slots_is_sized_all_the_same() -> None:
    """The rule of slots refuses; the page that tells what fits asks too."""
    assert made(EntrySettings(), max_slots=0).qty == made(EntrySettings(), max_slots=1).qty > 0


def bot_with(
    entry_settings: EntrySettings,
    profile: RiskProfile = RiskProfile.CONSERVATIVE,
    **limits: Any,
) -> BotSettings:
    return replace(settings(profile, **limits), entries=entry_settings, profile=profile)


def admitted(signal: ApprovedSignal, held: Portfolio, bot: BotSettings) -> Admission:
    return admit(signal, held, quote(100), D(0), bot, held.time, market_view())


def minimum_text(sizing: Sizing) -> str:
    return verdict_of(sizing.verdicts, "size_minimum").text


# --- Ramp


@pytest.mark.parametrize(
    ("closed", "factor"), [(0, "0.25"), (9, "0.25"), (10, "0.5"), (29, "0.5"), (30, "1")]
)
def test_a_bot_that_is_new_to_real_money_starts_small(closed: int, factor: str) -> None:
    bot = replace(settings(), real_money=True)
    assert product(bot_factors(portfolio(bot_trades=closed), bot)) == D(factor)
    assert bot_factors(portfolio(bot_trades=closed), settings()) == ()


def test_the_ramp_stands_in_the_arithmetic() -> None:
    bot = replace(settings(), real_money=True)
    held = portfolio(bot_trades=3)
    sizing = size(proposal(), held, bot, instrument(), bot_factors(held, bot))
    assert sizing.words[0] == (
        "10000.00 USDT x 0.50 % x 0.25 (ramp: 3 trades closed with real money) = 12.50 USDT"
    )
    assert sizing.qty == D("3.006")


def test_admission_allows_no_more_than_the_ramp() -> None:
    bot = replace(settings(), real_money=True)
    refused = admitted(approved(), portfolio(bot_trades=3), bot).refused_by
    assert refused is not None
    assert (refused.rule, refused.limit) == ("loss_at_stop", "12.62")


# --- The smallest order


def test_too_small_is_refused_with_the_capital_it_needs() -> None:
    # 0.5 % of 100 is 0.50; 0.15 units would lose 0.6237, which is 0.5 % of 124.74.
    sizing = made(entries(), portfolio(wallet=100), min_qty="0.15")
    assert sizing.qty == D("0.12")
    assert minimum_text(sizing) == "Too small: needs >= 124.74 USDT at this stop."


def test_too_small_is_rounded_up_within_a_quarter_more_risk() -> None:
    sizing = made(ROUND_UP, portfolio(wallet=100), min_qty="0.15")
    assert first_failure(sizing.verdicts) is None
    assert sizing.qty == D("0.15")
    assert sizing.risk_amount == D("0.6237")
    assert sizing.words[3] == "rounded up to 0.15, the smallest order"
    assert verdict_of(sizing.verdicts, "loss_at_stop").limit == "0.62"


def test_beyond_a_quarter_more_risk_it_stays_too_small() -> None:
    # 0.16 units would lose 0.66528; 1.25 x 0.5 % of 106.45 allows that.
    sizing = made(ROUND_UP, portfolio(wallet=100), min_qty="0.16")
    assert minimum_text(sizing) == "Too small: needs >= 106.44 USDT at this stop."
    assert made(ROUND_UP, portfolio(wallet=107), min_qty="0.16").qty == D("0.16")


def test_rounding_up_risks_one_percent_of_equity_at_most() -> None:
    # 0.9 % is planned; 1.25 of it would be more than 1 %.
    bold: dict[str, Any] = {"risk_per_trade": D("0.009")}
    assert made(ROUND_UP, portfolio(wallet=100), min_qty="0.24", **bold).qty == D("0.24")
    sizing = made(ROUND_UP, portfolio(wallet=100), min_qty="0.25", **bold)
    assert minimum_text(sizing) == "Too small: needs >= 103.95 USDT at this stop."


def test_a_cap_is_never_rounded_over() -> None:
    sizing = made(ROUND_UP, portfolio(wallet=100), min_qty="0.15", max_position_notional=D("0.13"))
    assert minimum_text(sizing) == "Too small: position notional leaves room for 0.13 only."


def test_admission_lets_the_smallest_order_through_and_no_other() -> None:
    held, bot = portfolio(wallet=100), bot_with(ROUND_UP)
    small = replace(approved().exposure, qty=D("0.15"))
    signal = approved(risk_amount=D("0.6237"), exposure=small, smallest=True)
    assert admitted(signal, held, bot).refused_by is None
    for other in (
        admitted(replace(signal, smallest=False), held, bot),
        admitted(signal, held, settings()),
        admitted(replace(signal, risk_amount=D("0.6251")), held, bot),
    ):
        assert other.refused_by is not None
        assert other.refused_by.rule == "loss_at_stop"


# --- A fixed share


def test_a_fixed_share_of_capital_is_the_position() -> None:
    sizing = made(FIXED)
    assert sizing.qty == D(10)
    assert sizing.words[3] == (
        "fixed position: 10000.00 USDT x 10.00 % = 1000.00 USDT, 10.0000 units"
    )


def test_the_stop_bounds_a_fixed_share() -> None:
    sizing = made(replace(FIXED, notional_share=D("0.5")))
    assert sizing.qty == made(entries()).qty


def test_factors_scale_a_fixed_share() -> None:
    assert made(FIXED, factors=(Factor("weekend", D("0.5"), "weekend"),)).qty == D(5)


# --- Kelly


def record(trades: int, wins: int, payoff: str) -> TrackRecord:
    return TrackRecord(trades, D(wins) / trades, D(payoff))


def test_a_record_by_hand() -> None:
    results = [D(2), D(1), D(-1), D(0), D("-0.5")]
    assert track_record(results) == TrackRecord(5, D("0.4"), D(2))
    assert track_record([]) == TrackRecord()
    assert track_record([D(-1)]) == TrackRecord(1, D(0), None)


@pytest.mark.parametrize(
    ("known", "share"),
    [
        (record(200, 100, "2"), "0.0625"),
        (record(200, 80, "1.5"), "0"),
        (TrackRecord(200, D(0), None), "0"),
    ],
)
def test_a_quarter_of_kelly(known: TrackRecord, share: str) -> None:
    assert kelly_share(known) == D(share)


@pytest.mark.parametrize("known", [record(199, 100, "2"), TrackRecord(300, D(1), None)])
def test_without_enough_trades_kelly_is_not_known(known: TrackRecord) -> None:
    assert kelly_share(known) is None


def kelly_factor(known: TrackRecord | None, profile: RiskProfile = RiskProfile.CLASSIC) -> Factor:
    (factor,) = bot_factors(portfolio(bot_record=known), bot_with(KELLY, profile))
    return factor


def test_kelly_only_ever_reduces() -> None:
    assert kelly_factor(record(200, 100, "2")).value == 1
    # p = 0.42, b = 1.5: 0.42 - 0.58 / 1.5 = 0.0333; a quarter is 0.833 %, where 1 % is planned.
    reduced = kelly_factor(record(200, 84, "1.5"))
    assert (reduced.value, reduced.text) == (D("0.8333"), "Kelly allows 0.83 %")
    assert kelly_factor(record(200, 60, "1.5")).value == 0


def test_kelly_says_where_it_is_not_applied() -> None:
    unknown = kelly_factor(None)
    assert (unknown.value, unknown.text) == (D(1), "Kelly not applied: 0 of 200 closed trades")
    other = kelly_factor(record(200, 60, "1.5"), RiskProfile.CONSERVATIVE)
    assert (other.value, other.text) == (D(1), "Kelly is for the classic profile only")


def test_a_losing_record_trades_nothing() -> None:
    factor = kelly_factor(record(200, 60, "1.5"))
    sizing = made(KELLY, factors=(factor,), profile=RiskProfile.CLASSIC)
    assert sizing.qty == 0
    assert minimum_text(sizing) == "Too small: the risk per trade leaves room for 0 only."


# --- Whatever the numbers


@given(
    method=st.sampled_from(SizingMethod),
    policy=st.sampled_from(MinOrderPolicy),
    share=st.decimals(min_value="0.01", max_value=1, places=2),
    wallet=st.decimals(min_value=1, max_value=100_000, places=2),
    equity=st.decimals(min_value="0.5", max_value="1.5", places=2),
    risk=st.decimals(min_value="0.001", max_value="0.05", places=4),
    min_qty=st.decimals(min_value="0.001", max_value=5, places=3),
    stop=st.decimals(min_value=80, max_value=99, places=1),
    scale=st.decimals(min_value=0, max_value="1.2", places=2),
)
def test_an_accepted_size_keeps_every_bound(
    method: SizingMethod,
    policy: MinOrderPolicy,
    share: Decimal,
    wallet: Decimal,
    equity: Decimal,
    risk: Decimal,
    min_qty: Decimal,
    stop: Decimal,
    scale: Decimal,
) -> None:
    chosen = entries(method=method, min_order_policy=policy, notional_share=share)
    bot = bot_with(chosen, RiskProfile.CLASSIC, risk_per_trade=risk)
    rules = instrument(min_qty=min_qty)
    read = reading(rules=rules, stop=stop)
    asked = propose(read, bot)
    assume(still_ordered(asked).passed)
    held = portfolio(wallet=wallet, equity=wallet * equity)
    sizing = size(asked, held, bot, rules, (Factor("any", scale, "any"),))
    if first_failure(sizing.verdicts):
        return
    loss, planned = sizing.qty * asked.unit_loss, wallet * risk * scale
    assert sizing.qty >= minimum_order(rules, asked.worst_price)
    assert sizing.qty % rules.qty_step == 0
    assert sizing.notional <= 2 * held.equity
    assert sizing.margin <= held.free_margin
    if loss > planned * D("1.01"):
        assert policy is MinOrderPolicy.ROUND_UP
        assert sizing.qty == minimum_order(rules, asked.worst_price)
        assert loss <= min(planned * D("1.25"), held.equity * D("0.01"))
    if method is SizingMethod.NOTIONAL and loss <= planned * D("1.01"):
        assert sizing.qty <= max(wallet * share * scale / 100, min_qty, D("0.05"))
