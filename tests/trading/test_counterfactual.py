"""Signals that never traded are followed to the outcome they would have had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from exchange.candles import CandleWindow, to_ms
from exchange.choices import Mode
from exchange.errors import CandlesUnavailable
from exchange.market.archive import Archive, default_archive
from exchange.market.clock import SteppedClock
from exchange.market.replay import ReplayMarket
from exchange.models import ExchangeAccount
from tests.factories.bots import BotFactory, RiskLimitsFactory, UserFactory
from tests.factories.cycles import ApprovalFactory, CycleFactory, SignalFactory
from tests.factories.exchange import MINUTE, NOON, AccountFactory
from trading.choices import (
    ApprovalDecision,
    CounterfactualState,
    ExitReason,
    SignalState,
)
from trading.counterfactual import counterfactuals_follow, counterfactuals_run
from trading.counterfactual_table import (
    NOBODY,
    Effect,
    outcomes_by_person,
    outcomes_by_rule,
    unknowable,
)
from trading.models import Bot, Counterfactual, Signal

pytestmark = pytest.mark.django_db

# Up through the target (99,900) of the long that factories make; and down through its stop.
UP: list[float] = [97000 + 20 * n for n in range(240)]
DOWN: list[float] = [97000 - 20 * n for n in range(240)]

RESTING: dict[str, Any] = {
    "order_type": "limit",
    "time_in_force": "gtc",
    "limit_price": Decimal(96500),
}


def candles(closes: Sequence[float], *, start_minute: int = -60) -> CandleWindow:
    """Minutes from an hour before noon on; quiet at 97,000 until noon."""
    close = np.array([97000.0] * -start_minute + [*closes])
    open_ = np.concatenate([close[:1], close[:-1]])
    first = to_ms(NOON) + start_minute * 60_000
    return CandleWindow(
        "BTCUSDT",
        MINUTE,
        first + 60_000 * np.arange(len(close), dtype=np.int64),
        open=open_,
        high=np.maximum(open_, close) + 5,
        low=np.minimum(open_, close) - 5,
        close=close,
        volume=np.full(len(close), 500.0),
    )


def market_of(window: CandleWindow, minutes: int) -> ReplayMarket:
    """The replay of ``window``, standing ``minutes`` after noon."""
    default_archive().store(window, source="test", replace=True)
    clock = SteppedClock(NOON + minutes * MINUTE)
    archive: Archive = default_archive()
    return ReplayMarket(archive, clock, ["BTCUSDT"], 0, NOON - 30 * MINUTE)


@pytest.fixture
def bot() -> Bot:
    bot = BotFactory.create(account=AccountFactory.create(mode=Mode.PAPER))
    RiskLimitsFactory.create(account=bot.account, version=1)
    return bot


def stopped(bot: Bot, minutes: int = 0, **changes: Any) -> Signal:
    """A long that the reward rule rejected, unless told otherwise."""
    cycle = CycleFactory.create(bot=bot, boundary=NOON + minutes * MINUTE)
    return SignalFactory.create(cycle=cycle, rejected="state" not in changes, **changes)


def follow_until(bot: Bot, window: CandleWindow, minutes: int) -> Counterfactual:
    counterfactuals_follow(bot.account, market_of(window, minutes))
    return Counterfactual.objects.get()


def test_a_rejected_signal_that_would_have_won_is_told_so(bot: Bot) -> None:
    stopped(bot)
    row = follow_until(bot, candles(UP), 239)
    assert (row.state, row.stopped_by) == (CounterfactualState.ENDED, "rr_net")
    assert row.exit_reason == ExitReason.TAKE_PROFIT
    assert row.exit_price == Decimal(99900)
    assert row.r_multiple is not None
    assert Decimal("1.6") < row.r_multiple < Decimal("1.9")
    assert row.exit_time is not None
    assert NOON + 144 * MINUTE < row.exit_time < NOON + 147 * MINUTE


def test_one_that_would_have_lost_ends_at_its_stop(bot: Bot) -> None:
    stopped(bot)
    row = follow_until(bot, candles(DOWN), 239)
    assert (row.state, row.exit_reason) == (CounterfactualState.ENDED, ExitReason.STOP_LOSS)
    assert row.r_multiple is not None
    assert Decimal("-1.2") < row.r_multiple < Decimal("-1.0")


def test_following_goes_on_where_it_stood_and_ends_once(bot: Bot) -> None:
    stopped(bot)
    window = candles(UP)
    row = follow_until(bot, window, 30)
    assert (row.state, row.followed_to) == (CounterfactualState.FOLLOWED, NOON + 30 * MINUTE)
    assert row.entry_time is not None
    in_steps = follow_until(bot, window, 239)
    again = counterfactuals_follow(bot.account, market_of(window, 239))
    assert (again.created, again.ended, again.open) == (0, 0, 0)
    Counterfactual.objects.all().delete()
    at_once = follow_until(bot, window, 239)
    for name in ("state", "entry_price", "exit_time", "exit_price", "r_multiple", "best_r"):
        assert getattr(in_steps, name) == getattr(at_once, name)


def test_an_entry_that_nothing_reaches_is_unfilled(bot: Bot) -> None:
    stopped(bot, entry_price=Decimal(96500), **RESTING)
    row = follow_until(bot, candles([97000.0] * 240), 239)
    assert row.state == CounterfactualState.UNFILLED
    assert row.r_multiple is None


def test_an_entry_beyond_the_market_waits_for_its_price(bot: Bot) -> None:
    beyond: dict[str, Any] = {"order_type": "", "time_in_force": "", "limit_price": None}
    stopped(bot, entry_price=Decimal(97500), rule="breakout_entry", **beyond)
    row = follow_until(bot, candles(UP), 239)
    assert (row.state, row.stopped_by) == (CounterfactualState.ENDED, "breakout_entry")
    assert row.entry_time is not None
    assert NOON + 23 * MINUTE < row.entry_time < NOON + 27 * MINUTE
    assert row.entry_price is not None
    assert Decimal(97500) < row.entry_price < Decimal(97560)


def test_a_reading_that_turned_takes_the_entry_back(bot: Bot) -> None:
    first = stopped(bot, entry_price=Decimal(96500), **RESTING)
    later = SignalFactory.create(
        cycle=CycleFactory.create(bot=bot, boundary=NOON + 15 * MINUTE),
        state=SignalState.REJECTED,
        rule="none",
        direction="none",
        entry_price=None,
        analysis__profile=first.analysis.profile if first.analysis else None,
    )
    assert later.analysis is not None
    row = follow_until(bot, candles([97000.0] * 20 + DOWN), 239)
    assert (row.state, row.note) == (CounterfactualState.UNFILLED, "Reading turned.")


def test_without_candles_nothing_is_guessed(bot: Bot) -> None:
    stopped(bot, minutes=-3000)
    row = follow_until(bot, candles(UP), 239)
    assert row.state == CounterfactualState.UNKNOWN
    assert "missing" in row.note
    assert row.r_multiple is None


def test_a_hole_in_the_candles_makes_it_unknown(bot: Bot) -> None:
    stopped(bot)
    whole = candles(UP)
    kept = np.ones(len(whole), dtype=bool)
    kept[100:110] = False
    columns = {
        name: getattr(whole, name)[kept]
        for name in ("times", "open", "high", "low", "close", "volume")
    }
    row = follow_until(bot, CandleWindow("BTCUSDT", MINUTE, **columns), 239)
    assert row.state == CounterfactualState.UNKNOWN


def test_signals_without_prices_are_counted_and_not_followed(bot: Bot) -> None:
    stopped(bot, entry_price=None, stop_loss=None, take_profit=None)
    counterfactuals_follow(bot.account, market_of(candles(UP), 239))
    assert not Counterfactual.objects.exists()
    assert unknowable(bot.account) == [("rr_net", 1)]


def test_traded_signals_and_runs_by_hand_are_left_out(bot: Bot) -> None:
    SignalFactory.create(cycle=CycleFactory.create(bot=bot, boundary=NOON))
    by_hand = CycleFactory.create(bot=bot, boundary=NOON, attempt=1)
    SignalFactory.create(cycle=by_hand, rejected=True)
    counterfactuals_follow(bot.account, market_of(candles(UP), 239))
    assert not Counterfactual.objects.exists()


def test_each_rule_shows_what_it_saved_or_cost(bot: Bot) -> None:
    for minutes in range(0, 40, 2):
        stopped(bot, minutes)
        stopped(bot, minutes + 1, state=SignalState.DROPPED, rule="price_drift")
    counterfactuals_follow(bot.account, market_of(candles(DOWN), 239))
    rows = {row.name: row for row in outcomes_by_rule(bot.account)}
    assert set(rows) == {"rr_net", "price_drift"}
    row = rows["rr_net"]
    assert row.count == 20
    assert row.effect is Effect.SAVED
    assert row.few
    assert row.sum_r is not None
    assert row.sum_r < -10
    assert row.won == 0


def test_each_refusal_counts_for_the_person_who_gave_it(bot: Bot) -> None:
    person = UserFactory.create(username="ada")
    refused = stopped(bot, state=SignalState.REFUSED)
    ApprovalFactory.create(signal=refused, decision=ApprovalDecision.REFUSED, actor=person)
    expired = stopped(bot, 1, state=SignalState.EXPIRED)
    ApprovalFactory.create(signal=expired, decision=ApprovalDecision.EXPIRED)
    counterfactuals_follow(bot.account, market_of(candles(UP), 239))
    rows = {row.name: row for row in outcomes_by_person(bot.account)}
    assert set(rows) == {"ada", NOBODY}
    assert rows["ada"].won == 1
    assert rows["ada"].effect is Effect.UNSURE
    assert outcomes_by_rule(bot.account) == []


def test_an_account_without_prices_leaves_the_others_alone(bot: Bot) -> None:
    stopped(bot)
    other = BotFactory.create(account=AccountFactory.create(mode=Mode.PAPER))
    RiskLimitsFactory.create(account=other.account, version=1)
    stopped(other)
    market = market_of(candles(UP), 239)

    def market_for(account: ExchangeAccount) -> ReplayMarket:
        if account == bot.account:
            raise CandlesUnavailable("the site does not answer")
        return market

    assert counterfactuals_run(market_for).ended == 1
    assert Counterfactual.objects.get().signal.account == other.account


def test_patience_ends_a_day_after_the_longest_life(bot: Bot) -> None:
    stopped(bot)
    long_after = candles([97000.0] * 10)
    clock = SteppedClock(NOON + timedelta(days=3))
    default_archive().store(long_after, source="test", replace=True)
    market = ReplayMarket(default_archive(), clock, ["BTCUSDT"], 0, NOON - 30 * MINUTE)
    counterfactuals_follow(bot.account, market)
    assert Counterfactual.objects.get().state == CounterfactualState.UNKNOWN
