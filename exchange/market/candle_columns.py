"""Columns of a candle file as numbers, whatever the file calls and writes them.

Rows are counted from 1, the header not included, in every message.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from exchange.candles import Floats, Ints, to_ms
from exchange.errors import CandleFileError

EXTENSIONS = (".parquet", ".csv", ".csv.gz")
SHOWN_ROWS = 5

_NAMES = {
    "time": ("ts", "time", "timestamp", "open_time", "opentime", "start_time", "date", "datetime"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume"),
}
PRICES = ("open", "high", "low", "close")
_PARQUET_MAGIC, _GZIP_MAGIC = b"PAR1", b"\x1f\x8b"
# Epoch numbers of the years 1973 to 5138: each unit has a range of its own.
_UNITS_PER_S = ((1e8, 1), (1e11, 10**3), (1e14, 10**6), (1e17, 10**9))
_LAST_EPOCH = 1e20

Column = npt.NDArray[Any]


class Columns(NamedTuple):
    """Open times in epoch milliseconds and the five numbers of each row, unchecked."""

    time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def read_columns(path: Path) -> Columns:
    """All rows of a parquet, csv or csv.gz file; ``CandleFileError`` if any cannot be read."""
    raw = _read_raw(path)
    by_name = {name.strip().lower(): column for name, column in raw.items()}
    picked, missing = {}, []
    for wanted, names in _NAMES.items():
        found = next((name for name in names if name in by_name), None)
        if found is None:
            missing.append(wanted)
        else:
            picked[wanted] = by_name[found]
    if missing:
        raise CandleFileError(
            f"columns missing: {', '.join(missing)}; the file has {', '.join(raw) or 'none'}"
        )
    if len(picked["time"]) == 0:
        raise CandleFileError("the file has no rows")
    return Columns(
        _times(picked["time"]), *(_numbers(picked[name], name) for name in (*PRICES, "volume"))
    )


def listed(problems: Iterable[str]) -> list[str]:
    """The first few problems of one kind and how many more there are."""
    found = list(problems)
    more = len(found) - SHOWN_ROWS
    return found[:SHOWN_ROWS] + ([f"and {more} more"] if more > 0 else [])


def file_kind(path: Path) -> str:
    """The one of ``EXTENSIONS`` the name ends in; ``CandleFileError`` if there is no such file or
    it is of another kind."""
    if not path.exists():
        raise CandleFileError(f"there is no file {path}")
    extension = next((end for end in EXTENSIONS if path.name.lower().endswith(end)), None)
    if extension is None:
        raise CandleFileError(f"unknown kind of file; this reads {', '.join(EXTENSIONS)}")
    return extension


def _read_raw(path: Path) -> dict[str, Column]:
    extension = file_kind(path)
    try:
        with path.open("rb") as file:
            head = file.read(4)
        _refuse_other_content(head, extension)
        return _read_parquet(path) if extension == ".parquet" else _read_csv(path)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as exc:
        raise CandleFileError(f"the file is unreadable or cut off: {exc}") from exc


def _refuse_other_content(head: bytes, extension: str) -> None:
    if not head:
        raise CandleFileError("the file is empty")
    actual = {_PARQUET_MAGIC: ".parquet", _GZIP_MAGIC: ".csv.gz"}
    found = next((kind for magic, kind in actual.items() if head.startswith(magic)), ".csv")
    if found != extension:
        raise CandleFileError(f"the name ends in {extension} but the content is not {extension}")


def _read_parquet(path: Path) -> dict[str, Column]:
    # Imported here because pyarrow takes 40 MB that no other process needs.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as exc:
        raise CandleFileError(f"the file is unreadable or cut off: {exc}") from exc
    columns: dict[str, Column] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
        columns[name] = column.to_numpy(zero_copy_only=False)
    return columns


def _read_csv(path: Path) -> dict[str, Column]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    header, body = rows[0] if rows else [], [row for row in rows[1:] if row]
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise CandleFileError(
                f"row {number} has {len(row)} fields where the header has {len(header)}"
            )
    columns = list(zip(*body, strict=True)) or [()] * len(header)
    return {
        name: np.array(column, dtype=object) for name, column in zip(header, columns, strict=True)
    }


def _numbers(column: Column, name: str) -> Floats:
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        problems = [
            f"row {number}: {name} {value!r} is not a number"
            for number, value in enumerate(column, start=1)
            if not _is_number(value)
        ]
        raise CandleFileError(
            "there are values that are not numbers", problems=listed(problems)
        ) from None


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _times(column: Column) -> Ints:
    """Epoch milliseconds from numbers of any usual unit or from ISO 8601 text (UTC if bare)."""
    if column.dtype == object:
        column = _parsed_times(column)
    if not np.isfinite(column).all():
        row = int(np.flatnonzero(~np.isfinite(column))[0]) + 1
        raise CandleFileError(f"row {row}: the time is missing")
    typical = float(np.median(column))
    if not _UNITS_PER_S[0][0] <= typical < _LAST_EPOCH:
        raise CandleFileError(f"{typical:g} is no time: epoch s, ms, us, ns or ISO 8601 expected")
    per_s = next(units for least, units in reversed(_UNITS_PER_S) if typical >= least)
    if per_s == 1:
        return (column * 1000).astype(np.int64)
    return (column // (per_s // 1000)).astype(np.int64)


def _parsed_times(column: Column) -> Column:
    parsed: list[int | float] = []
    problems = []
    for number, value in enumerate(column, start=1):
        try:
            parsed.append(_parse_time(value))
        except (TypeError, ValueError):
            problems.append(f"row {number}: {value!r} is no time")
    if problems:
        raise CandleFileError("there are times that cannot be read", problems=listed(problems))
    return np.array(parsed)


def _parse_time(value: object) -> int | float:
    text = str(value).strip()
    # Whole numbers stay whole: nanoseconds do not fit a float, but do fit 64 bits.
    if text.isdecimal() and len(text) < 20:
        return int(text)
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
