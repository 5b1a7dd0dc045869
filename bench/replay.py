"""How many stored candles the stepped replay trades per second, beside the analyst on its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter

from analysis.analysts.technical import TechnicalAnalyst
from analysis.chart_source import MarketChartSource
from analysis.indicators import INPUT_BARS
from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.market.archive import default_archive
from exchange.market.clock import SteppedClock
from exchange.market.simulated import SimulatedMarket
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import Autonomy, BotState, RiskProfile
from trading.domain.filters import MarketFilters
from trading.services import account_create, bot_create
from trading.stepped import SteppedDriver

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
HOUR = timedelta(hours=1)
HOURS = 400
LISTED_HOURS = 24 * MarketFilters().min_listed_days
START = datetime(2025, 3, 3, tzinfo=UTC)
END = START + HOURS * HOUR


def run() -> dict[str, float]:
    """Candles (symbols x hours) per second of a whole replay with cycles, orders, fills and exits;
    of a bare loop that only reads the same charts; and the ratio of their times."""
    _store_candles()
    driver = SteppedDriver(_account(), END)
    replay_s = _timed_replay(driver)
    bare_s = _timed_analyses(driver.clock, driver.market)
    candles = len(SYMBOLS) * HOURS
    return {
        "replay_candles_per_s": round(candles / replay_s, 1),
        "bare_analyst_candles_per_s": round(candles / bare_s, 1),
        "replay_to_bare_analyst": round(replay_s / bare_s, 2),
    }


def _store_candles() -> None:
    """Hours of the simulated market, with the history that the first chart needs and after which
    a symbol is no longer new."""
    market = SimulatedMarket(11, SteppedClock(END), speed=0, symbols=SYMBOLS)
    for symbol in SYMBOLS:
        window = market.candles(symbol, HOUR, end=END, limit=HOURS + max(INPUT_BARS, LISTED_HOURS))
        default_archive().store(window, source="bench")


def _account() -> ExchangeAccount:
    account = account_create(
        name="Bench replay",
        mode=Mode.REPLAY,
        profile=RiskProfile.CLASSIC,
        symbols=SYMBOLS,
        market_start=START,
        market_end=END,
        speed=0,
    )
    bot_create(
        account=account,
        name="Bench replay bot",
        timeframe="1h",
        symbols=SYMBOLS,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )
    return account


def _timed_replay(driver: SteppedDriver) -> float:
    began = perf_counter()
    differences = driver.run()
    took = perf_counter() - began
    if differences:
        raise RuntimeError(f"the ledgers of the replay differ: {differences}")
    return took


def _timed_analyses(clock: SteppedClock, market: MarketData) -> float:
    """The clock stands at the end of the replay, so every candle of it can be asked for."""
    if clock.now() != END:
        raise RuntimeError(f"the replay ended at {clock.now()}, not at {END}")
    source, analyst = MarketChartSource(market), TechnicalAnalyst()
    began = perf_counter()
    for number in range(1, HOURS + 1):
        for symbol in SYMBOLS:
            analyst.analyse(source.chart_input(symbol, "1h", candle_time=START + number * HOUR))
    return perf_counter() - began
