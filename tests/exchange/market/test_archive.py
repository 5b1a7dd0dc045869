from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from exchange.candles import CandleWindow, to_ms
from exchange.errors import CandleFileError, CandlesUnavailable, UnknownSymbol
from exchange.market.archive import Archive
from exchange.models import CandleSeries

pytestmark = pytest.mark.django_db

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(first: int, last: int, *, price: float = 100.1) -> CandleWindow:
    times = to_ms(START) + np.arange(first, last, dtype=np.int64) * 3_600_000
    prices = np.full(len(times), price)
    return CandleWindow("BTCUSDT", HOUR, times, prices, prices, prices, prices, prices)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "archive").iterdir())


def test_stored_candles_come_back_exactly(archive: Archive) -> None:
    window = hours(0, 5)
    series = archive.store(window, source="a.csv")
    loaded = archive.load("BTCUSDT", HOUR)
    assert (series.rows, series.first_open, series.source) == (5, START, "a.csv")
    assert (loaded.times == window.times).all()
    assert loaded.candle(4) == window.candle(4)


def test_candles_that_follow_or_precede_are_joined(archive: Archive) -> None:
    for first, last in ((10, 20), (20, 30), (0, 8)):
        archive.store(hours(first, last), source="a.csv")
    loaded = archive.load("BTCUSDT", HOUR)
    assert len(loaded) == 28
    assert (np.diff(loaded.times) > 0).all()


def test_candles_that_overlap_are_refused(archive: Archive) -> None:
    archive.store(hours(0, 10), source="a.csv")
    with pytest.raises(CandleFileError, match="overlaps; --replace"):
        archive.store(hours(9, 20), source="b.csv")
    assert len(archive.load("BTCUSDT", HOUR)) == 10


def test_replacing_drops_the_old_series_and_its_file(archive: Archive, tmp_path: Path) -> None:
    archive.store(hours(0, 10), source="a.csv")
    archive.load("BTCUSDT", HOUR)
    series = archive.store(hours(5, 8, price=7.5), source="b.csv", replace=True)
    assert archive.load("BTCUSDT", HOUR).close.tolist() == [7.5] * 3
    assert files(tmp_path) == [series.path]


def test_storing_the_same_again_keeps_its_file(archive: Archive, tmp_path: Path) -> None:
    archive.store(hours(0, 10), source="a.csv")
    series = archive.store(hours(0, 10), source="a.csv", replace=True)
    assert files(tmp_path) == [series.path]
    assert CandleSeries.objects.count() == 1


def test_a_failed_write_leaves_nothing_behind(archive: Archive, tmp_path: Path) -> None:
    window = hours(0, 3)
    ragged = dataclasses.replace(window, volume=window.volume[:1])
    with pytest.raises(Exception, match="length"):
        archive.store(ragged, source="a.csv")
    assert files(tmp_path) == []
    assert not CandleSeries.objects.exists()


def test_a_file_that_was_changed_or_lost_is_not_read(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "archive" / archive.store(hours(0, 3), source="a.csv").path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CandlesUnavailable, match=r"not what was imported from a\.csv"):
        archive.load("BTCUSDT", HOUR)
    path.unlink()
    with pytest.raises(CandlesUnavailable, match="missing"):
        archive.load("BTCUSDT", HOUR)


def test_what_is_not_stored_is_named(archive: Archive) -> None:
    with pytest.raises(UnknownSymbol, match="it has nothing"):
        archive.intervals("ETHUSDT")
    archive.store(hours(0, 3), source="a.csv")
    archive.store(dataclasses.replace(hours(0, 1), interval=4 * HOUR), source="b.csv")
    assert archive.symbols() == ("BTCUSDT",)
    assert archive.intervals("BTCUSDT") == (HOUR, 4 * HOUR)
    with pytest.raises(UnknownSymbol, match="ETHUSDT is not in the archive; it has BTCUSDT"):
        archive.intervals("ETHUSDT")
    with pytest.raises(CandlesUnavailable, match="no BTCUSDT candles of 0:05:00"):
        archive.load("BTCUSDT", timedelta(minutes=5))
