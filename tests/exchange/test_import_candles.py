from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from exchange.market.archive import default_archive
from exchange.models import CandleSeries

pytestmark = pytest.mark.django_db

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def data_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    return tmp_path / "data"


def candle_file(folder: Path, name: str, hours: list[int], *, high: int = 102) -> str:
    rows = [f"{(START + hour * HOUR).isoformat()},100,{high},99,101,5" for hour in hours]
    path = folder / name
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows, ""]))
    return str(path)


def run(*arguments: str) -> tuple[str, str]:
    """What the command printed; a refusal is added to the error output."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("import_candles", *arguments, stdout=out, stderr=err)
    except CommandError as exc:
        err.write(f"exit: {exc}\n")
    return out.getvalue(), err.getvalue()


def test_a_file_is_imported_and_summed_up(tmp_path: Path) -> None:
    out, err = run(candle_file(tmp_path, "BTCUSDT-1h.csv", [0, 1, 2]))
    assert "[1/1] BTCUSDT-1h.csv: reading" in out
    assert "BTCUSDT now has 3 candles from 2024-01-01 00:00 to 2024-01-01 02:00, gaps: 0" in out
    assert err == ""
    assert len(default_archive().load("BTCUSDT", HOUR)) == 3


def test_a_bad_file_is_refused_and_the_others_are_imported(tmp_path: Path) -> None:
    _, err = run(
        candle_file(tmp_path, "BTCUSDT-1h.csv", [0, 1]),
        candle_file(tmp_path, "ETHUSDT-1h.csv", [0, 1], high=90),
        candle_file(tmp_path, "SOLUSDT-1h.csv", [0, 1]),
    )
    assert "ETHUSDT-1h.csv: REFUSED, nothing imported: the file holds impossible data" in err
    assert "rows are counted from 1 without the header" in err
    assert "    row 1: high 90 is below low 99" in err
    assert "exit: 1 of 3 files were refused" in err
    assert set(CandleSeries.objects.values_list("symbol", flat=True)) == {"BTCUSDT", "SOLUSDT"}


def test_gaps_are_warned_about_and_imported(tmp_path: Path) -> None:
    out, err = run(candle_file(tmp_path, "BTCUSDT-1h.csv", [0, 1, 2, 5]))
    assert "    row 4: 2 candles missing before 2024-01-01 05:00" in err
    assert "gaps: 1" in out
    assert CandleSeries.objects.get().rows == 4


def test_a_gap_between_two_files_is_counted(tmp_path: Path) -> None:
    run(candle_file(tmp_path, "BTCUSDT-1h.csv", [0, 1, 2]))
    out, _ = run(candle_file(tmp_path, "BTCUSDT-1h.csv", [10, 11]))
    assert "BTCUSDT now has 5 candles" in out
    assert "gaps: 1" in out


def test_gaps_are_refused_on_request(tmp_path: Path) -> None:
    _, err = run(candle_file(tmp_path, "BTCUSDT-1h.csv", [0, 1, 2, 5]), "--refuse-gaps")
    assert "REFUSED, nothing imported: candles are missing" in err
    assert not CandleSeries.objects.exists()


def test_a_stored_series_is_replaced_only_on_request(tmp_path: Path) -> None:
    run(candle_file(tmp_path, "BTCUSDT-1h.csv", [0, 1, 2]))
    again = candle_file(tmp_path, "BTCUSDT-1h.csv", [1, 2, 3, 4])
    _, err = run(again)
    assert "which overlaps; --replace" in err
    assert CandleSeries.objects.get().rows == 3
    run(again, "--replace")
    assert CandleSeries.objects.get().rows == 4


def test_symbol_and_interval_can_be_said(tmp_path: Path) -> None:
    run(candle_file(tmp_path, "mine.csv", [0, 1]), "--symbol", "LTCUSDT", "--interval", "1h")
    assert len(default_archive().load("LTCUSDT", HOUR)) == 2


def test_an_archive_file_that_was_damaged_is_named_when_joining(
    tmp_path: Path, data_folder: Path
) -> None:
    run(candle_file(tmp_path, "BTCUSDT-1h.csv", [0, 1]))
    (data_folder / "archive" / CandleSeries.objects.get().path).write_bytes(b"")
    _, err = run(candle_file(tmp_path, "BTCUSDT-1h.csv", [2, 3]))
    assert "is missing or not what was imported from BTCUSDT-1h.csv" in err
