from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from exchange.candles import CandleWindow, to_ms
from exchange.domain import TIMEFRAMES
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.market.aggregate import aggregate
from exchange.market.archive import Archive
from exchange.market.clock import SteppedClock
from exchange.market.replay import ReplayMarket
from exchange.market.simulated import SimulatedMarket
from tests.exchange.conformance.market_data import Bench, MarketDataConformance

pytestmark = pytest.mark.django_db

START = datetime(2024, 1, 10, tzinfo=UTC)
END = datetime(2024, 1, 20, tzinfo=UTC)
FIVE, HOUR = TIMEFRAMES["5m"], TIMEFRAMES["1h"]


def archived(folder: Path, *, timeframe: str = "5m", days: int = 30) -> Archive:
    """Candles of a simulated market from ten days before START on."""
    first = START - timedelta(days=10)
    last = first + timedelta(days=days)
    source = SimulatedMarket(3, SteppedClock(last), 1)
    interval = TIMEFRAMES[timeframe]
    window = source.candles("SOLUSDT", interval, end=last, limit=(last - first) // interval)
    archive = Archive(folder)
    archive.store(window, source="made")
    return archive


def replay(archive: Archive, now: datetime, symbol: str = "SOLUSDT") -> ReplayMarket:
    return ReplayMarket(archive, SteppedClock(now), [symbol], 60, START, END)


def without(window: CandleWindow, place: int) -> CandleWindow:
    columns = (np.delete(getattr(window, name), place) for name in
               ("times", "open", "high", "low", "close", "volume"))  # fmt: skip
    return CandleWindow(window.symbol, window.interval, *columns)


class TestConformance(MarketDataConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        clock = SteppedClock(START + timedelta(days=3, minutes=37, seconds=11))
        market = ReplayMarket(archived(tmp_path), clock, ["SOLUSDT"], 60, START, END)
        return Bench(market, clock, "SOLUSDT")


def test_candles_finer_than_stored_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CandlesUnavailable, match=r"no candles of 0:01:00; .* stores 0:05:00"):
        replay(archived(tmp_path), START).candles("SOLUSDT", TIMEFRAMES["1m"], end=START, limit=1)


def test_stored_candles_are_served_without_a_copy(tmp_path: Path) -> None:
    archive = archived(tmp_path)
    served = replay(archive, START).candles("SOLUSDT", FIVE, end=START, limit=50)
    assert np.shares_memory(served.close, archive.load("SOLUSDT", FIVE).close)


def test_a_gap_at_the_end_is_not_papered_over(tmp_path: Path) -> None:
    archive = archived(tmp_path)
    window = archive.load("SOLUSDT", FIVE)
    gap_opens = to_ms(START) - 300_000
    place = int(np.searchsorted(window.times, gap_opens))
    archive.store(without(window, place), source="made", replace=True)
    market = replay(archive, START + HOUR)
    with pytest.raises(CandlesUnavailable, match=r"candle to 2024-01-10 00:00:00.* is missing"):
        market.candles("SOLUSDT", FIVE, end=START, limit=10)
    with pytest.raises(CandlesUnavailable, match="is missing"):
        market.candles("SOLUSDT", HOUR, end=START, limit=10)
    after = market.candles("SOLUSDT", FIVE, end=START + FIVE, limit=2)
    assert after.times[0] == gap_opens - 300_000


def test_a_quote_in_a_gap_carries_the_time_of_the_last_price(tmp_path: Path) -> None:
    archive = archived(tmp_path)
    last_close = archive.load("SOLUSDT", FIVE).last_close_time
    assert replay(archive, last_close + timedelta(minutes=4)).quote("SOLUSDT").time > last_close
    assert replay(archive, last_close + timedelta(hours=2)).quote("SOLUSDT").time == last_close


def test_the_spread_is_a_hundredth_of_a_percent_rounded_outward(tmp_path: Path) -> None:
    quote = replay(archived(tmp_path), START).quote("SOLUSDT")
    tick = Decimal("0.01")
    modelled = quote.last * Decimal("0.0001")
    assert modelled <= quote.ask - quote.bid <= modelled + 2 * tick


def test_funding_is_modelled_as_a_constant(tmp_path: Path) -> None:
    market = replay(archived(tmp_path), START)
    events = market.funding("SOLUSDT", START - timedelta(days=1), START)
    assert [(event.time.hour, event.rate) for event in events] == [
        (8, Decimal("0.0001")),
        (16, Decimal("0.0001")),
        (0, Decimal("0.0001")),
    ]
    assert events[-1].mark == market.quote("SOLUSDT").last


def test_a_symbol_is_listed_with_its_first_candle(tmp_path: Path) -> None:
    market = replay(archived(tmp_path), START)
    assert market.ticker("SOLUSDT").listed_at == START - timedelta(days=10)
    assert market.last_moment == START + timedelta(days=20)


def test_prices_come_from_the_finest_candles_that_cover_the_replay(tmp_path: Path) -> None:
    archive = archived(tmp_path, timeframe="1h")
    archived(tmp_path, timeframe="5m")
    archived(tmp_path, timeframe="1m", days=13)
    assert replay(archive, START).monitor_interval("SOLUSDT") == FIVE


def test_a_stored_interval_serves_history_that_finer_candles_lack(tmp_path: Path) -> None:
    archive = archived(tmp_path, timeframe="1h")
    source = SimulatedMarket(3, SteppedClock(END), 1)
    fine = source.candles("SOLUSDT", FIVE, end=END, limit=(END - START) // FIVE)
    archive.store(fine, source="made")
    market = replay(archive, START)
    assert market.monitor_interval("SOLUSDT") == FIVE
    assert len(market.candles("SOLUSDT", HOUR, end=START, limit=100)) == 100


def test_a_replay_without_any_candle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandlesUnavailable, match="none in the replay from 2024-01-10"):
        replay(archived(tmp_path, days=10), START)


def test_a_price_before_the_first_candle_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(CandlesUnavailable, match="no price before"):
        replay(archived(tmp_path), START - timedelta(days=11)).quote("SOLUSDT")


def test_a_symbol_without_candles_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnknownSymbol, match="ETHUSDT is not in the archive; it has SOLUSDT"):
        replay(archived(tmp_path), START, symbol="ETHUSDT")


def test_rules_of_an_unknown_symbol_follow_its_prices(tmp_path: Path) -> None:
    known = archived(tmp_path).load("SOLUSDT", FIVE)
    archive = Archive(tmp_path)
    columns = (getattr(known, name) for name in ("open", "high", "low", "close", "volume"))
    archive.store(CandleWindow("NEWUSDT", FIVE, known.times, *columns), source="made")
    rules = replay(archive, START, symbol="NEWUSDT").instrument("NEWUSDT")
    price = Decimal(str(known.close[-1]))
    assert rules.tick_size == Decimal("0.01")
    assert rules.min_qty * price <= 1 < rules.min_qty * price * 10
    assert rules.max_leverage == 25


def test_candles_with_a_missing_part_are_left_out() -> None:
    times = np.array([0, 1, 3, 4, 5, 6, 7, 8], dtype=np.int64) * 300_000
    prices = np.arange(1.0, 9.0)
    window = CandleWindow("BTCUSDT", FIVE, times, prices, prices, prices, prices, prices)
    made = aggregate(window, TIMEFRAMES["15m"])
    assert made.times.tolist() == [900_000, 1_800_000]
    assert (made.open.tolist(), made.close.tolist()) == ([3.0, 6.0], [5.0, 8.0])
    assert made.volume.tolist() == [12.0, 21.0]
    assert len(aggregate(window, TIMEFRAMES["1h"])) == 0
