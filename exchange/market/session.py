"""The market an account trades on, and the session that keeps its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from exchange.choices import Mode
from exchange.market.archive import default_archive
from exchange.market.clock import MarketClock, SteppedClock
from exchange.market.replay import ReplayMarket
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

    A replay without ``end`` ends with the newest stored candle. ``ValueError`` says what is
    wrong with speed, symbols, times or mode; ``UnknownSymbol`` and ``CandlesUnavailable`` come
    from the market itself.
    """
    _refuse_impossible(symbols=symbols, speed=speed, start=start, end=end)
    session = MarketSession(
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
    market = market_for_session(session, Mode(account.mode), SteppedClock(start))
    if isinstance(market, ReplayMarket) and end is None:
        session.end = market.last_moment
    session.save()
    return session


def session_move(*, session: MarketSession, moment: datetime) -> None:
    """Show the time a driver has stepped to (speed 0) to everyone who reads the session."""
    MarketSession.objects.filter(pk=session.pk, speed=0).update(
        anchor_market=moment, anchor_wall=timezone.now(), reserved_until=moment
    )


def market_for_session(session: MarketSession, mode: Mode, clock: MarketClock) -> MarketData:
    """The market that ``mode`` trades on; ``ValueError`` for modes that have no session."""
    if mode is Mode.SIM:
        return SimulatedMarket(session.seed, clock, session.speed, session.symbols)
    if mode is Mode.REPLAY:
        return ReplayMarket(
            default_archive(), clock, session.symbols, session.speed, session.start, session.end
        )
    raise ValueError(f"accounts in mode {mode} have no market session")


def _refuse_impossible(
    *, symbols: Sequence[str], speed: int, start: datetime, end: datetime | None
) -> None:
    if speed not in SPEEDS:
        allowed = ", ".join(str(choice) for choice in SPEEDS)
        raise ValueError(f"speed {speed} is not offered; choose one of {allowed} (0 is stepped)")
    if not symbols:
        raise ValueError("a market session needs at least one symbol")
    if start.tzinfo is None or (end is not None and end.tzinfo is None):
        raise ValueError("a market session needs times with a time zone")
    if end is not None and end <= start:
        raise ValueError(f"a market session cannot end ({end}) before it starts ({start})")
