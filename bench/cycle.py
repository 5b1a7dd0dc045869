"""How long a cycle of ten symbols takes with the technical analyst, on SQLite and PostgreSQL.

``python -m bench.cycle`` measures on the database of the environment and prints JSON; ``run``
calls it that way for PostgreSQL, because Django reads the environment once per process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING

from tests.servers import ServiceMissing, start_postgresql

if TYPE_CHECKING:
    from exchange.market.clock import SteppedClock
    from trading.cycle.run import CyclePorts
    from trading.execution.desk import Desk
    from trading.models import Bot

ROOT = Path(__file__).resolve().parents[1]
CYCLES = 40
TIMEFRAME = "15m"
BAR = timedelta(minutes=15)
START = datetime(2026, 1, 5, tzinfo=UTC)


def run() -> dict[str, float]:
    """Median and 95th percentile over ``CYCLES`` cycles in milliseconds, and the median's ratio to
    the same analyses without a database.

    PostgreSQL is one of our own that does not wait for the disk; where none can be had, a line
    says why and its figures are left out.
    """
    figures = {f"sqlite_{name}": value for name, value in measure().items()}
    try:
        server = start_postgresql()
    except ServiceMissing as exc:
        print(f"cycle      not measured on PostgreSQL: {exc}")
        return figures
    try:
        found = _measured_apart(server.url)
    finally:
        server.stop()
    return figures | {f"postgresql_{name}": value for name, value in found.items()}


def measure() -> dict[str, float]:
    """Run the cycles on the database of this process, which must be migrated and empty."""
    from analysis.analysts.technical import TechnicalAnalyst
    from exchange.market.clock import SteppedClock
    from trading.cycle.run import CyclePorts
    from trading.execution.loop import Trader
    from trading.wiring import WALL, claimant_now

    clock = SteppedClock(START)
    bot, desk = _bot_and_desk(clock)
    ports = CyclePorts(desk.market, TechnicalAnalyst(), WALL, claimant_now())
    trader = Trader(desk)
    if not desk.lease.acquire():
        raise RuntimeError("another process holds the bench's account")
    trader.start()
    cycles_ms, bare_ms = [], []
    for number in range(1, CYCLES + 1):
        clock.move_to(START + number * BAR)
        trader.step()
        cycles_ms.append(_cycle_ms(bot, ports))
        bare_ms.append(_analyses_ms(bot, ports))
    desk.lease.release()
    return {
        "cycle_p50_ms": round(median(cycles_ms), 2),
        "cycle_p95_ms": round(quantiles(cycles_ms, n=20)[-1], 2),
        "cycle_to_bare_analyses": round(median(cycles_ms) / median(bare_ms), 2),
    }


def _cycle_ms(bot: Bot, ports: CyclePorts) -> float:
    """Run the cycle that is due now. Raises ``RuntimeError`` unless it read every symbol."""
    from trading.cycle.run import cycle_run
    from trading.cycle.schedule import cycle_due

    cycle = cycle_due(bot, ports.market.now(), timedelta(0))
    if cycle is None:
        raise RuntimeError(f"no cycle is due at {ports.market.now()}")
    began = perf_counter()
    done = cycle_run(cycle.pk, ports)
    took_ms = (perf_counter() - began) * 1000
    if done.signals.exclude(analysis=None).count() != len(bot.symbols):
        raise RuntimeError(f"{done} did not read all symbols: {done.reason}")
    return took_ms


def _analyses_ms(bot: Bot, ports: CyclePorts) -> float:
    """The same charts read once more, with nothing around."""
    from analysis.chart_source import MarketChartSource

    source, now = MarketChartSource(ports.market), ports.market.now()
    inputs = [source.chart_input(symbol, TIMEFRAME, candle_time=now) for symbol in bot.symbols]
    began = perf_counter()
    for given in inputs:
        ports.analyst.analyse(given)
    return (perf_counter() - began) * 1000


def _bot_and_desk(clock: SteppedClock) -> tuple[Bot, Desk]:
    """A bot on ten simulated symbols that only observes: no open trade takes a symbol out of a
    later cycle, so each cycle reads all ten."""
    from analysis.services import profile_technical
    from exchange.choices import Mode
    from exchange.market.simulated_day import PROFILES
    from trading.choices import Autonomy, BotState, RiskProfile
    from trading.execution.desk import Desk
    from trading.execution.lease import AccountLease
    from trading.services import account_create, bot_create
    from trading.wiring import WALL, client_for, stepped_market_for

    account = account_create(
        name="Bench cycle",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=list(PROFILES),
        market_start=START,
        speed=0,
        seed=1,
    )
    bot = bot_create(
        account=account,
        name="Bench cycle bot",
        timeframe=TIMEFRAME,
        symbols=list(PROFILES),
        analyst_profile=profile_technical(),
        autonomy=Autonomy.OBSERVE,
        state=BotState.RUNNING,
    )
    market = stepped_market_for(account, clock)
    client = client_for(account, market)
    return bot, Desk(account, client, market, WALL, AccountLease(account, WALL))


def _measured_apart(database_url: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="autotrader-bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.cycle"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url, "AUTOTRADER_DATA": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"the measurement on PostgreSQL failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    import django
    from django.core.management import call_command

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
