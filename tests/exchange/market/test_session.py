from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from exchange.choices import Mode
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.market.archive import default_archive
from exchange.market.clock import SessionClock, SteppedClock
from exchange.market.replay import ReplayMarket
from exchange.market.session import market_for_session, session_create, session_move
from exchange.market.simulated import SimulatedMarket
from exchange.models import ExchangeAccount, MarketSession
from tests.exchange.market.made import HandClock

pytestmark = pytest.mark.django_db

START = datetime(2024, 3, 1, tzinfo=UTC)
STORED_END = START + timedelta(days=2)


def account(mode: Mode) -> ExchangeAccount:
    return ExchangeAccount.objects.create(name=f"{mode} account", mode=mode)


def create(
    mode: Mode = Mode.SIM,
    *,
    symbols: tuple[str, ...] = ("BTCUSDT",),
    speed: int = 60,
    start: datetime = START,
    end: datetime | None = None,
) -> MarketSession:
    return session_create(
        account=account(mode), seed=7, symbols=symbols, speed=speed, start=start, end=end
    )


@pytest.fixture
def stored_candles(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    source = SimulatedMarket(3, SteppedClock(STORED_END), 1)
    hour = timedelta(hours=1)
    window = source.candles("BTCUSDT", hour, end=STORED_END, limit=200)
    default_archive().store(window, source="made")


def test_a_new_session_stands_at_its_start() -> None:
    wall = HandClock()
    clock = SessionClock(create().pk, wall)
    wall.pass_seconds(100)
    assert clock.now() == START


def test_a_simulated_account_gets_the_market_of_its_seed() -> None:
    session = create(symbols=("SOLUSDT", "BTCUSDT"), speed=120)
    market = market_for_session(session, Mode.SIM, SteppedClock(START))
    expected = SimulatedMarket(7, SteppedClock(START), 120)
    assert isinstance(market, SimulatedMarket)
    assert (market.symbols(), market.speed) == (("SOLUSDT", "BTCUSDT"), 120)
    assert market.quote("BTCUSDT") == expected.quote("BTCUSDT")


@pytest.mark.usefixtures("stored_candles")
def test_a_replay_without_end_ends_with_the_archive() -> None:
    session = create(Mode.REPLAY)
    market = market_for_session(session, Mode.REPLAY, SteppedClock(START))
    assert isinstance(market, ReplayMarket)
    assert MarketSession.objects.get().end == STORED_END


@pytest.mark.usefixtures("stored_candles")
def test_a_replay_outside_the_archive_is_refused() -> None:
    with pytest.raises(CandlesUnavailable, match="none in the replay"):
        create(Mode.REPLAY, start=STORED_END + timedelta(days=1))
    with pytest.raises(UnknownSymbol, match="ETHUSDT is not in the archive"):
        session_create(
            account=ExchangeAccount.objects.get(),
            seed=0,
            symbols=["ETHUSDT"],
            speed=0,
            start=START,
        )
    assert not MarketSession.objects.exists()


@pytest.mark.parametrize("speed", [-1, 2, 1000])
def test_a_speed_that_is_not_offered_is_refused(speed: int) -> None:
    with pytest.raises(ValueError, match=rf"speed {speed} is not offered; .* 0, 1, 10, 60, 120"):
        create(speed=speed)


def test_sessions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one symbol"):
        create(symbols=())
    with pytest.raises(ValueError, match="with a time zone"):
        session_create(
            account=ExchangeAccount.objects.get(),
            seed=0,
            symbols=["BTCUSDT"],
            speed=0,
            start=START.replace(tzinfo=None),
        )
    with pytest.raises(ValueError, match="cannot end"):
        session_create(
            account=ExchangeAccount.objects.get(),
            seed=0,
            symbols=["BTCUSDT"],
            speed=0,
            start=START,
            end=START,
        )


def test_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(UnknownSymbol, match="BTCUSD is not on the simulated market"):
        create(symbols=("BTCUSD",))


def test_an_account_on_live_prices_has_no_session() -> None:
    with pytest.raises(ValueError, match="mode PAPER have no market session"):
        create(Mode.PAPER)


def test_a_stepped_session_shows_where_its_driver_is() -> None:
    session = create(speed=0)
    session_move(session=session, moment=START + timedelta(hours=5))
    assert SessionClock(session.pk, HandClock()).now() == START + timedelta(hours=5)


def test_a_running_session_is_not_moved_by_hand() -> None:
    session = create(speed=10)
    session_move(session=session, moment=START + timedelta(hours=5))
    session.refresh_from_db()
    assert session.reserved_until == START
