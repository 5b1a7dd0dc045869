"""The last check before an entry leaves: everything that may have changed since the decision."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis.domain import Direction
from tests.trading.domain.made import (
    HOUR,
    NOW,
    Number,
    approved,
    dec,
    exposure,
    market_view,
    portfolio,
    quote,
    settings,
    stop_out,
)
from trading.choices import RiskProfile, TradingStateName
from trading.domain.filters import MarketView
from trading.domain.pipeline import Admission, ApprovedSignal, admit
from trading.domain.portfolio import Portfolio
from trading.domain.settings import BotSettings

SHORT = Direction.SHORT


def admitted(
    signal: ApprovedSignal | None = None,
    held: Portfolio | None = None,
    *,
    last: Number = "100.6",
    quote_age_s: Number = "0.2",
    bot: BotSettings | None = None,
    later: timedelta = timedelta(0),
    view: MarketView | None = None,
) -> Admission:
    return admit(
        signal or approved(),
        held or portfolio(),
        quote(last),
        dec(quote_age_s),
        bot or settings(),
        NOW + later,
        view or market_view(),
    )


def refused_by(admission: Admission) -> str:
    refused = admission.refused_by
    return refused.rule if refused else ""


def test_what_was_approved_a_moment_ago_is_sent() -> None:
    admission = admitted()
    assert refused_by(admission) == ""
    assert all(verdict.text.endswith(".") for verdict in admission.verdicts)


@pytest.mark.parametrize(
    ("held", "rule"),
    [
        ({"trading_state": TradingStateName.HALTED}, "trading_state"),
        ({"doubts": ("the quote is stale",)}, "health"),
        ({"exposures": tuple(exposure(name) for name in "ABC")}, "slots"),
        ({"entries_today": 6}, "entries_per_day"),
        ({"day_start_equity": Decimal(10300)}, "daily_loss"),
        ({"exposures": (exposure("BTCUSDT"),)}, "occupied"),
        ({"stop_outs": (stop_out(HOUR),)}, "cooldown"),
        ({"exposures": (exposure("A"), exposure("B"))}, "same_direction"),
        ({"stop_outs": (stop_out(5 * HOUR),)}, "same_side_cooldown"),
        ({"wallet": "9800", "day_start_equity": Decimal(9800)}, "loss_at_stop"),
        ({"exposures": (exposure(direction=SHORT, qty=30, stop=105),)}, "open_risk"),
        ({"exposures": (exposure(qty=20),)}, "same_direction_risk"),
        ({"exposures": (exposure(qty=140, stop=101),)}, "gross_exposure"),
        ({"day_start_equity": Decimal(10160)}, "daily_loss"),
        ({"equity": Decimal(0)}, "open_risk"),
        ({"equity": Decimal(-100)}, "open_risk"),
    ],
)
def test_an_account_that_has_changed_stops_it(held: dict[str, Any], rule: str) -> None:
    assert refused_by(admitted(held=portfolio(**held))) == rule


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"min_confidence": Decimal("0.803")}, "confidence"),
        ({"min_rr_net": Decimal("2.9")}, "rr_net"),
        ({"risk_per_trade": Decimal("0.0049")}, "loss_at_stop"),
        ({"max_open_risk": Decimal("0.004")}, "open_risk"),
        ({"max_same_direction_risk": Decimal("0.004")}, "same_direction_risk"),
        ({"max_position_notional": Decimal("0.1")}, "position_notional"),
        ({"max_gross_exposure": Decimal("0.1")}, "gross_exposure"),
        ({"max_daily_loss": Decimal("0.004")}, "daily_loss"),
        ({"max_slots": 0}, "slots"),
        ({"max_entries_per_day": 0}, "entries_per_day"),
        ({"max_same_direction": 0}, "same_direction"),
    ],
)
def test_limits_tightened_meanwhile_apply(limits: dict[str, Any], rule: str) -> None:
    assert refused_by(admitted(bot=settings(**limits))) == rule


def test_limits_widened_meanwhile_do_no_harm() -> None:
    assert refused_by(admitted(bot=settings(RiskProfile.CLASSIC))) == ""


@pytest.mark.parametrize(
    ("last", "rule"),
    [("101", ""), ("101.1", "price_drift"), ("99", ""), ("98.9", "price_drift")],
)
def test_price_may_drift_a_quarter_of_r(last: str, rule: str) -> None:
    assert refused_by(admitted(last=last)) == rule


@pytest.mark.parametrize(
    ("age_s", "rule"), [("3", ""), ("3.001", "quote_age"), ("90", "quote_age")]
)
def test_a_quote_is_three_seconds_old_at_most(age_s: str, rule: str) -> None:
    assert refused_by(admitted(quote_age_s=age_s)) == rule


@pytest.mark.parametrize(
    ("later", "rule"), [(HOUR, ""), (HOUR + timedelta(seconds=1), "analysis_age")]
)
def test_an_approval_that_comes_a_bar_late_is_void(later: timedelta, rule: str) -> None:
    assert refused_by(admitted(later=later)) == rule


@pytest.mark.parametrize(("wallet", "rule"), [("9901", ""), ("9900", "loss_at_stop")])
def test_a_wallet_that_shrank_by_a_hundredth_is_let_through(wallet: str, rule: str) -> None:
    # 49.99995 against 0.5 % x 1.01 of the wallet.
    held = portfolio(wallet=wallet, day_start_equity=Decimal(9901))
    assert refused_by(admitted(held=held)) == rule
