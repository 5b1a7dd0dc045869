"""A trade whose candles are missing is marked; one whose candles are all there is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.exchange.paper.scripted_market import MINUTE
from tests.trading.execution.floor import Floor
from trading.execution.unseen import unverifiable_mark
from trading.execution.wallet_watch import WalletWatch
from trading.models import Event, Lease, Trade


@pytest.fixture
def stopped(paper_floor: Floor) -> Floor:
    """A trade on the paper venue that was open for six minutes and is over for two."""
    paper_floor.signal()
    paper_floor.rounds(2)
    paper_floor.play(100, 101, 100, 101, 100, 94, 94, 94)
    assert Trade.objects.get().state == "closed"
    return paper_floor


def lose(floor: Floor, number: int) -> None:
    """One candle that the market once told can't be had any more."""
    del floor.market._steps["BTCUSDT"][number]


def marked(floor: Floor) -> list[Trade]:
    return unverifiable_mark(floor.account, floor.market, set())


def test_a_trade_with_all_its_candles_counts(stopped: Floor) -> None:
    assert marked(stopped) == []
    assert not Trade.objects.get().unverifiable


def test_a_trade_that_lacks_a_candle_is_marked_once_and_told(stopped: Floor) -> None:
    lose(stopped, 3)
    watch = WalletWatch(stopped.desk, lambda _: lambda since: [], lambda _: stopped.market)
    assert [trade.symbol for trade in watch.verify()] == ["BTCUSDT"]
    assert watch.verify() == []
    trade = Trade.objects.get()
    assert (trade.unverifiable, trade.net_pnl is None) == (True, False)
    event = Event.objects.get(kind="trade_unverifiable")
    assert (event.data, event.level) == ({"trade": trade.pk, "missing": 1}, "warning")


def test_candles_outside_its_life_do_not_matter(stopped: Floor) -> None:
    stopped.play(94)
    lose(stopped, -1)
    assert marked(stopped) == []


def test_a_market_that_is_silent_for_an_hour_says_nothing_yet(stopped: Floor) -> None:
    stopped.market.silent = True
    assert marked(stopped) == []
    assert not Trade.objects.get().unverifiable


def test_candles_that_never_come_are_lost_after_a_day(stopped: Floor) -> None:
    stopped.market.silent = True
    stopped.market._now += timedelta(days=1, minutes=10)
    assert [trade.unverifiable for trade in marked(stopped)] == [True]


def test_fills_of_a_real_exchange_are_what_they_are(stopped: Floor) -> None:
    lose(stopped, 3)
    stopped.on_bybit()
    assert marked(stopped) == []


def test_after_a_pause_open_trades_say_what_is_replayed(paper_floor: Floor) -> None:
    ExchangeAccount.objects.filter(pk=paper_floor.account.pk).update(mode=Mode.PAPER)
    paper_floor.account.refresh_from_db()
    paper_floor.opened()
    paper_floor.play(100)
    agreed = Lease.objects.get(account=paper_floor.account).agreed_until
    assert agreed is not None
    paper_floor.desk.lease.abandon()
    paper_floor.market._now = agreed + 30 * MINUTE
    paper_floor.desk.live = True
    paper_floor.trader.start()
    event = Event.objects.get(kind="trade_replayed")
    assert event.data == {"trade": Trade.objects.get().pk}
    assert f"nobody traded from {agreed:%Y-%m-%d %H:%M}" in event.text
    Event.objects.all().delete()
    paper_floor.trader.start()
    assert not Event.objects.filter(kind="trade_replayed").exists()
