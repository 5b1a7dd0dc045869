"""The candle archive: one parquet file per symbol and interval, registered in ``CandleSeries``."""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction

from exchange.candles import CandleWindow, from_ms
from exchange.domain import TIMEFRAMES
from exchange.errors import CandleFileError, CandlesUnavailable, UnknownSymbol
from exchange.models import CandleSeries

_TIMEFRAME_OF = {interval: name for name, interval in TIMEFRAMES.items()}
_COLUMNS = ("times", "open", "high", "low", "close", "volume")


class Archive:
    """Stored candles in ``folder``.

    A file is named for its content and its row is written after it, so whatever moment a crash
    picks, each row names a whole file; at worst a file stays behind that no row names.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[tuple[str, timedelta], tuple[str, CandleWindow]] = {}

    def symbols(self) -> tuple[str, ...]:
        # Ordered by the symbol alone: the default order would make each interval distinct.
        names = CandleSeries.objects.order_by("symbol").values_list("symbol", flat=True)
        return tuple(names.distinct())

    def intervals(self, symbol: str) -> tuple[timedelta, ...]:
        """Stored intervals of ``symbol``, finest first; ``UnknownSymbol`` if there are none."""
        stored = CandleSeries.objects.filter(symbol=symbol).values_list("interval_s", flat=True)
        if not stored:
            raise UnknownSymbol(
                f"{symbol} is not in the archive; it has {', '.join(self.symbols()) or 'nothing'}"
            )
        return tuple(timedelta(seconds=seconds) for seconds in sorted(stored))

    def load(self, symbol: str, interval: timedelta) -> CandleWindow:
        """All candles of a series; read once and again only when its content has changed.

        ``CandlesUnavailable`` when there is no such series or its file is not what was imported.
        """
        series = _series(symbol, interval)
        if series is None:
            raise CandlesUnavailable(f"the archive has no {symbol} candles of {interval}")
        sha256, window = self._loaded.get((symbol, interval), ("", None))
        if window is None or sha256 != series.sha256:
            window = _read(self._folder / series.path, series)
            self._loaded[symbol, interval] = (series.sha256, window)
        return window

    def store(self, window: CandleWindow, *, source: str, replace: bool = False) -> CandleSeries:
        """Put checked candles into the archive and register them.

        They are joined to a series they do not overlap; ``CandleFileError`` if they overlap it
        and ``replace`` is not set, which drops the whole old series.
        """
        series = _series(window.symbol, window.interval)
        if series is not None and not replace:
            window = _joined(self.load(window.symbol, window.interval), window)
        path, sha256 = self._write(window)
        with transaction.atomic():
            stored, _ = CandleSeries.objects.update_or_create(
                symbol=window.symbol,
                interval_s=int(window.interval.total_seconds()),
                defaults={
                    "path": path.name,
                    "sha256": sha256,
                    "rows": len(window),
                    "first_open": from_ms(int(window.times[0])),
                    "last_open": from_ms(int(window.times[-1])),
                    "source": source[:200],
                },
            )
        if series is not None and series.path != path.name:
            (self._folder / series.path).unlink(missing_ok=True)
        return stored

    def _write(self, window: CandleWindow) -> tuple[Path, str]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                columns = {name: getattr(window, name) for name in _COLUMNS}
                pq.write_table(pa.table(columns), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            sha256 = _sha256(Path(temporary))
            name = f"{window.symbol}-{_TIMEFRAME_OF[window.interval]}-{sha256[:12]}.parquet"
            path = Path(temporary).replace(self._folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)
        return path, sha256


def default_archive() -> Archive:
    """The archive in the data folder."""
    return Archive(Path(settings.DATA_DIR) / "archive")


def _series(symbol: str, interval: timedelta) -> CandleSeries | None:
    seconds = int(interval.total_seconds())
    return CandleSeries.objects.filter(symbol=symbol, interval_s=seconds).first()


def _joined(old: CandleWindow, new: CandleWindow) -> CandleWindow:
    first, second = (old, new) if old.times[0] < new.times[0] else (new, old)
    if first.times[-1] >= second.times[0]:
        raise CandleFileError(
            f"the archive has {old.symbol} {_TIMEFRAME_OF[old.interval]} from "
            f"{old.candle(0).open_time:%Y-%m-%d %H:%M} to {old.last_close_time:%Y-%m-%d %H:%M}, "
            "which overlaps; --replace drops it for this file"
        )
    columns = (np.concatenate([getattr(first, name), getattr(second, name)]) for name in _COLUMNS)
    return CandleWindow(old.symbol, old.interval, *columns)


def _read(path: Path, series: CandleSeries) -> CandleWindow:
    import pyarrow.parquet as pq

    if not path.exists() or _sha256(path) != series.sha256:
        raise CandlesUnavailable(
            f"{path.name} is missing or not what was imported from {series.source}; "
            "import it again with --replace"
        )
    table = pq.read_table(path)
    columns = (table.column(name).to_numpy() for name in _COLUMNS)
    return CandleWindow(series.symbol, timedelta(seconds=series.interval_s), *columns)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
