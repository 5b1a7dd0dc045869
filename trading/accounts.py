"""The rows that every account has, whatever it trades on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils import timezone

from exchange.choices import Mode
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount, MarketSession
from trading.choices import Autonomy, RiskProfile
from trading.domain.settings import PROFILE_LIMITS
from trading.equity import point_save
from trading.errors import ActionRefused
from trading.models import Lease, RiskLimits, TradingState

PAPER_MODES = (Mode.SIM, Mode.REPLAY, Mode.PAPER)
CONNECTED_MODES = (Mode.DEMO, Mode.TESTNET)
LIVE_PRICE_MODES = (Mode.PAPER, *CONNECTED_MODES)


def default_autonomy(mode: Mode) -> Autonomy:
    """What a new bot may do alone: with simulated fills everything, else it asks."""
    return Autonomy.AUTO if mode in PAPER_MODES else Autonomy.APPROVE


@contextmanager
def refusing() -> Iterator[None]:
    """What a row, a market or a setting refuses is refused to the person who asked."""
    try:
        yield
    except ValidationError as exc:
        raise ActionRefused("; ".join(exc.messages)) from exc
    except (ValueError, MarketDataError) as exc:
        raise ActionRefused(str(exc)) from exc


def account_save(
    account: ExchangeAccount, *, profile: RiskProfile, symbols: Sequence[str], start: datetime
) -> None:
    """Save a new account with limits, trading state, lease and first equity point; its market is
    left to the caller. Raises ``ActionRefused``, and ``ValidationError`` from the row itself."""
    if len(set(symbols)) != len(symbols):
        raise ActionRefused("a symbol stands in the list twice")
    if ExchangeAccount.objects.filter(name=account.name).exists():
        raise ActionRefused(f"an account named {account.name!r} exists already")
    account.full_clean()
    account.save()
    now = timezone.now()
    RiskLimits.objects.create(
        account=account, profile=profile, **asdict(PROFILE_LIMITS[profile]) | {"version": 1}
    )
    TradingState.objects.create(account=account, reason="created")
    Lease.objects.create(account=account, expires_at=now, acquired_at=now, heartbeat_at=now)
    point_save(account, time=start, wallet=account.start_equity, equity=account.start_equity)


def live_session(
    account: ExchangeAccount, *, symbols: Sequence[str], speed: int, start: datetime
) -> MarketSession:
    """The market of an account on live prices: its symbols; time is the venue's own."""
    if speed != 1:
        raise ActionRefused(f"live prices run at speed 1, not {speed}")
    if not symbols:
        raise ActionRefused("an account needs at least one symbol")
    return MarketSession.objects.create(
        account=account,
        symbols=list(symbols),
        speed=1,
        start=start,
        anchor_market=start,
        anchor_wall=timezone.now(),
        reserved_until=start,
    )
