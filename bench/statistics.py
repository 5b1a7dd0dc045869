"""How long the figures of 100,000 closed trades take, from values and from the database.

The reference in the same run is a plain loop over the same trades that makes nine of the figures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import mean, median, stdev
from time import perf_counter
from typing import TYPE_CHECKING

from trading.domain.statistics import ClosedTrade, statistics

if TYPE_CHECKING:
    from analysis.models import Analysis
    from exchange.models import ExchangeAccount
    from trading.models import Bot, Cycle, Signal, Trade

COUNT = 100_000
ROUNDS = 5
START = datetime(2022, 1, 3, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
REASONS = ("take_profit", "stop_loss", "tightened_stop", "breakeven", "max_holding")
EQUITY = Decimal(10_000)
PLACES = Decimal("1e-8")


def run() -> dict[str, float]:
    """Milliseconds for all figures and for the plain loop, their ratio, and milliseconds for
    reading the trades and making the figures overall and by every dimension."""
    trades = drawn(COUNT)
    ours, plain = [], []
    for _ in range(ROUNDS):
        ours.append(_took_ms(lambda: statistics(trades, start_equity=EQUITY)))
        plain.append(_took_ms(lambda: _plain_loop(trades)))
    account = stored(trades)
    read, by = [], []
    for _ in range(ROUNDS):
        reading, dividing = _read_ms(account)
        read.append(reading)
        by.append(dividing)
    return {
        "figures_100k_ms": round(median(ours), 1),
        "plain_loop_100k_ms": round(median(plain), 1),
        "figures_to_plain_loop": round(median(ours) / median(plain), 2),
        "read_and_figures_100k_ms": round(median(read), 1),
        "by_every_dimension_100k_ms": round(median(by), 1),
    }


def drawn(count: int) -> list[ClosedTrade]:
    """Trades every 20 minutes with results around 0.05 R."""
    rng = random.Random(5)
    made = []
    for number in range(count):
        opened = START + number * timedelta(minutes=20)
        r = Decimal(str(round(rng.gauss(0.05, 1.1), 6)))
        made.append(
            ClosedTrade(
                net_pnl=(r * Decimal("41.7")).quantize(PLACES),
                fees=Decimal(str(round(rng.uniform(0.2, 2), 8))),
                funding=Decimal(str(round(rng.gauss(0, 0.1), 8))),
                r_multiple=r,
                opened=opened,
                closed=opened + timedelta(minutes=rng.randrange(3, 900)),
                best_r=max(r, Decimal(0)) + Decimal("0.25"),
                worst_r=min(r, Decimal(0)) - Decimal("0.15"),
                slippage=Decimal(str(round(rng.uniform(-0.2, 0.5), 8))),
                confidence=Decimal(str(round(rng.uniform(0.55, 0.95), 3))),
                symbol=rng.choice(SYMBOLS),
                direction=rng.choice(("long", "short")),
                exit_reason=rng.choice(REASONS),
                mode="SIM",
            )
        )
    return made


def _plain_loop(trades: Sequence[ClosedTrade]) -> tuple[object, ...]:
    """Sums as a reader of the rules would first write them."""
    won = lost = fees = funding = Decimal(0)
    wins = losses = 0
    multiples = []
    for trade in trades:
        if trade.net_pnl > 0:
            wins, won = wins + 1, won + trade.net_pnl
        elif trade.net_pnl < 0:
            losses, lost = losses + 1, lost + trade.net_pnl
        fees += trade.fees
        funding += trade.funding
        if trade.r_multiple is not None:
            multiples.append(float(trade.r_multiple))
    spread = stdev(multiples)
    return wins, losses, won, lost, fees, funding, won / -lost, mean(multiples), spread


def _took_ms(action: Callable[[], object]) -> float:
    began = perf_counter()
    action()
    return (perf_counter() - began) * 1000


def _read_ms(account: ExchangeAccount) -> tuple[float, float]:
    from trading.domain.statistics.figures import figures, figures_by
    from trading.results import Chosen, results_read

    began = perf_counter()
    results = results_read(Chosen([account.pk]))
    found = figures(results.columns, results.left_out, start_equity=EQUITY)
    read = perf_counter()
    for labels in results.labels.values():
        figures_by(results.columns, labels, start_equity=EQUITY)
    done = perf_counter()
    if found.trades != COUNT:
        raise RuntimeError(f"read {found.trades} trades, not {COUNT}")
    return (read - began) * 1000, (done - read) * 1000


def stored(trades: Sequence[ClosedTrade], name: str = "Bench statistics") -> ExchangeAccount:
    """An account with a bot that took these trades, each on a signal of its own."""
    from trading.models import Cycle, Trade

    bot = _bot(name)
    cycles = [
        Cycle(
            bot=bot, timeframe="1h", boundary=START + n * timedelta(minutes=20), state="completed"
        )
        for n in range(len(trades))
    ]
    Cycle.objects.bulk_create(cycles, batch_size=2000)
    signals = _signals(trades, cycles, _analysis(bot))
    Trade.objects.bulk_create(
        (_row(trade, signal) for trade, signal in zip(trades, signals, strict=True)),
        batch_size=2000,
    )
    return bot.account


def _bot(name: str) -> Bot:
    from analysis.services import profile_technical
    from exchange.choices import Mode
    from trading.choices import Autonomy, RiskProfile
    from trading.services import account_create, bot_create

    account = account_create(
        name=name,
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=list(SYMBOLS),
        market_start=START,
        speed=0,
        seed=1,
    )
    return bot_create(
        account=account,
        name=f"{name} bot",
        timeframe="1h",
        symbols=list(SYMBOLS),
        analyst_profile=profile_technical(),
        autonomy=Autonomy.OBSERVE,
    )


def _analysis(bot: Bot) -> Analysis:
    from analysis.models import Analysis

    return Analysis.objects.create(
        input_hash=f"{bot.account.name:0<64}"[:64],
        profile=bot.analyst_profile,
        profile_version=bot.analyst_profile.version,
        source="bench",
        symbol=SYMBOLS[0],
        timeframe="1h",
        candle_time=START,
        direction="long",
        setup_quality=1,
        market_environment=1,
        environment="trend_up",
        atr=1,
        last_price=100,
    )


def _signals(
    trades: Sequence[ClosedTrade], cycles: Sequence[Cycle], analysis: Analysis
) -> list[Signal]:
    from trading.models import Signal

    signals = [
        Signal(
            cycle=cycle,
            bot=cycle.bot,
            account=cycle.bot.account,
            analysis=analysis,
            symbol=trade.symbol,
            direction=trade.direction,
            decided_at=trade.opened or START,
            confidence=trade.confidence,
            state="executing",
        )
        for cycle, trade in zip(cycles, trades, strict=True)
    ]
    Signal.objects.bulk_create(signals, batch_size=2000)
    return signals


def _row(trade: ClosedTrade, signal: Signal) -> Trade:
    from trading.models import Trade

    sign = 1 if trade.direction == "long" else -1
    best, worst = trade.best_r or Decimal(0), trade.worst_r or Decimal(0)
    return Trade(
        account=signal.account,
        bot=signal.bot,
        signal=signal,
        symbol=trade.symbol,
        side="buy" if sign > 0 else "sell",
        state="closed",
        planned_qty=1,
        planned_risk=40,
        entry_qty=10,
        entry_value=1000,
        exit_qty=10,
        exit_value=1000,
        fees=trade.fees,
        funding=trade.funding,
        initial_stop=100 - 4 * sign,
        initial_target=100 + 8 * sign,
        stop_loss=100 - 4 * sign,
        take_profit=100 + 8 * sign,
        leverage=2,
        atr=2,
        created_market=trade.opened or START,
        opened_market=trade.opened,
        closed_market=trade.closed,
        exit_reason=trade.exit_reason,
        net_pnl=trade.net_pnl,
        r_multiple=trade.r_multiple,
        best_price=100 + sign * best * 4,
        worst_price=100 + sign * worst * 4,
        entry_slippage=trade.slippage,
    )
