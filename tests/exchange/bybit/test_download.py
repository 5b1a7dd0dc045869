from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from exchange.bybit.download import Download, Progress
from exchange.bybit.rest import region_hint
from exchange.candles import CandleWindow, to_ms
from exchange.domain import TIMEFRAMES
from exchange.errors import CandlesUnavailable, ExchangeError, MarketDataError, UnknownSymbol
from exchange.market.archive import Archive, default_archive
from exchange.models import CandleSeries
from tests.exchange.bybit.market_bench import SYMBOL, Venue, open_venue
from tests.exchange.conformance.market_data import same
from tests.simulators.bybit.server import SimServer

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 3, 10, 37, 21, tzinfo=UTC)
MINUTE, HOUR, DAY = (TIMEFRAMES[name] for name in ("1m", "1h", "1d"))
START = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def data_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    return tmp_path / "data"


@pytest.fixture
def venue() -> Venue:
    return open_venue(NOW)


class Bench:
    """One series of an archive and the notes of its downloads."""

    def __init__(self, venue: Venue, interval: timedelta = MINUTE) -> None:
        self.archive: Archive = default_archive()
        self.interval = interval
        self.notes: list[Progress] = []
        self.download = Download(
            venue.rest,
            self.archive,
            SYMBOL,
            interval,
            source="Bybit (api.bybit.com)",
            note=self.notes.append,
        )

    def stored(self) -> CandleWindow:
        return self.archive.load(SYMBOL, self.interval)


def test_a_period_is_fetched_whole_and_its_source_is_named(venue: Venue) -> None:
    bench = Bench(venue)
    result = bench.download.run(START, START + 2 * DAY)
    assert (result.wanted, result.fetched, result.missing) == (2880, 2880, 0)
    assert bench.stored().times[0] == to_ms(START)
    assert set(np.diff(bench.stored().times)) == {60_000}
    assert CandleSeries.objects.get().source == "Bybit (api.bybit.com)"
    expected = venue.market().candles(SYMBOL, MINUTE, end=START + 2 * DAY, limit=2880)
    assert same(bench.stored(), expected)


def test_only_what_the_archive_lacks_is_asked_for(venue: Venue) -> None:
    bench = Bench(venue, HOUR)
    bench.download.run(START + 5 * HOUR, START + 10 * HOUR)
    bench.download.run(START + 20 * HOUR, START + 30 * HOUR)
    assert bench.download.run(START, START + 40 * HOUR).wanted == 25
    asked = venue.asked("kline")
    assert bench.download.run(START, START + 40 * HOUR).wanted == 0
    assert venue.asked("kline") == asked == 5
    assert list(bench.stored().times) == [to_ms(START + hour * HOUR) for hour in range(40)]


def test_candles_that_are_not_final_are_not_taken(venue: Venue) -> None:
    bench = Bench(venue)
    venue.clock.move_to(NOW.replace(second=0) + MINUTE + timedelta(seconds=1))
    bench.download.run(NOW - HOUR, NOW + DAY)
    assert bench.stored().last_close_time == NOW.replace(second=0)


def test_nothing_is_asked_for_before_the_symbol_was_listed(venue: Venue) -> None:
    bench = Bench(venue, DAY)
    result = bench.download.run(datetime(2010, 1, 1, tzinfo=UTC), NOW - timedelta(days=415))
    assert (result.wanted, result.missing) == (6, 0)


