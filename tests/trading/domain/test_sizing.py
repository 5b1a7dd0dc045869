"""From the risk of one trade to a quantity, by hand and for any numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.domain import Direction
from exchange.domain import Instrument
from tests.trading.domain.made import (
    exposure,
    instrument,
    portfolio,
    proposal,
    reading,
    settings,
    sized,
    verdict_of,
)
from trading.choices import RiskProfile
from trading.domain.portfolio import Portfolio
from trading.domain.signal import Reading, propose, still_ordered
from trading.domain.sizing import Sizing, size
from trading.domain.verdict import first_failure

SHORT = Direction.SHORT
BOLD = settings(risk_per_trade=Decimal("0.05"))


def refused_by(sizing: Sizing) -> str:
    verdict = first_failure(sizing.verdicts)
    return verdict.rule if verdict else ""


def test_the_plain_case_by_hand() -> None:
    sizing = sized()
    # 10,000 x 0.5 % = 50; 50 / 4.158 = 12.02501..., rounded down to 0.001.
    assert sizing.qty == Decimal("12.025")
    assert sizing.risk_amount == Decimal("49.99995")
    assert sizing.notional == Decimal("1202.5")
    assert sizing.leverage == 1
    assert sizing.margin == Decimal("1202.5")
    assert refused_by(sizing) == ""


def test_the_arithmetic_is_told_in_words() -> None:
    assert sized().words == (
        "10000.00 USDT x 0.50 % = 50.00 USDT",
        "stop 4 + costs 0.1580 per unit",
        "50.00 / 4.1580 = 12.0250 units",
        "12.025 after rounding to 0.001: 1202.50 USDT at 1x, 50.00 USDT lost at the stop",
    )


def test_sizes_are_stored_as_text() -> None:
    stored = sized().as_json()
    assert stored["qty"] == "12.025"
    assert stored["risk_amount"] == "50.00"
    assert stored["words"] == list(sized().words)
    assert sized().verdicts[0].as_json()["rule"] == "size_minimum"


def test_a_bot_risks_its_share_of_the_wallet() -> None:
    assert sized(bot=settings(capital_share="0.5")).qty == Decimal("6.012")


def test_what_it_adds_while_it_works_risks_what_was_planned() -> None:
    bot, sizing = settings(), sized()
    added = sizing.exposure(proposal(), bot, Decimal("0.00055"))
    assert added.working
    assert added.qty == Decimal("12.025")
    assert added.price == 100
    # The plan counts both fees at the entry, the exposure the second one at the stop.
    assert added.risk == Decimal("12.025") * Decimal("4.1558")
    assert added.margin == sizing.margin


@pytest.mark.parametrize(
    ("held", "bot", "rules", "qty", "leverage", "cap"),
    [
        # 0.75 x 10,000 / 100; a third of the wallet is the slot's margin.
        (portfolio(), BOLD, instrument(), "75", 3, "position notional"),
        # 15,000 less 14,000 held.
        (
            portfolio(exposures=(exposure(qty=140, stop=99),)),
            BOLD,
            instrument(),
            "10",
            1,
            "gross exposure",
        ),
        # 300 free less 2 %, at 3x.
        (
            portfolio(exposures=(exposure(margin=9700),)),
            settings(),
            instrument(),
            "8.82",
            3,
            "free margin",
        ),
        (
            portfolio(),
            settings(),
            instrument(max_qty=Decimal(5)),
            "5",
            1,
            "the exchange's maximum",
        ),
        # 3333.33 would be too little for 7,500 without leverage; the venue gives 2x.
        (portfolio(), BOLD, instrument(max_leverage=Decimal(2)), "75", 2, "position notional"),
        # The fixed cap of 3x, whatever was typed.
        (
            portfolio(),
            settings(
                risk_per_trade=Decimal(1),
                max_position_notional=Decimal(50),
                max_gross_exposure=Decimal(50),
                max_leverage=Decimal(50),
            ),
            instrument(),
            "300",
            9,
            "position notional",
        ),
    ],
)
def test_caps_cut_the_quantity(
    held: Portfolio, bot: Any, rules: Instrument, qty: str, leverage: int, cap: str
) -> None:
    sizing = sized(reading(rules=rules), held, bot)
    assert sizing.qty == Decimal(qty)
    assert sizing.leverage == leverage
    assert sizing.words[3].startswith(f"capped by {cap} at")


@pytest.mark.parametrize(("slots", "leverage"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3), (40, 3)])
def test_leverage_is_the_lowest_that_fits_the_slot(slots: int, leverage: int) -> None:
    # 1,202.50 against 10,000 / slots.
    assert sized(bot=settings(max_slots=slots)).leverage == leverage


def test_no_limit_lifts_the_fixed_cap_on_leverage() -> None:
    assert sized(bot=settings(max_leverage=Decimal(50), max_slots=1000)).leverage == 10


def test_there_is_no_leverage_below_one() -> None:
    assert sized(bot=settings(max_leverage=Decimal(0))).leverage == 1


def test_too_little_capital_says_how_much_it_takes() -> None:
    # 0.048 x 100 = 4.80 USDT; 0.05 would lose 0.2079, which is 0.5 % of 41.58.
    sizing = sized(held=portfolio(wallet=40))
    verdict = verdict_of(sizing.verdicts, "size_minimum")
    assert verdict.passed is False
    assert (verdict.value, verdict.limit) == ("0.048", "0.05")
    assert verdict.text == "Too small: needs >= 41.58 USDT at this stop."


def test_what_it_takes_is_a_whole_step() -> None:
    coarse = instrument(qty_step=Decimal(1), min_qty=Decimal(1), min_notional=Decimal(150))
    sizing = sized(reading(rules=coarse), portfolio(wallet=1600))
    verdict = verdict_of(sizing.verdicts, "size_minimum")
    assert (verdict.value, verdict.limit) == ("1", "2")
    assert "1663.20 USDT" in verdict.text
    assert refused_by(sized(reading(rules=coarse), portfolio(wallet=1664))) == ""


def test_a_cap_that_leaves_too_little_is_named_instead() -> None:
    full = portfolio(exposures=(exposure(margin=9999),))
    verdict = verdict_of(sized(held=full).verdicts, "size_minimum")
    assert verdict.passed is False
    assert verdict.text == "Too small: free margin leaves room for 0.029 only."


@pytest.mark.parametrize(
    "held",
    [
        portfolio(wallet=0),
        portfolio(wallet=-500),
        portfolio(equity=Decimal(0)),
        portfolio(equity=Decimal(-500)),
        portfolio(exposures=(exposure(margin=20000),)),
        portfolio(exposures=(exposure(qty=1000, stop=99),)),
    ],
)
def test_without_money_nothing_is_bought(held: Portfolio) -> None:
    sizing = sized(held=held)
    assert sizing.qty == 0
    assert sizing.risk_amount == 0
    assert sizing.margin == 0
    assert refused_by(sizing) == "size_minimum"


def test_without_risk_nothing_is_bought() -> None:
    sizing = sized(bot=settings(risk_per_trade=Decimal(0)))
    assert sizing.qty == 0
    assert "the risk per trade leaves room for 0 only" in sizing.verdicts[0].text


@pytest.mark.parametrize(
    ("stop", "passed"),
    [
        # At 10x liquidation is 9.5 away: 2.5 stops of 3.8.
        ("96.2", True),
        ("96.1", False),
    ],
)
def test_liquidation_is_two_and_a_half_stops_away(stop: str, passed: bool) -> None:
    bot = settings(max_leverage=Decimal(10), max_slots=1000)
    verdict = verdict_of(sized(reading(stop=stop), bot=bot).verdicts, "liquidation_distance")
    assert verdict.passed is passed


def test_a_coin_of_tiny_price_is_sized_and_told_without_zeros() -> None:
    rules = instrument(
        tick_size=Decimal("0.00000001"),
        qty_step=Decimal(100),
        min_qty=Decimal(100),
        max_qty=Decimal(10_000_000_000),
    )
    sizing = sized(
        reading(
            entry="0.00001234",
            stop="0.00001184",
            target="0.00001384",
            last="0.00001240",
            spread="0.00000001",
            atr="0.00000025",
            rules=rules,
        )
    )
    # 50 / (0.0000005 + 0.000000019494) = 96,247,502.37...
    assert sizing.qty == 96_247_500
    assert sizing.risk_amount == Decimal("49.99999876")
    assert sizing.words[1] == "stop 0.0000005 + costs 0.00000001949 per unit"
    assert sizing.words[2] == "50.00 / 0.0000005195 = 96247502.3773 units"


wallets = st.decimals("-1000", "5000000", places=2)
shares = st.decimals("0.0001", "0.05", places=4)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """A pullback entry of either side on any price scale."""
    direction = draw(st.sampled_from([Direction.LONG, SHORT]))
    tick = draw(st.sampled_from([Decimal(10), Decimal("0.01"), Decimal("0.00000001")]))
    price = draw(st.integers(1000, 90_000)) * tick
    atr, sign = price * draw(st.decimals("0.003", "0.04", places=3)), direction.sign
    step = draw(st.sampled_from([Decimal("0.001"), Decimal(1), Decimal(1000)]))
    return reading(
        direction=direction,
        entry=price,
        stop=price - sign * atr * draw(st.decimals(1, 4, places=1)),
        target=price + sign * atr * 5,
        last=price + sign * atr * Decimal("0.3"),
        spread=tick,
        atr=atr,
        rules=instrument(
            tick_size=tick,
            qty_step=step,
            min_qty=step * draw(st.integers(1, 20)),
            max_qty=step * draw(st.integers(20, 10_000_000)),
            min_notional=draw(st.integers(0, 100).map(Decimal)),
            max_leverage=draw(st.integers(1, 100).map(Decimal)),
        ),
    )


@given(
    readings(),
    wallets,
    st.decimals("-1000", "5000000", places=2),
    shares,
    st.sampled_from(RiskProfile),
    st.decimals(0, 2_000_000, places=2),
)
def test_no_size_breaks_a_limit(
    read: Reading,
    wallet: Decimal,
    equity: Decimal,
    share: Decimal,
    profile: RiskProfile,
    used: Decimal,
) -> None:
    held = portfolio(
        wallet=wallet, equity=equity, exposures=(exposure(qty=used / 100, margin=used / 3),)
    )
    bot, rules = settings(profile, risk_per_trade=share), read.instrument
    made = propose(read, bot)
    assert still_ordered(made).passed
    sizing = size(made, held, bot, rules)
    assert sizing.qty % rules.qty_step == 0
    assert 0 <= sizing.qty <= rules.max_qty
    assert all(verdict.text for verdict in sizing.verdicts)
    assert all(sizing.words)
    assert 1 <= sizing.leverage <= min(bot.limits.max_leverage, rules.max_leverage)
    if sizing.qty > 0:
        assert sizing.risk_amount <= wallet * share * Decimal("1.01")
        assert sizing.notional <= bot.limits.max_position_notional * equity
        assert sizing.notional + used <= bot.limits.max_gross_exposure * equity
        assert sizing.margin <= held.free_margin
    if not refused_by(sizing):
        assert sizing.qty >= rules.min_qty
        assert sizing.notional >= rules.min_notional
