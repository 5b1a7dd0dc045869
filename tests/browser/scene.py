"""``python -m tests.browser.scene``: fill an empty data folder with what the browser looks at.

Runs in a process of its own, because Django reads the data folder once. The market runs at real
time, so that prices stay where the scene was drawn for as long as the tests take. One cycle is
real; a second one holds five accepted signals: two are approved and become trades as soon as a
trader runs, three wait for an answer.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from exchange.domain import Instrument
    from trading.models import Bot, Cycle, Signal

OPERATOR = "operator"
PASSWORD = "a long test password"
# Of each signal: symbol, direction, whether it is approved already.
SIGNALS = (
    ("BTCUSDT", "long", True),
    ("ETHUSDT", "short", True),
    ("SOLUSDT", "long", False),
    ("XRPUSDT", "short", False),
    ("DOGEUSDT", "long", False),
)
NOTIONAL = Decimal(500)
QUESTION_LIFE = timedelta(hours=1)


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from config.demo import first_start
    from trading.choices import BotState
    from trading.models import Bot, RiskLimits
    from trading.services import bot_set_state

    call_command("prepare", verbosity=0)
    first_start(demo=True, seed=3, speed=1)
    # The scene holds both majors at once.
    RiskLimits.objects.update(max_per_group=0)
    operator = User.objects.get(username=OPERATOR)
    operator.set_password(PASSWORD)
    operator.save()
    asking = Bot.objects.get(name="Demo approve")
    # The scene's cycle stands at the first boundary, so the bot's own comes 15 minutes later.
    bot_set_state(bot=asking, state=BotState.RUNNING, actor=operator)
    trend = Bot.objects.get(name="Demo trend")
    bot_set_state(bot=trend, state=BotState.PAUSED, actor=operator)
    _accepted_cycle(asking, _observed_cycle(trend))


def _observed_cycle(bot: Bot) -> Cycle:
    """A real cycle that only observes, so that nothing but the scene's own signals trades."""
    from trading.cycle.run import cycle_run
    from trading.models import Cycle
    from trading.wiring import cycle_ports

    boundary = bot.account.market_session.start
    cycle = Cycle.objects.create(bot=bot, timeframe=bot.timeframe, boundary=boundary, attempt=1)
    return cycle_run(cycle.pk, cycle_ports(bot))


def _accepted_cycle(bot: Bot, seen: Cycle) -> None:
    from tests.factories import CycleFactory, CycleStepFactory
    from trading.models import Signal

    now = datetime.now(UTC)
    cycle = CycleFactory.create(
        bot=bot, boundary=seen.boundary, started_at=now, finished_at=now + timedelta(seconds=2)
    )
    CycleStepFactory.create(cycle=cycle, number=3)
    analyses = {row.symbol: row.analysis for row in Signal.objects.filter(cycle=seen)}
    for rank, (symbol, direction, approved) in enumerate(SIGNALS, start=1):
        _signal(cycle, symbol, direction, approved, rank=rank, analysis=analyses[symbol])


def _signal(cycle: Cycle, symbol: str, direction: str, approved: bool, **fields: Any) -> Signal:
    """A signal at the market's price, with the question about it."""
    from tests.factories import ApprovalFactory, SignalFactory
    from trading.choices import ApprovalDecision, SignalState
    from trading.payload import payload_hash
    from trading.wiring import market_for

    market = market_for(cycle.bot.account)
    signal = SignalFactory.create(
        cycle=cycle,
        symbol=symbol,
        direction=direction,
        decided_at=cycle.boundary + timedelta(seconds=2),
        state=SignalState.APPROVED if approved else SignalState.WAITING,
        sizing={
            "words": [
                "At most 1 % of 10,000.00 USDT may be lost at the stop.",
                "The quantity is held at 500 USDT of notional value.",
            ]
        },
        **_levels(direction, market.quote(symbol).last, market.instrument(symbol)),
        **fields,
    )
    signal.payload_hash = payload_hash(signal)
    signal.save(update_fields=["payload_hash"])
    ApprovalFactory.create(
        signal=signal,
        decision=ApprovalDecision.APPROVED if approved else ApprovalDecision.WAITING,
        expires_at=datetime.now(UTC) + QUESTION_LIFE,
    )
    return signal


def _levels(direction: str, last: Decimal, instrument: Instrument) -> dict[str, Decimal]:
    """Stop 2 % and target 3 % away, and a limit that fills at once."""
    sign = 1 if direction == "long" else -1
    limit = instrument.floor_price(last * (1 + sign * Decimal("0.002")))
    return {
        "entry_price": last,
        "limit_price": limit,
        "worst_price": limit,
        "stop_loss": instrument.floor_price(last * (1 - sign * Decimal("0.02"))),
        "take_profit": instrument.floor_price(last * (1 + sign * Decimal("0.03"))),
        "qty": instrument.floor_qty(NOTIONAL / last),
        "risk_amount": Decimal(12),
        "rr_net": Decimal("1.3"),
        "atr": instrument.floor_price(last * Decimal("0.01")),
    }


if __name__ == "__main__":
    main()