def test_an_interruption_loses_nothing_that_was_fetched(venue: Venue) -> None:
    bench = Bench(venue)
    venue.knobs.add("/v5/market/kline", "delay", times=-1, ms=700)

    def stop(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    interrupted = Download(
        venue.rest, bench.archive, SYMBOL, MINUTE, source="Bybit (api.bybit.com)", note=stop
    )
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(START, START + timedelta(minutes=900))
    venue.knobs.clear()
    assert len(bench.stored()) == 900
    assert bench.download.run(START, START + 2 * DAY).wanted == 1980


def test_a_venue_that_fails_midway_loses_nothing(venue: Venue) -> None:
    bench = Bench(venue)
    second_page = {"start": to_ms(START + timedelta(minutes=1000))}
    venue.knobs.add("/v5/market/kline", "reset", times=-1, match=second_page)
    with pytest.raises(ExchangeError):
        bench.download.run(START, START + DAY)
    assert len(bench.stored()) == 1000
    venue.knobs.clear()
    venue.clock.sleep(60)
    assert bench.download.run(START, START + DAY).fetched == 440


def test_progress_is_told_to_the_end(venue: Venue) -> None:
    bench = Bench(venue)
    bench.download.run(START, START + 2 * DAY)
    assert bench.notes[0] == Progress(0, 2880, None)
    assert (bench.notes[-1].done, bench.notes[-1].left_s) == (2880, 0)


def test_candles_of_another_source_stay_and_both_are_named(venue: Venue) -> None:
    bench = Bench(venue, HOUR)
    times = np.array([to_ms(START)])
    one = np.array([5.0])
    bench.archive.store(
        CandleWindow(SYMBOL, HOUR, times, one, one, one, one, one), source="mine.csv"
    )
    bench.download.run(START, START + 3 * HOUR)
    assert bench.stored().close[0] == 5
    assert len(bench.stored()) == 3
    assert CandleSeries.objects.get().source == "mine.csv, Bybit (api.bybit.com)"


def test_a_damaged_series_is_not_written_over(venue: Venue, data_folder: Path) -> None:
    bench = Bench(venue, HOUR)
    bench.download.run(START, START + 3 * HOUR)
    next((data_folder / "archive").glob("*.parquet")).write_bytes(b"broken")
    fresh = Bench(venue, HOUR)
    with pytest.raises(CandlesUnavailable, match="missing or not what was imported"):
        fresh.download.run(START, START + 5 * HOUR)


def test_a_symbol_that_does_not_exist_is_refused(venue: Venue) -> None:
    download = Download(
        venue.rest, default_archive(), "NONEUSDT", HOUR, source="", note=lambda progress: None
    )
    with pytest.raises(UnknownSymbol, match="NONEUSDT"):
        download.run(START, NOW)


def test_an_address_that_is_refused_gets_a_hint(venue: Venue) -> None:
    venue.knobs.add("/v5/market/instruments-info", "status", times=-1, status=403)
    with pytest.raises(MarketDataError) as refusal:
        Bench(venue).download.run(START, NOW)
    assert isinstance(refusal.value.__cause__, ExchangeError)
    assert "bybit.nl" in region_hint(refusal.value.__cause__)


@pytest.fixture
def server(settings: Settings) -> Iterator[SimServer]:
    with SimServer() as running:
        settings.BYBIT_REST_URL = running.url
        yield running


def run(*arguments: str) -> str:
    """What the command printed; a refusal is added."""
    out = io.StringIO()
    try:
        call_command("download_candles", *arguments, stdout=out)
    except CommandError as error:
        out.write(f"exit: {error}\n")
    return out.getvalue()


def test_the_command_downloads_several_symbols(server: SimServer) -> None:
    day = (datetime.now(UTC) - 3 * DAY).date()
    period = ("--from", str(day), "--to", str(day + DAY))
    out = run("btcusdt,ETHUSDT", "--interval", "1h", *period)
    assert "BTCUSDT: 24 of 24 lacking candles asked for (100 %)" in out
    assert "ETHUSDT: 24 candles stored" in out
    assert len(default_archive().load("ETHUSDT", HOUR)) == 24
    again = run("BTCUSDT", "--interval", "1h", *period)
    assert "BTCUSDT: the archive has everything already" in again


def test_the_command_stops_on_request_and_keeps_what_it_has(server: SimServer) -> None:
    server.knobs.add("/v5/market/kline", "delay", times=-1, ms=250)

    def end() -> None:
        while server.responder.counts["GET /v5/market/kline"] < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    start = datetime.now(UTC) - 30 * DAY
    out = run("BTCUSDT", "--from", start.isoformat())
    thread.join()
    assert "exit: Stopped. What was fetched is stored" in out
    assert len(default_archive().load("BTCUSDT", MINUTE)) >= 2000


def test_the_command_says_what_to_try_where_the_address_is_refused(server: SimServer) -> None:
    server.knobs.add("*", "status", times=-1, status=403)
    out = run("BTCUSDT", "--from", "2026-01-01")
    assert "exit: " in out
    assert "403" in out
    assert "bybit.nl" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("BTC/USDT", "--from", "2024-01-01"), "'BTC/USDT' is no symbol"),
        ((",", "--from", "2024-01-01"), "name at least one symbol"),
        (("BTCUSDT", "--from", "yesterday"), "--from yesterday is no date"),
        (("BTCUSDT", "--from", "2024-01-01", "--to", "x"), "--to x is no date"),
        (("BTCUSDT", "--from", "2024-01-02", "--to", "2024-01-01"), "is not before --to"),
        (("BTCUSDT", "--from", "2999-01-01"), "is not before --to or the present"),
        (("BTCUSDT", "--from", "2024-01-01", "--interval", "7m"), "interval 7m is not supported"),
        (("BTCUSDT", "--from", "2024-01-01", "--region", "bybit.xx"), "is no site of Bybit"),
        (("BTCUSDT",), "--from"),
    ],
)
def test_the_command_refuses_bad_arguments_in_words(arguments: tuple[str, ...], words: str) -> None:
    assert words in run(*arguments)
