"""The first start: someone to sign in as, and something to look at."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import transaction

from analysis.services import profile_technical
from exchange.choices import Mode, Region
from exchange.models import ExchangeAccount
from trading.choices import Autonomy, BotState, RiskProfile
from trading.events import record
from trading.services import account_create, bot_create

OPERATOR = "operator"
PAPER_NAME = "Paper"
# So that both bots of the demo may run at once.
DEMO_SHARE = Decimal("0.5")
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
            capital_share=DEMO_SHARE,
        )


@transaction.atomic
def paper_ensure(region: Region, *, follow: bool) -> None:
    """Where there is no account on live prices yet, make one with a bot. Asks nobody: Bybit may
    come later.

    With ``follow`` an account made here earlier moves to ``region``, which is how somebody leaves
    a site that refuses them.
    """
    account = ExchangeAccount.objects.filter(mode=Mode.PAPER).order_by("pk").first()
    if account is None:
        _paper_create(region)
    elif follow and account.name == PAPER_NAME and account.region != region:
        account.region = region
        account.save(update_fields=["region"])
        record("account_region", f"{account} takes its prices from {region}.", account=account)


def _paper_create(region: Region) -> None:
    account = account_create(
        name=PAPER_NAME,
        mode=Mode.PAPER,
        profile=RiskProfile.CONSERVATIVE,
        symbols=SYMBOLS,
        region=region,
    )
    bot_create(
        account=account,
        name="Paper trend",
        timeframe=TIMEFRAME,
        symbols=SYMBOLS,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )
