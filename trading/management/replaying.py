"""What commands that replay stored candles share."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from django.core.management.base import CommandError, OutputWrapper
from django.db import transaction

from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.domain import TIMEFRAMES
from exchange.models import ExchangeAccount
from trading.choices import Autonomy, BotState, RiskProfile
from trading.services import account_create, bot_create
from trading.stepped import Progress

PRINT_EVERY_S = 10.0


def add_period(parser: ArgumentParser) -> None:
    """Options that say what is replayed."""
    parser.add_argument("--symbols", required=True, help="with commas between them")
    parser.add_argument("--timeframe", default="1h", choices=list(TIMEFRAMES))
    parser.add_argument("--from", dest="start", required=True, help="first day, UTC")
    parser.add_argument("--to", dest="end", required=True, help="day after the last, UTC")


def period(start: str, end: str) -> tuple[datetime, datetime]:
    """Both days at 00:00 UTC. Raises ``CommandError``."""
    first, last = _day(start), _day(end)
    if last <= first:
        raise CommandError("--to must be later than --from")
    return first, last


def symbols_of(text: str) -> list[str]:
    """``BTCUSDT, ETHUSDT`` as a list."""
    return [part.strip() for part in text.split(",") if part.strip()]


@transaction.atomic
def replay_account(
    name: str,
    symbols: Sequence[str],
    timeframe: str,
    profile: RiskProfile,
    start: datetime,
    end: datetime,
) -> ExchangeAccount:
    """An account on the archive with one bot that trades all of it; both or neither."""
    account = account_create(
        name=name,
        mode=Mode.REPLAY,
        profile=profile,
        symbols=symbols,
        market_start=start,
        market_end=end,
        speed=0,
    )
    bot_create(
        account=account,
        name=f"{name} bot",
        timeframe=timeframe,
        symbols=symbols,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )
    return account


def telling(out: OutputWrapper, began: float) -> Callable[[Progress], None]:
    """Print every ten seconds how far a run is and how long it will take."""
    printed = [began]

    def tell(progress: Progress) -> None:
        now = time.monotonic()
        if now - printed[0] >= PRINT_EVERY_S:
            printed[0] = now
            left = (now - began) * (1 / max(progress.share, 1e-9) - 1)
            out.write(f"{progress.now:%Y-%m-%d} {progress.share:6.1%}, about {left:.0f} s left")

    return tell


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise CommandError(f"{text!r} is no date; write it as 2024-01-31") from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
