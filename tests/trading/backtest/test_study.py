"""Random entries beside a strategy: drawn alike, counted right, told in plain words."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from tests import factories
from tests.exchange.paper.scripted_market import ScriptedMarket
from tests.trading.backtest.made import HOUR, walk
from tests.trading.domain.made import instrument
from trading.backtest.random_entries import OwnTrade, RandomRuns, Series, random_runs
from trading.backtest.study import RandomStudy, random_study
from trading.backtest.study_chart import distribution_svg
from trading.choices import RiskProfile
from trading.counterfactual_table import Outcomes
from trading.domain.exits import default_exits
from trading.study_words import random_words, rule_words

SEEDS, CANDLES = 200, 600
RULES = default_exits(RiskProfile.CONSERVATIVE, HOUR)


def series(seed: int = 5) -> Series:
    window = walk(seed, CANDLES)
    return Series(
        window,
        instrument(),
        atr_before=np.full(CANDLES, 1.5),
        funding_paid=np.zeros(CANDLES),
        first=20,
        stop=CANDLES - 40,
    )


def own(place: int, sign: int = 1, symbol: str = "BTCUSDT") -> OwnTrade:
    opened = int(series().window.times[place])
    return OwnTrade(symbol, sign, opened, stop_atr=1.5, target_r=2.0, risk=10.0)


def test_runs_are_the_same_for_the_same_seeds_and_differ_from_each_other() -> None:
    trades, found = [own(50), own(90, -1), own(200)], {"BTCUSDT": series()}
    first, second = (random_runs(trades, found, RULES, SEEDS) for _ in range(2))
    assert (first.mean_r == second.mean_r).all()
    assert len(set(first.mean_r.tolist())) > SEEDS / 2
    assert first.trades == 3


def test_own_entries_are_those_at_their_own_candles() -> None:
    runs = random_runs([own(50), own(90)], {"BTCUSDT": series()}, RULES, 3)
    again = random_runs([own(90), own(50)], {"BTCUSDT": series()}, RULES, 3)
    assert runs.own_r.tolist() == again.own_r.tolist()[::-1]


def test_random_entries_without_costs_to_beat_lose_the_costs() -> None:
    trades = [own(place) for place in range(30, 230, 5)]
    runs = random_runs(trades, {"BTCUSDT": series()}, RULES, SEEDS)
    # A walk without drift gives nothing, so what is lost are fees and slippage.
    assert -0.5 < runs.mean_r.mean() < 0


def test_nothing_can_be_compared_without_trades() -> None:
    with pytest.raises(ValueError, match="no trades"):
        random_runs([], {}, RULES, 3)


@pytest.mark.django_db
def test_trades_that_cannot_be_verified_are_not_compared() -> None:
    trade = factories.TradeFactory.create(closed=True, unverifiable=True)
    factories.MarketSessionFactory.create(account=trade.account)
    assert random_study(trade.account, ScriptedMarket(trade.symbol)) is None


def study(mean_r: float) -> RandomStudy:
    values = np.linspace(-0.5, 0.5, 1001)
    runs = RandomRuns(values, values * 10, np.array([0.1]), 10)
    return RandomStudy(runs, trades=10, mean_r=mean_r, sum_r=10 * mean_r, own_mean_r=mean_r)


@pytest.mark.parametrize(
    ("mean_r", "words"),
    [
        (-0.1004, "These defaults lose to random entries: 60.0% of 1,001 random runs did better."),
        (0.2, "These defaults can't be told apart from random entries"),
        (0.49, "These defaults beat random entries: only"),
    ],
)
def test_a_percentile_is_told_in_plain_words(mean_r: float, words: str) -> None:
    assert study(mean_r).verdict.startswith(words)
    lost = "These defaults lost money" in "\n".join(random_words(study(mean_r)))
    assert lost is (mean_r < 0)


def test_the_picture_is_well_formed_and_names_both_sides() -> None:
    root = ElementTree.fromstring(distribution_svg(study(0.2004), "1,001 runs"))
    words = " ".join(root.itertext())
    assert "this profile +0.200 R, better than 70.0%" in words
    assert len(root.findall("{*}rect")) > 20


def test_rules_with_few_outcomes_are_marked() -> None:
    row = Outcomes("rr_net", 12, 3, 1, 0, 2, (0.1, 0.5), -0.4, (-0.9, -0.1), None)
    text = "\n".join(rule_words([row, replace(row, name="cooldown", ended=90)], [("none", 7)]))
    assert "saved *" in text
    assert "fewer than 30 outcomes" in text
    assert "7 no setup" in text
    assert "no rule stopped" in "\n".join(rule_words([], []))
