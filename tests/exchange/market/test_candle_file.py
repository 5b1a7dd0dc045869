from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exchange.candles import to_ms
from exchange.errors import CandleFileError
from exchange.market.candle_file import CandleFile, read_candle_file

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
HEADER = "ts,open,high,low,close,volume"
SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "candles"


def row(hour: float, prices: str = "100,102,99,101", volume: str = "5") -> str:
    return f"{to_ms(START) + int(hour * 3_600_000)},{prices},{volume}"


def text(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join((header, *rows, "")).encode()


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def read(path: Path, **said: str) -> CandleFile:
    return read_candle_file(path, now=NOW, **said)


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@dataclass(frozen=True, slots=True)
class Broken:
    content: bytes
    message: str
    name: str = "BTCUSDT-1h.csv"


BROKEN = {
    "empty": Broken(b"", "the file is empty"),
    "header only": Broken(text(), "the file has no rows"),
    "missing column": Broken(
        text("1,2,3,4,5", header="ts,open,high,low,close"),
        "columns missing: volume; the file has ts, open, high, low, close",
    ),
    "no number": Broken(
        text(row(0), row(1, prices="100,abc,99,101")), "row 2: high 'abc' is not a number"
    ),
    "hole in a column": Broken(
        text(row(0, prices="100,102,nan,101")), "row 1: low is missing or not finite"
    ),
    "high below low": Broken(
        text(row(0), row(1, prices="100,99,102,100")), "row 2: high 99 is below low 102"
    ),
    "close outside": Broken(
        text(row(0, prices="100,102,99,103")), "row 1: close 103 is outside 99 to 102"
    ),
    "zero price": Broken(text(row(0, prices="100,102,0,101")), "row 1: low 0 is not above zero"),
    "negative volume": Broken(text(row(0, volume="-1")), "row 1: volume -1 is negative"),
    "duplicate": Broken(text(row(0), row(1), row(1)), "row 3: the same time as the row before"),
    "unordered": Broken(text(row(0), row(2), row(1)), "row 3: earlier than the row before"),
    "wrong interval": Broken(
        text(row(0), row(1), row(2)), "the candles are 1h apart, not 5m", name="BTCUSDT-5m.csv"
    ),
    "not on a boundary": Broken(
        text(row(0.5), row(1.5)), "row 1: 2024-01-01 00:30:00 is not a 1h boundary"
    ),
    "future": Broken(
        text(row(24 * 152 - 1), row(24 * 152)), "row 2: the candle of 2024-06-01 00:00 has not"
    ),
    "time of no unit": Broken(text("12,100,102,99,101,5"), "12 is no time"),
    "time beyond all": Broken(text("9" * 30 + ",100,102,99,101,5"), "1e+30 is no time"),
    "time left out": Broken(text("nan,100,102,99,101,5"), "row 1: the time is missing"),
    "time of no sense": Broken(text("soon,100,102,99,101,5"), "row 1: 'soon' is no time"),
    "short row": Broken(text(row(0), "1,2"), "row 2 has 2 fields where the header has 6"),
    "binary": Broken(b"\xff\xfe\x00\x01", "unreadable or cut off"),
    "cut off": Broken(
        gzip.compress(text(*(row(hour) for hour in range(99))))[:-40],
        "unreadable or cut off",
        name="BTCUSDT-1h.csv.gz",
    ),
    "cut off parquet": Broken(
        b"PAR1" + bytes(50), "unreadable or cut off", name="BTCUSDT-1h.parquet"
    ),
    "unknown extension": Broken(text(row(0)), "unknown kind of file", name="BTCUSDT-1h.xlsx"),
    "wrong extension": Broken(
        text(row(0)), "the content is not .parquet", name="BTCUSDT-1h.parquet"
    ),
    "no symbol": Broken(text(row(0)), "give --symbol and --interval", name="candles.csv"),
    "unsupported interval": Broken(
        text(row(0)), "interval 3m is not supported; use one of 1m, 5m", name="BTCUSDT-3m.csv"
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_broken_file_is_refused_with_its_reason(tmp_path: Path, broken: Broken) -> None:
    path = write(tmp_path, broken.name, broken.content)
    with pytest.raises(CandleFileError) as refusal:
        read(path)
    assert broken.message in "\n".join([str(refusal.value), *refusal.value.problems])


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match=r"there is no file .*BTCUSDT-1h.csv"):
        read(tmp_path / "BTCUSDT-1h.csv")


def test_a_symbol_cannot_lead_out_of_the_archive(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", text(row(0)))
    with pytest.raises(CandleFileError, match="is no symbol"):
        read(path, symbol="../BTCUSDT", timeframe="1h")


def test_many_problems_of_one_kind_are_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1h.csv", text(*(row(h, volume="-1") for h in range(9))))
    with pytest.raises(CandleFileError) as refusal:
        read(path)
    assert len(refusal.value.problems) == 6
    assert refusal.value.problems[-1] == "and 4 more"


def test_rows_left_out_are_counted_once(tmp_path: Path) -> None:
    rows = [row(hour) for hour in range(500, 0, -1)]
    path = write(tmp_path, "BTCUSDT-1h.csv", text(*rows))
    with pytest.raises(CandleFileError) as refusal:
        read(path)
    assert refusal.value.problems[4:] == ["row 6: earlier than the row before", "and 494 more"]


@pytest.mark.parametrize(
    ("name", "why"), [("candles.xlsx", "unknown kind of file"), ("candles.csv", "as in BTC.*csv;")]
)
def test_the_kind_of_file_comes_before_its_name(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(CandleFileError, match=why):
        read(write(tmp_path, name, text(row(0))))


def test_gaps_are_told_and_accepted(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-1h.csv", text(row(0), row(1), row(2), row(5), row(6)))
    found = read(path)
    assert len(found.window) == 5
    assert found.gaps == ("row 4: 2 candles missing before 2024-01-01 05:00",)


def seconds(moment: datetime) -> str:
    return str(to_ms(moment) // 1000)


TIMES: dict[str, Callable[[datetime], str]] = {
    "s": seconds,
    "float s": lambda moment: f"{seconds(moment)}.0",
    "ms": lambda moment: f"{seconds(moment)}000",
    "us": lambda moment: f"{seconds(moment)}000000",
    "ns": lambda moment: f"{seconds(moment)}000000000",
    "iso": lambda moment: moment.isoformat(),
    "iso Z": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    "bare iso": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}",
    "other zone": lambda moment: f"{moment + timedelta(hours=2):%Y-%m-%d %H:%M:%S}+02:00",
}


@pytest.mark.parametrize("written", TIMES.values(), ids=TIMES)
def test_the_unit_of_time_is_found(tmp_path: Path, written: Callable[[datetime], str]) -> None:
    rows = [f"{written(START + timedelta(hours=h))},100,102,99,101,5" for h in (7, 8)]
    window = read(write(tmp_path, "BTCUSDT-1h.csv", text(*rows))).window
    assert window.candle(0).open_time == START + timedelta(hours=7)
    assert window.last_close_time == START + timedelta(hours=9)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_timestamps_are_read(tmp_path: Path, unit: str) -> None:
    moments = pa.array([START, START + timedelta(hours=1)], pa.timestamp(unit, tz="UTC"))
    price = [100.0, 100.0]
    path = parquet(
        tmp_path / "BTCUSDT-1h.parquet",
        Timestamp=moments, Open=price, High=price, Low=price, Close=price, Volume=[1, 2],
    )  # fmt: skip
    window = read(path).window
    assert window.candle(1).open_time == START + timedelta(hours=1)
    assert window.volume.tolist() == [1.0, 2.0]


def test_other_usual_column_names_are_known(tmp_path: Path) -> None:
    content = text(row(0), header="Open_Time, O, H, L, C, Vol")
    assert read(write(tmp_path, "BTCUSDT-1h.csv", content)).window.high.tolist() == [102]


def test_columns_that_are_not_needed_are_left_alone(tmp_path: Path) -> None:
    content = text(row(0) + ",x", header=HEADER + ",note")
    assert len(read(write(tmp_path, "BTCUSDT-1h.csv", content)).window) == 1


def test_symbol_and_interval_come_from_the_name_or_the_operator(tmp_path: Path) -> None:
    named = read(write(tmp_path, "BTCUSDT_BINANCE_PERP-1h.csv", text(row(0)))).window
    said = read(write(tmp_path, "x.csv", text(row(0))), symbol="ETHUSDT", timeframe="1h").window
    assert (named.symbol, named.interval) == ("BTCUSDT_BINANCE_PERP", timedelta(hours=1))
    assert said.symbol == "ETHUSDT"


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no real candles: ../shared/data is absent")
@pytest.mark.parametrize("name", ["SOLUSDT-1h", "BTCUSDT-5m"])
def test_real_parquet_and_csv_of_the_same_candles_are_equal(name: str) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    from_parquet = read_candle_file(SHARED / f"{name}.parquet", now=now)
    from_csv = read_candle_file(SHARED / f"{name}.csv.gz", now=now)
    assert from_parquet.gaps == from_csv.gaps == ()
    assert len(from_parquet.window) > 30_000
    for column in ("times", "open", "high", "low", "close", "volume"):
        left, right = getattr(from_parquet.window, column), getattr(from_csv.window, column)
        assert (left == right).all()
