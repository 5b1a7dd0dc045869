"""``manage.py download_candles SYMBOL[,SYMBOL]``: fill the candle archive from Bybit."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from exchange.bybit.connect import open_door
from exchange.bybit.download import Download, Downloaded, Progress
from exchange.bybit.hosts import HostRefused, choice_of_hosts, hosts_for
from exchange.bybit.rest import BybitRest, region_hint
from exchange.choices import Mode, Region
from exchange.domain import TIMEFRAMES
from exchange.errors import CandleFileError, ExchangeError, MarketDataError
from exchange.management.base import DatabaseCommand
from exchange.market.archive import Archive, default_archive

SYMBOL = re.compile(r"[A-Z0-9]{2,40}")


class Command(DatabaseCommand):
    help = (
        "Download candles from Bybit into the archive that replays read. Only candles that are "
        "lacking are asked for, so it can be stopped and started again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbols", metavar="SYMBOL[,SYMBOL]", help="such as BTCUSDT,ETHUSDT")
        parser.add_argument("--interval", default="1m", help=f"one of {', '.join(TIMEFRAMES)}")
        parser.add_argument(
            "--from", dest="start", required=True, help="first day or time, UTC: 2024-01-01"
        )
        parser.add_argument(
            "--to", dest="end", default="", help="candles open before it; the present if left out"
        )
        parser.add_argument(
            "--region",
            default=Region.GLOBAL.value,
            help=f"Bybit's site: one of {choice_of_hosts()}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        symbols = _symbols(options["symbols"])
        interval = _interval(options["interval"])
        start, end = _period(options["start"], options["end"])
        region = _region(options["region"])
        try:
            host = urlsplit(hosts_for(Mode.PAPER, region).rest).netloc
            rest = open_door(Mode.PAPER, region, None)
        except HostRefused as error:
            raise CommandError(str(error)) from error
        archive = default_archive()
        try:
            with _stopped_by_signals():
                for symbol in symbols:
                    self._download(rest, archive, symbol, interval, start, end, host)
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped. What was fetched is stored; the same command goes on from there."
            ) from None
        except (ExchangeError, MarketDataError, CandleFileError) as error:
            hint = region_hint(error.__cause__ or error)
            raise CommandError(f"{error} {hint}".strip()) from error
        finally:
            rest.close()

    def _download(
        self,
        rest: BybitRest,
        archive: Archive,
        symbol: str,
        interval: timedelta,
        start: datetime,
        end: datetime,
        host: str,
    ) -> None:
        def note(progress: Progress) -> None:
            self.stdout.write(f"{symbol}: {_in_words(progress)}")

        download = Download(rest, archive, symbol, interval, source=f"Bybit ({host})", note=note)
        self.stdout.write(f"{symbol}: {_result(download.run(start, end))}")


def _symbols(text: str) -> list[str]:
    symbols = list(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
    for symbol in symbols:
        if not SYMBOL.fullmatch(symbol):
            raise CommandError(f"{symbol!r} is no symbol; write it as BTCUSDT")
    if not symbols:
        raise CommandError("name at least one symbol, such as BTCUSDT")
    return symbols


def _interval(text: str) -> timedelta:
    if text not in TIMEFRAMES:
        raise CommandError(f"interval {text} is not supported; use one of {', '.join(TIMEFRAMES)}")
    return TIMEFRAMES[text]


def _region(text: str) -> Region:
    try:
        return Region(text)
    except ValueError:
        raise CommandError(f"{text} is no site of Bybit; use one of {choice_of_hosts()}") from None


def _period(start_text: str, end_text: str) -> tuple[datetime, datetime]:
    start = _moment("--from", start_text)
    end = _moment("--to", end_text) if end_text else timezone.now()
    if start >= end:
        raise CommandError(f"--from ({start:%Y-%m-%d %H:%M}) is not before --to or the present")
    return start, end


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{name} {text} is no date; write it as 2024-01-31") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _in_words(progress: Progress) -> str:
    if progress.wanted == 0:
        return "the archive has everything already"
    share = 100 * progress.done // progress.wanted
    text = f"{progress.done:,} of {progress.wanted:,} lacking candles asked for ({share} %)"
    if progress.left_s is None or progress.done == progress.wanted:
        return text
    return f"{text}, about {_duration(progress.left_s)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _result(downloaded: Downloaded) -> str:
    text = f"{downloaded.fetched:,} candles stored"
    if downloaded.missing:
        text += f"; Bybit does not have {downloaded.missing:,} of the candles asked for"
    return text


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let a request to end (SIGTERM) stop the command as Ctrl-C does, so that it can store."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
