"""A followed entry ends as the trade of the stepped driver did, to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.domain import quantise
from exchange.market.archive import default_archive
from exchange.market.clock import SteppedClock
from exchange.market.simulated import SimulatedMarket
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.backtest.follow import follow
from trading.backtest.prices import MarketPrices
from trading.backtest.rows import entry_of_trade
from trading.choices import Autonomy, BotState, RiskProfile, TradeState
from trading.domain.exits import ExitSettings
from trading.models import StopMove, Trade
from trading.services import account_create, bot_create
from trading.stepped import SteppedDriver

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
# Symbols that were listed lately are not traded: 90 days, and some to spare.
LISTED_BARS = 100 * 24
START = datetime(2026, 1, 5, tzinfo=UTC)


def stepped(
    mode: Mode, profile: RiskProfile, symbols: tuple[str, ...], timeframe: str, hours: int
) -> tuple[ExchangeAccount, MarketData, datetime]:
    end = START + hours * HOUR
    account = account_create(
        name=f"{mode} {profile}",
        mode=mode,
        profile=profile,
        symbols=symbols,
        market_start=START,
        market_end=end if mode is Mode.REPLAY else None,
        speed=0,
        seed=3,
    )
    bot_create(
        account=account,
        name=f"{account.name} bot",
        timeframe=timeframe,
        symbols=symbols,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )
    driver = SteppedDriver(account, end)
    assert driver.run() == []
    return account, driver.market, end


def assert_followed_alike(account: ExchangeAccount, market: MarketData, end: datetime) -> int:
    trades = list(Trade.objects.filter(account=account, state=TradeState.CLOSED))
    for trade in trades:
        entry = entry_of_trade(trade)
        assert entry is not None
        prices = MarketPrices(market, trade.symbol, entry.placed_at, end)
        settings = ExitSettings.from_json(trade.exit_settings)
        life = follow(entry, prices, settings, market.instrument(trade.symbol), end=end)
        assert (life.over, life.entry_time, life.exit_time) == (
            True,
            trade.opened_market,
            trade.closed_market,
        )
        assert life.reason == trade.exit_reason
        assert (life.net_pnl, life.r_multiple) == (trade.net_pnl, trade.r_multiple)
        assert life.entry_price == trade.entry_value / trade.entry_qty
        assert (life.best_r, life.worst_r) == (in_r(trade, "best"), in_r(trade, "worst"))
        moves = StopMove.objects.filter(trade=trade).order_by("pk")
        assert [(move.time, move.rule, move.stop_loss) for move in life.moves] == list(
            moves.values_list("market_time", "rule", "new_stop")
        )
    return len(trades)


def in_r(trade: Trade, which: str) -> Decimal:
    """The best or worst price of a trade in R."""
    entry, sign = trade.entry_value / trade.entry_qty, 1 if trade.side == "buy" else -1
    price = trade.best_price if which == "best" else trade.worst_price
    return quantise((price - entry) * sign / abs(entry - trade.initial_stop))


def test_minutes_of_the_simulated_market_are_followed_as_they_were_traded() -> None:
    symbols = ("BTCUSDT", "DOGEUSDT", "XRPUSDT")
    found = stepped(Mode.SIM, RiskProfile.CLASSIC, symbols, "15m", 4)
    assert assert_followed_alike(*found) >= 1


def test_hours_of_a_replay_are_followed_as_they_were_traded() -> None:
    symbols, hours = ("BTCUSDT", "XRPUSDT"), 110
    end = START + hours * HOUR
    market = SimulatedMarket(11, SteppedClock(end), speed=0, symbols=symbols)
    for symbol in symbols:
        window = market.candles(symbol, HOUR, end=end, limit=hours + LISTED_BARS)
        default_archive().store(window, source="test", replace=True)
    found = stepped(Mode.REPLAY, RiskProfile.CONSERVATIVE, symbols, "1h", hours)
    assert assert_followed_alike(*found) >= 2
