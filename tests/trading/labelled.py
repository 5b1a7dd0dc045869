"""Closed trades with known confidences and results, as many as a calibration needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from tests.factories.analysis import AnalysisFactory
from tests.factories.cycles import CycleFactory, SignalFactory
from tests.factories.exchange import NOON
from tests.factories.trades import TradeFactory
from trading.models import Bot, Signal, Trade

MINUTE = timedelta(minutes=1)


def mostly_won(number: int, confidence: Decimal) -> bool:
    """Each third is lost unless it was trusted most."""
    return bool(number % 3) or confidence > Decimal("0.85")


def many(
    bot: Bot, count: int, won: Callable[[int, Decimal], bool] = mostly_won, since: datetime = NOON
) -> None:
    """So many closed trades of the bot's analyst, one a minute from ``since``."""
    shared = AnalysisFactory.create(profile=bot.analyst_profile)
    cycle = CycleFactory.create(bot=bot)
    signals = [
        SignalFactory.build(
            cycle=cycle,
            bot=bot,
            account=bot.account,
            analysis=shared,
            symbol=f"S{number}",
            confidence=Decimal(600 + number % 300) / 1000,
            decided_at=NOON,
        )
        for number in range(count)
    ]
    Signal.objects.bulk_create(signals)
    Trade.objects.bulk_create(
        TradeFactory.build(
            signal=signal,
            account=bot.account,
            bot=bot,
            symbol=signal.symbol,
            closed=True,
            net_pnl=Decimal(5 if won(number, signal.confidence or Decimal(0)) else -5),
            closed_market=since + number * MINUTE,
        )
        for number, signal in enumerate(signals)
    )
