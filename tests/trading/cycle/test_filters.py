"""Each market filter as the one that stops a cycle on the simulated market."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from exchange.domain import Instrument
from tests.trading.cycle.conftest import Desk
from trading.choices import CycleState
from trading.cycle.run import cycle_run
from trading.models import RiskLimits, Signal

pytestmark = pytest.mark.django_db

# What the simulated market can't keep, filter by filter.
IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "spread": {"max_spread": "0"},
    "turnover": {"min_turnover_24h": "1000000000000"},
    "listing_age": {"min_listed_days": 3650},
    "funding_rate": {"funding_off": "0"},
    "shock": {"shock_atr": "0"},
    "btc_move": {"btc_move": "0"},
}
# Those that need a signal, or its size, and are asked after the analyst.
IMPOSSIBLE_FOR_SIGNALS: dict[str, dict[str, Any]] = {
    "spread_of_stop": {"max_spread_of_stop": "0"},
    "turnover_share": {"max_turnover_share": "0"},
}


class Leaving:
    """The desk's market, where every symbol is announced for delisting."""

    def __init__(self, desk: Desk) -> None:
        self._market = desk.market

    def __getattr__(self, name: str) -> Any:
        return getattr(self._market, name)

    def instrument(self, symbol: str) -> Instrument:
        leaves = self._market.now() + timedelta(days=20)
        return replace(self._market.instrument(symbol), delisting_at=leaves)


def run(desk: Desk, filters: dict[str, Any]) -> Signal:
    """What became of Bitcoin in a cycle with these thresholds."""
    RiskLimits.objects.update(filters=filters)
    done = cycle_run(desk.cycle().pk, desk.ports())
    assert done.state in (CycleState.COMPLETED, CycleState.SKIPPED)
    return Signal.objects.get(symbol="BTCUSDT")


def test_with_the_defaults_no_filter_stops_it(desk: Desk) -> None:
    assert run(desk, {}).rule == ""


@pytest.mark.parametrize("rule", IMPOSSIBLE)
def test_a_filter_stops_the_symbol_before_anything_is_paid_for(desk: Desk, rule: str) -> None:
    signal = run(desk, IMPOSSIBLE[rule])
    assert (signal.rule, signal.analysis) == (rule, None)
    assert "BTCUSDT" not in desk.analyst.asked
    assert signal.state_reason.endswith(".")


@pytest.mark.parametrize("rule", IMPOSSIBLE_FOR_SIGNALS)
def test_a_filter_on_prices_or_size_stops_the_signal(desk: Desk, rule: str) -> None:
    signal = run(desk, IMPOSSIBLE_FOR_SIGNALS[rule])
    assert signal.rule == rule
    assert signal.analysis is not None


def test_funding_that_one_side_pays_stops_that_side(desk: Desk) -> None:
    rate = desk.market.ticker("BTCUSDT").funding_rate
    assert rate is not None
    signal = run(desk, {"funding_minutes": 480, "funding_to_pay": "0"})
    assert (signal.rule == "funding_due") is (rate >= 0)


def test_a_symbol_that_will_be_delisted_is_not_entered(desk: Desk) -> None:
    desk.market = Leaving(desk)
    signal = run(desk, {})
    assert signal.rule == "symbol_status"
    assert "will be delisted" in signal.state_reason


def test_thresholds_that_can_not_be_read_skip_the_cycle(desk: Desk) -> None:
    RiskLimits.objects.update(filters={"max_spread": "wide"})
    done = cycle_run(desk.cycle().pk, desk.ports())
    assert done.state == CycleState.SKIPPED
    assert done.reason.startswith("FiltersInvalid: max_spread must be a number")
    assert not Signal.objects.exists()
