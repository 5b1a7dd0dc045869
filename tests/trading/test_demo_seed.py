"""What a newcomer sees with the demo's seed: a cycle at once, a closed trade within minutes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config.demo import demo_create
from config.environment import Environment
from exchange.models import ExchangeAccount, MarketSession
from trading.choices import CycleState, ExitReason, TradeState
from trading.models import Cycle, Trade
from trading.stepped import SteppedDriver

SEED = Environment.model_fields["demo_seed"].default
# Five hours of market time are two and a half minutes at 120x.
WATCHED = timedelta(hours=5)


@pytest.mark.django_db(transaction=True)
def test_the_demo_shows_a_cycle_and_a_closed_trade_within_five_minutes() -> None:
    demo_create(seed=SEED, speed=120)
    MarketSession.objects.update(speed=0)
    account = ExchangeAccount.objects.get()
    start = account.market_session.start
    assert SteppedDriver(account, start + WATCHED).run() == []
    first = Cycle.objects.order_by("boundary").first()
    assert first is not None
    assert (first.boundary, first.state) == (start + timedelta(minutes=15), CycleState.COMPLETED)
    closed = Trade.objects.filter(state=TradeState.CLOSED)
    assert closed.exclude(exit_reason=ExitReason.END_OF_DATA).exists()
