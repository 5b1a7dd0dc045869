"""``python -m tests.crash.prepare``: fill an empty data folder with an account that never rests.

Runs in a process of its own, because Django reads the data folder once. A bot on 5m candles of
a hundred symbols trades at 120x real time; its exits move stops early and hold half an hour at
most, so orders, fills, stop moves and closes follow each other within seconds of wall time.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from exchange.candles import CandleWindow
    from exchange.models import ExchangeAccount

MINUTE = timedelta(minutes=1)
SPEED = 120
TIMEFRAME = "5m"
# A quarter of an hour before funding, so that the first minute has a payment to book.
MARKET_START = datetime(2026, 1, 6, 7, 45, tzinfo=UTC)
# What the indicators of 5m candles look back on, and a little more.
HISTORY = timedelta(hours=18)
# More market time than a kill and its restart can use up.
PER_KILL = timedelta(minutes=45)
# Large enough for orders that a candle's volume fills in part.
START_EQUITY = Decimal(2_000_000)
# Markets of ten symbols each. One reading in fifty is traded, so this gives two entries a candle.
MARKETS = 10
# Returns of the simulated market to this power: calm candles of 5m have no stop that costs allow.
WILDNESS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--market", choices=("sim", "replay"), default="replay")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    from django.core.management import call_command

    call_command("prepare", verbosity=0)
    length = timedelta(hours=6) + options.kills * PER_KILL
    _bot(_account(options.market, options.seed, MARKET_START + length))


def _account(market: str, seed: int, end: datetime) -> ExchangeAccount:
    from exchange.choices import Mode
    from exchange.market.simulated_day import PROFILES
    from trading.choices import RiskProfile
    from trading.services import account_create

    replayed = market == "replay"
    account = account_create(
        name="Crash",
        mode=Mode.REPLAY if replayed else Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=_archive(seed, end) if replayed else list(PROFILES),
        market_start=MARKET_START,
        market_end=end if replayed else None,
        speed=SPEED,
        seed=seed,
        start_equity=START_EQUITY,
    )
    loosen(account)
    return account


def loosen(account: ExchangeAccount) -> None:
    """A second version of the limits under which next to nothing is refused."""
    from trading.choices import RiskProfile
    from trading.models import RiskLimits

    RiskLimits.objects.create(
        account=account,
        version=2,
        profile=RiskProfile.CLASSIC,
        min_confidence=Decimal(0),
        min_rr_net=Decimal("0.5"),
        risk_per_trade=Decimal("0.0005"),
        max_slots=80,
        max_same_direction=80,
        max_entries_per_day=10_000,
        max_open_risk=Decimal(1),
        max_same_direction_risk=Decimal(1),
        max_daily_loss=Decimal(1),
        max_weekly_loss=Decimal(1),
        max_drawdown=Decimal(1),
        half_size_losses=0,
        pause_losses=0,
        max_per_group=0,
        weekend_half_size=False,
        filters={
            "min_turnover_24h": 0,
            "min_listed_days": 0,
            "max_turnover_share": 1,
            "shock_bars": 0,
            "shock_half_bars": 0,
            "btc_move": 1,
        },
        max_position_notional=Decimal(3),
        max_gross_exposure=Decimal(3),
        max_leverage=Decimal(10),
        note="for crash tests",
    )


def _bot(account: ExchangeAccount) -> None:
    from analysis.services import profile_technical
    from trading.choices import Autonomy, BotState
    from trading.domain.exits import ExitSettings
    from trading.services import bot_create

    tightening = (("0.2", "0"), ("0.4", "0.1"), ("0.6", "0.3"), ("1.0", "0.6"))
    bot_create(
        account=account,
        name="Crash bot",
        timeframe=TIMEFRAME,
        symbols=account.market_session.symbols,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
        exit_settings=ExitSettings(
            breakeven_at_r=None,
            tightening=tuple((Decimal(a), Decimal(b)) for a, b in tightening),
            max_holding_bars=6,
            timeframe_s=300,
        ),
    )


def _archive(seed: int, end: datetime) -> list[str]:
    """Make minute candles, import them as an operator would, return the symbols."""
    from django.core.management import call_command

    with tempfile.TemporaryDirectory(prefix="autotrader-candles-") as folder:
        files = []
        for window in _made(seed, end):
            file = Path(folder) / f"{window.symbol}-1m.csv"
            file.write_text(_as_csv(window), encoding="ascii")
            files.append(file)
        call_command("import_candles", *files, stdout=StringIO())
    return [file.name.removesuffix("-1m.csv") for file in files]


def _made(seed: int, end: datetime) -> Iterator[CandleWindow]:
    from exchange.market.clock import SteppedClock
    from exchange.market.simulated import SimulatedMarket

    count = (end - MARKET_START + HISTORY) // MINUTE
    for number in range(MARKETS):
        market = SimulatedMarket(seed * MARKETS + number, SteppedClock(end), speed=0)
        for symbol in market.symbols():
            calm = market.candles(symbol, MINUTE, end=end, limit=count)
            name = symbol if number == 0 else symbol.replace("USDT", f"{number}USDT")
            yield _wilder(calm, name, float(market.instrument(symbol).tick_size))


def _wilder(calm: CandleWindow, name: str, tick: float) -> CandleWindow:
    """The same path with larger moves; a rising function keeps every candle possible."""
    import numpy as np

    from exchange.candles import CandleWindow, Floats

    places = max(0, round(-np.log10(tick)))

    def stretched(prices: Floats) -> Floats:
        wild = calm.open[0] * (prices / calm.open[0]) ** WILDNESS
        rounded: Floats = np.round(np.maximum(wild, 100 * tick), places)
        return rounded

    return CandleWindow(
        name,
        calm.interval,
        calm.times,
        stretched(calm.open),
        stretched(calm.high),
        stretched(calm.low),
        stretched(calm.close),
        calm.volume,
    )


def _as_csv(window: CandleWindow) -> str:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(("time", "open", "high", "low", "close", "volume"))
    columns = (window.times, window.open, window.high, window.low, window.close, window.volume)
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return out.getvalue()


if __name__ == "__main__":
    main()
