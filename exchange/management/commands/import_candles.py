"""``manage.py import_candles FILE...``: put candle files into the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from exchange.errors import CandleFileError, MarketDataError
from exchange.management.base import DatabaseCommand
from exchange.market.archive import Archive, default_archive
from exchange.market.candle_columns import listed
from exchange.market.candle_file import CandleFile, find_gaps, read_candle_file

ROWS_COUNTED = "rows are counted from 1 without the header"


class Command(DatabaseCommand):
    help = (
        "Import candle files (parquet, csv, csv.gz) into the archive that replays read. "
        "A file with impossible data is refused as a whole; the others are imported."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--symbol", default="", help="instead of the one in the name")
        parser.add_argument("--interval", default="", help="instead of the one in the name: 1h")
        parser.add_argument(
            "--replace", action="store_true", help="drop a stored series the file overlaps"
        )
        parser.add_argument(
            "--refuse-gaps", action="store_true", help="refuse files that miss candles"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        archive = default_archive()
        files: list[Path] = options["files"]
        refused = 0
        for number, path in enumerate(files, start=1):
            self.stdout.write(f"[{number}/{len(files)}] {path.name}: reading")
            try:
                self._import(archive, path, options)
            except (CandleFileError, MarketDataError) as exc:
                refused += 1
                self._refuse(path, exc)
        if refused:
            raise CommandError(f"{refused} of {len(files)} files were refused")

    def _import(self, archive: Archive, path: Path, options: dict[str, Any]) -> None:
        candles = read_candle_file(
            path, now=timezone.now(), symbol=options["symbol"], timeframe=options["interval"]
        )
        self._report_gaps(path, candles, refuse=options["refuse_gaps"])
        self.stdout.write(f"    {len(candles.window):,} candles read and checked, writing")
        series = archive.store(candles.window, source=path.name, replace=options["replace"])
        stored = archive.load(candles.window.symbol, candles.window.interval)
        gaps = find_gaps(stored.times, stored.interval)
        self.stdout.write(
            f"{path.name}: imported, {series.symbol} now has {series.rows:,} candles from "
            f"{series.first_open:%Y-%m-%d %H:%M} to {series.last_open:%Y-%m-%d %H:%M}, "
            f"gaps: {len(gaps)}"
        )

    def _refuse(self, path: Path, refusal: CandleFileError | MarketDataError) -> None:
        problems = getattr(refusal, "problems", ())
        counted = f" ({ROWS_COUNTED})" if problems else ""
        self.stderr.write(f"{path.name}: REFUSED, nothing imported: {refusal}{counted}")
        for problem in problems:
            self.stderr.write(f"    {problem}")

    def _report_gaps(self, path: Path, candles: CandleFile, *, refuse: bool) -> None:
        if candles.gaps and refuse:
            raise CandleFileError("candles are missing", problems=listed(candles.gaps))
        if candles.gaps:
            self.stderr.write(f"{path.name}: warning: candles are missing ({ROWS_COUNTED})")
        for gap in listed(candles.gaps):
            self.stderr.write(f"    {gap}")
