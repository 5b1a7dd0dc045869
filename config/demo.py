"""The first start: someone to sign in as, and something to look at."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db import transaction

from analysis.services import profile_technical
from exchange.choices import Mode
from trading.choices import Autonomy, BotState, RiskProfile
from trading.services import account_create, bot_create

OPERATOR = "operator"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
TIMEFRAME = "15m"
MARKET_START = datetime(2026, 1, 5, tzinfo=UTC)


@transaction.atomic
def first_start(*, demo: bool, seed: int, speed: int) -> str | None:
    """On a database without users make the operator, and with ``demo`` the demo account.

    Returns the operator's password, which is stored nowhere but as a hash; None on later starts.
    """
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(15)
    User.objects.create_superuser(OPERATOR, password=password)
    if demo:
        demo_create(seed=seed, speed=speed)
    return password


def demo_create(*, seed: int, speed: int) -> None:
    """Make the demo account with one bot that trades and one that asks."""
    account = account_create(
        name="Demo",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        seed=seed,
        symbols=SYMBOLS,
        speed=speed,
        market_start=MARKET_START,
    )
    for name, autonomy, state in (
        ("Demo trend", Autonomy.AUTO, BotState.RUNNING),
        ("Demo approve", Autonomy.APPROVE, BotState.PAUSED),
    ):
        bot_create(
            account=account,
            name=name,
            timeframe=TIMEFRAME,
            symbols=SYMBOLS,
            analyst_profile=profile_technical(),
            autonomy=autonomy,
            state=state,
        )
