"""The market an account trades on, and the session that keeps its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from exchange.choices import Mode
from exchange.market.clock import MarketClock
from exchange.market.simulated import SimulatedMarket
from exchange.models import ExchangeAccount, MarketSession
from exchange.ports import MarketData

SPEEDS = (0, 1, 10, 60, 120)


def session_create(
    *,
    account: ExchangeAccount,
    seed: int,
    symbols: Sequence[str],
    speed: int,
    start: datetime,
    end: datetime | None = None,
) -> MarketSession:
    """Give ``account`` a market clock that stands at ``start`` until a trader runs it.

    ``ValueError`` says what is wrong with the speed, the symbols or the times.
    """
    if speed not in SPEEDS:
        allowed = ", ".join(str(choice) for choice in SPEEDS)
        raise ValueError(f"speed {speed} is not offered; choose one of {allowed} (0 is stepped)")
    if not symbols:
        raise ValueError("a market session needs at least one symbol")
    if start.tzinfo is None or (end is not None and end.tzinfo is None):
        raise ValueError("a market session needs times with a time zone")
    if end is not None and end <= start:
        raise ValueError(f"a market session cannot end ({end}) before it starts ({start})")
    return MarketSession.objects.create(
        account=account,
        seed=seed,
        symbols=list(symbols),
        speed=speed,
        start=start,
        end=end,
        anchor_market=start,
        anchor_wall=timezone.now(),
        reserved_until=start,
    )


def market_for_session(session: MarketSession, mode: Mode, clock: MarketClock) -> MarketData:
    """The market that ``mode`` trades on; ``ValueError`` for modes that have no session."""
    if mode is Mode.SIM:
        return SimulatedMarket(session.seed, clock, session.speed, session.symbols)
    raise ValueError(f"accounts in mode {mode} have no market session")
