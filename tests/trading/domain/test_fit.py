"""Whether an account can trade a symbol at a typical stop."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import Instrument
from tests.trading.domain.made import dec, instrument, market_view, portfolio, quote, settings
from trading.domain.fit import Fit, FitKind, fit_of


def fit(
    wallet: str | int | Decimal, *, step: str = "0.001", atr: str = "2", last: str = "100"
) -> Fit:
    rules: Instrument = instrument(qty_step=dec(step), min_qty=dec(step))
    view = market_view(instrument=rules, quote=quote(last, "0.02"))
    return fit_of(view, dec(atr), portfolio(wallet=wallet), settings())


def test_fine_steps_leave_the_plan_as_it_is() -> None:
    found = fit(10_000)
    assert (found.kind, found.words) == (FitKind.OK, "OK")
    assert found.text.endswith("planned at a stop of 4.00 %.")


def test_a_step_that_takes_a_quarter_off_is_coarse() -> None:
    # 0.5 % of 10,000 lost over 4.17 a unit are 12 units less a little: 10 in steps of ten.
    found = fit(10_000, step="10")
    assert found.kind is FitKind.COARSE
    assert found.words == f"coarse ({found.share:.0%})".replace("%", " %")
    assert found.share == pytest.approx(Decimal("0.835"), abs=Decimal("0.01"))


def test_less_than_one_step_is_too_small_and_says_what_it_takes() -> None:
    found = fit(10, step="1")
    assert (found.kind, found.words, found.share) == (FitKind.TOO_SMALL, "too small", None)
    assert "USDT" in found.text


def test_a_wallet_without_money_is_too_small() -> None:
    assert fit(0).kind is FitKind.TOO_SMALL


def test_a_calm_market_is_measured_at_the_nearest_stop_its_costs_allow() -> None:
    assert "at a stop of 0.55 %" in fit(10_000, atr="0.01").text


def test_a_market_that_tells_nothing_is_unknown() -> None:
    view = market_view()
    found = fit_of(view, dec(2), portfolio(), settings())
    assert (found.kind, found.words) == (FitKind.UNKNOWN, "–")
    assert fit(1000, atr="60").kind is FitKind.UNKNOWN


@given(
    wallet=st.decimals(1, 100_000, places=2),
    step=st.sampled_from(["0.001", "0.01", "0.1", "1", "10"]),
)
def test_more_money_never_fits_worse_than_too_small(wallet: Decimal, step: str) -> None:
    less, more = fit(wallet, step=step), fit(wallet * 10, step=step)
    if less.share is not None:
        assert more.share is not None
        assert Decimal("0.5") <= less.share <= 1
