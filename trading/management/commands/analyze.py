"""Read one chart now, print the reading and write the picture."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from analysis.analysts.openai import OpenAiAnalyst
from analysis.analysts.technical import TechnicalAnalyst
from analysis.calls.asking import Asking
from analysis.capture import CaptureFailed, PageCharts
from analysis.chart import render
from analysis.chart_source import MarketChartSource
from analysis.chart_style import style_of
from analysis.choices import CallPurpose
from analysis.domain import AnalysisInput
from analysis.errors import AnalystError
from analysis.foreign import foreign_read
from analysis.management.naming import profile_named, prompt_named
from analysis.models import Analysis, AnalystProfile, ChartImage, PromptVersion
from analysis.picture_store import PictureDamaged, foreign_store, picture_bytes
from analysis.ports import Analyst
from analysis.services import analysis_obtain, profile_technical
from analysis.uploads import MAX_BYTES, UploadRefused, picture_clean
from exchange.candles import floor_time
from exchange.domain import TIMEFRAMES
from exchange.errors import ExchangeError, MarketDataError
from exchange.management.base import DatabaseCommand
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.ai import account_purse, equity_stored
from trading.errors import TradingError
from trading.management.readings import foreign_lines, reading_lines
from trading.wiring import WALL, market_for


class Command(DatabaseCommand):
    """``manage.py analyze BTCUSDT 1h``: the newest closed candle, as the account's market has it.

    Nothing is traded on it. What a model costs is paid from the account's AI budget.
    """

    help = "Read one chart, print the reading and write the picture. Nothing is traded on it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol", help="for example BTCUSDT")
        parser.add_argument("timeframe", help=", ".join(TIMEFRAMES))
        parser.add_argument("--account", default="", help="whose market; the first one else")
        parser.add_argument("--image", default="", help="a picture of your own instead of candles")
        parser.add_argument(
            "--page", default="", help="a page with such a chart instead, by {symbol}, {timeframe}"
        )
        parser.add_argument("--profile", default="", help="who reads; the technical rules else")
        parser.add_argument("--prompt", default="", help='such as "Chart reading v2"')
        parser.add_argument("--out", default="", help="where the picture is written")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol, timeframe = options["symbol"].upper(), options["timeframe"]
        if timeframe not in TIMEFRAMES:
            raise CommandError(f"there is no timeframe {timeframe!r}; use {', '.join(TIMEFRAMES)}")
        account = _account(options["account"])
        profile = profile_named(options["profile"]) if options["profile"] else profile_technical()
        prompt = prompt_named(options["prompt"]) if profile.asks_a_model else None
        if prompt is None and options["prompt"]:
            raise CommandError(f"{profile.name} takes no prompt; leave --prompt out")
        if options["image"] and options["page"]:
            raise CommandError("--image and --page are two pictures; name one")
        if options["image"] or options["page"]:
            self._read_picture(options, account, profile)
        else:
            self._read_chart(symbol, timeframe, options["out"], account, profile, prompt)

    def _read_chart(
        self,
        symbol: str,
        timeframe: str,
        out: str,
        account: ExchangeAccount,
        profile: AnalystProfile,
        prompt: PromptVersion | None,
    ) -> None:
        given = _given(account, symbol, timeframe)
        by = f"{profile}, {prompt}" if prompt else str(profile)
        self.stdout.write(f"{symbol} {timeframe} at {given.candle_time:%Y-%m-%d %H:%M}, by {by}")
        before = timezone.now()
        analyst = _analyst(profile, prompt, account)
        answer = analysis_obtain(
            profile=profile,
            analyst=analyst,
            source=f"account:{account.pk}",
            inputs=[given],
            prompt_version=prompt,
        )[symbol]
        if isinstance(answer, AnalystError):
            self._write(_picture(None, given, profile), out or _file_name(given))
            raise CommandError(f"no reading: {answer}")
        for line in reading_lines(answer, on_record=answer.created_at < before):
            self.stdout.write(line)
        self._write(_picture(answer, given, profile), out or _file_name(given))

    def _read_picture(
        self, options: dict[str, Any], account: ExchangeAccount, profile: AnalystProfile
    ) -> None:
        if not profile.asks_a_model:
            raise CommandError("only a model can read a picture: name one with --profile")
        name = options["page"] or Path(options["image"]).name
        try:
            image = _foreign(options)
            asking = _asking(profile, None, account, CallPurpose.UPLOAD)
            deadline_at = WALL.monotonic() + profile.timeout_s
            reading = foreign_read(asking, image, deadline_at)
            png = picture_bytes(image)
        except (UploadRefused, CaptureFailed, AnalystError, PictureDamaged) as error:
            raise CommandError(f"{name}: {error}") from error
        self.stdout.write(f"{name}, by {profile}")
        for line in foreign_lines(reading):
            self.stdout.write(line)
        if options["out"]:
            self._write(png, options["out"])

    def _write(self, png: bytes, out: str) -> None:
        try:
            Path(out).write_bytes(png)
        except OSError as error:
            raise CommandError(f"the picture can't go to {out}: {error.strerror}") from error
        self.stdout.write(f"Picture: {out}")


def _account(name: str) -> ExchangeAccount:
    active = ExchangeAccount.objects.filter(is_active=True).order_by("pk")
    account = active.filter(name=name).first() if name else active.first()
    if account is None:
        names = ", ".join(active.values_list("name", flat=True)) or "none yet"
        wanted = f"active account named {name!r}" if name else "active account"
        raise CommandError(f"there is no {wanted}; there are: {names}")
    return account


def _given(account: ExchangeAccount, symbol: str, timeframe: str) -> AnalysisInput:
    try:
        market = market_for(account)
        _refuse_unknown(symbol, market.symbols(), account)
        return _newest(market, symbol, timeframe)
    except (ExchangeError, MarketDataError, TradingError, AnalystError) as error:
        raise CommandError(f"{symbol} can't be drawn: {error}") from error


def _refuse_unknown(symbol: str, offered: Sequence[str], account: ExchangeAccount) -> None:
    if symbol not in offered:
        raise CommandError(f"{account.name} has no {symbol}; it has {', '.join(offered)}")


def _newest(market: MarketData, symbol: str, timeframe: str) -> AnalysisInput:
    boundary = floor_time(market.now(), TIMEFRAMES[timeframe])
    return MarketChartSource(market).chart_input(symbol, timeframe, candle_time=boundary)


def _analyst(
    profile: AnalystProfile, prompt: PromptVersion | None, account: ExchangeAccount
) -> Analyst:
    if prompt is None:
        return TechnicalAnalyst()
    return OpenAiAnalyst(_asking(profile, prompt, account, CallPurpose.ANALYZE))


def _asking(
    profile: AnalystProfile,
    prompt: PromptVersion | None,
    account: ExchangeAccount,
    purpose: CallPurpose,
) -> Asking:
    purse = account_purse(account, equity_stored(account))
    # Who asks by hand wants the model's own answer, not that of the rules before it.
    asked = copy(profile)
    asked.prescreen = False
    return Asking(
        profile=asked,
        prompt_version=prompt,
        purses=(purse,),
        purpose=purpose,
        charged_to=purse.key,
        clock=WALL,
    )


def _picture(answer: Analysis | None, given: AnalysisInput, profile: AnalystProfile) -> bytes:
    """The picture that the model saw; the one it would see where it was shown none."""
    if answer is not None and answer.chart is not None:
        try:
            return picture_bytes(answer.chart)
        except PictureDamaged as error:
            raise CommandError(str(error)) from error
    return render(given, style_of(profile.image_family)).png


def _file_name(given: AnalysisInput) -> str:
    return f"{given.symbol}-{given.timeframe}-{given.candle_time:%Y%m%d-%H%M}.png"


def _foreign(options: dict[str, Any]) -> ChartImage:
    """The picture of the file or of the page, stored as one that nobody can draw again."""
    if options["page"]:
        return PageCharts(options["page"]).picture(options["symbol"].upper(), options["timeframe"])
    return foreign_store(picture_clean(_bytes_of(Path(options["image"]))), "upload")


def _bytes_of(path: Path) -> bytes:
    """At most a byte more than a picture may have: that is enough to refuse it."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}") from error
