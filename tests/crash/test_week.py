"""Four hours of ``python -m tests.crash.week``, and that its eyes see what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from analysis.analysts.technical import TechnicalAnalyst
from analysis.domain import AnalysisInput
from exchange.bybit.market import BybitMarket
from exchange.candles import CandleWindow
from exchange.domain import OrderRequest, OrderType, PriceStep, Side
from exchange.models import ExchangeAccount, PaperPosition
from tests.crash.week_books import naked_positions
from tests.crash.week_bot import START, SYMBOLS, Week
from tests.crash.week_watch import EntryJudge, StepListener, Truth, WatchedAnalyst, watched_market
from tests.crash.week_world import World
from tests.exchange.bybit.market_bench import open_venue

SYMBOL = SYMBOLS[1]


@pytest.fixture
def surroundings(
    transactional_db: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data folder of the test's own, and leases by the virtual clock everywhere."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr("trading.execution.lease.database_now", lambda clock: clock.now())


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("surroundings")
def test_four_hours_of_faults_break_nothing() -> None:
    week = Week(seed=5, start=START, length=timedelta(hours=4), volatility=1.0)
    report = week.run()
    assert report.broken == []
    counts = week.counts()
    assert counts["trades"] > 0
    assert counts["fills"] > counts["trades"] / 2
    assert counts["cycles"] >= 30
    assert counts["restarts"] >= 1
    assert counts["outages"] >= 1
    assert len(report.rest_faults) > 5
    assert len(report.stream_faults) > 3


@pytest.mark.usefixtures("surroundings")
def test_a_position_without_a_stop_is_seen() -> None:
    account = ExchangeAccount.objects.create(name="Naked", start_equity=Decimal(1000))
    PaperPosition.objects.create(
        account=account,
        symbol=SYMBOL,
        side=Side.BUY,
        qty=Decimal(1),
        avg_price=Decimal(100),
        cost=Decimal(100),
        opened_at=START,
        updated_at=START,
    )
    assert naked_positions(account) == [f"{SYMBOL}: a position of 1.00000000 without a stop"]


class LossyMarket(BybitMarket):
    """Forgets every third step."""

    heard = 0

    def steps(self, symbol: str, start: datetime, end: datetime) -> Iterator[PriceStep]:
        for step in super().steps(symbol, start, end):
            self.heard += 1
            if self.heard % 3:
                yield step


class InventiveMarket(BybitMarket):
    """Tells of a price that there never was."""

    def steps(self, symbol: str, start: datetime, end: datetime) -> Iterator[PriceStep]:
        for step in super().steps(symbol, start, end):
            yield replace(step, high=step.high * 2)


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        (LossyMarket, "nothing whole was told"),
        (InventiveMarket, "leaves the real"),
        (BybitMarket, ""),
    ],
)
def test_steps_that_miss_or_invent_something_are_seen(
    kind: type[BybitMarket], finding: str
) -> None:
    venue, found = open_venue(START), list[str]()
    market = kind(venue.rest, None, [SYMBOL])
    listener = StepListener(Truth(venue.prices), [SYMBOL], found.append)
    listener.restart(market.now())
    for _ in range(10):
        venue.clock.sleep(61)
        listener.listen(market)
    assert any(finding in text for text in found) if finding else found == []


def test_an_entry_on_an_old_quote_or_without_a_stop_is_seen() -> None:
    world, found = World(START, 3), list[str]()
    market = watched_market(world.rest(), world.stream, [SYMBOL])
    judge = EntryJudge(market, world.stream.told_ms, world.clock.now_ms, found.append)
    request = OrderRequest(
        order_link_id="at1-x-e",
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        qty=Decimal(1),
        stop_loss=Decimal(1),
    )
    judge(request)
    world.clock.advance(10_000)
    market.quote(SYMBOL)
    judge(request)
    world.clock.advance(9_000)
    judge(replace(request, stop_loss=None))
    assert len(found) == 4
    assert "without any quote" in found[0]
    assert "on a quote of 9" in found[1]
    assert "after the stream's last price" in found[2]
    assert "without a stop" in found[3]


def test_a_candle_that_is_not_the_exchanges_is_seen() -> None:
    venue, found = open_venue(START), list[str]()
    market = BybitMarket(venue.rest, None, [SYMBOL])
    analyst = WatchedAnalyst(TechnicalAnalyst(), Truth(venue.prices), found.append)
    window = market.candles(SYMBOL, timedelta(hours=1), end=START, limit=400)
    given = AnalysisInput(SYMBOL, "1h", market.instrument(SYMBOL), window)
    analyst.analyse(given)
    assert found == []
    close = window.close.copy()
    close[-1] = window.high[-1] if close[-1] != window.high[-1] else window.low[-1]
    analyst.analyse(replace(given, window=_with_close(window, close)))
    assert len(found) == 1


def _with_close(window: CandleWindow, close: object) -> CandleWindow:
    return CandleWindow(
        window.symbol,
        window.interval,
        times=window.times,
        open=window.open,
        high=window.high,
        low=window.low,
        close=close,  # type: ignore[arg-type]
        volume=window.volume,
    )
