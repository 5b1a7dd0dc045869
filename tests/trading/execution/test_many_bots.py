"""Ten bots trade one account at the same moment: one position per symbol, no slot too many.

Judged by the venue's own orders and fills, not by what the trader believes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from analysis.domain import Direction
from exchange.choices import Mode
from exchange.domain import ZERO
from exchange.market.clock import SteppedClock, WallClock
from exchange.models import ExchangeAccount, PaperExecution, PaperOrder
from exchange.paper.ledger import PaperExchange, open_ledger
from tests.factories import BotFactory
from tests.trading.cycle.conftest import BOUNDARY, ScriptedAnalyst
from trading.choices import Autonomy, CycleState, RiskProfile
from trading.cycle.run import CyclePorts, cycle_run
from trading.execution.desk import Desk
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.models import Bot, Cycle, RiskLimits, Signal
from trading.services import account_create
from trading.wiring import stepped_market_for

BOTS, SLOTS, BARS = 10, 4, 2
BAR = timedelta(minutes=15)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT")


@dataclass
class House:
    """One account, ten bots that see setups everywhere, and the trader of them all."""

    account: ExchangeAccount
    bots: list[Bot]
    clock: SteppedClock
    trader: Trader

    def bar(self) -> None:
        """Every bot's cycle at once, while the trader goes on; then a bar of market time."""
        start, broken = threading.Barrier(len(self.bots)), []

        def run(number: int, cycle_id: int) -> None:
            try:
                ports = CyclePorts(
                    stepped_market_for(self.account, self.clock),
                    self._analyst(number),
                    WallClock(),
                    f"here/1/{number}",
                )
                start.wait(30)
                assert cycle_run(cycle_id, ports).state != CycleState.FAILED
            except BaseException as exc:
                broken.append(exc)
            finally:
                connection.close()

        threads = [
            threading.Thread(target=run, args=(number, self._cycle(bot).pk))
            for number, bot in enumerate(self.bots)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.trader.step()
        assert broken == []
        for _ in range(3):
            self.clock.move_to(self.clock.now() + BAR / 3)
            for _ in range(2):
                self.trader.step()

    def _cycle(self, bot: Bot) -> Cycle:
        return Cycle.objects.create(
            bot=bot, timeframe=bot.timeframe, boundary=self.clock.now(), attempt=0
        )

    def _analyst(self, number: int) -> ScriptedAnalyst:
        """Every third bot sees shorts."""
        side = Direction.SHORT if number % 3 == 0 else Direction.LONG
        return ScriptedAnalyst(says=dict.fromkeys(SYMBOLS, side))


@pytest.fixture
def house(transactional_db: None, settings: Settings, tmp_path: Path) -> House:
    settings.DATA_DIR = tmp_path
    account = account_create(
        name="house",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=SYMBOLS,
        market_start=BOUNDARY,
        speed=0,
        seed=5,
    )
    RiskLimits.objects.update(
        max_slots=SLOTS, max_same_direction=SLOTS, max_per_group=0, max_entries_per_day=60
    )
    bots = [
        BotFactory.create(
            account=account,
            name=f"bot {number}",
            symbols=list(SYMBOLS),
            timeframe="15m",
            autonomy=Autonomy.AUTO,
            capital_share=Decimal("0.1"),
        )
        for number in range(BOTS)
    ]
    clock = SteppedClock(BOUNDARY)
    market = stepped_market_for(account, clock)
    open_ledger(account, clock.now())
    lease = AccountLease(account, WallClock())
    assert lease.acquire()
    desk = Desk(
        account=account,
        client=PaperExchange(account, market),
        market=market,
        clock=WallClock(),
        lease=lease,
    )
    trader = Trader(desk)
    trader.start()
    return House(account, bots, clock, trader)


def positions_over_time(account: ExchangeAccount) -> list[int]:
    """Symbols held after each fill of the venue. Fails where two entries share a symbol."""
    held: dict[str, Decimal] = {}
    opener: dict[str, str] = {}
    counts = []
    for fill in PaperExecution.objects.filter(account=account).order_by("id"):
        signed = fill.qty if fill.side == "buy" else -fill.qty
        before = held.get(fill.symbol, ZERO)
        if before == 0:
            opener[fill.symbol] = fill.order_link_id
        elif before * signed > 0:
            assert opener[fill.symbol] == fill.order_link_id
        held[fill.symbol] = before + signed
        counts.append(sum(qty != 0 for qty in held.values()))
    return counts


def test_ten_bots_keep_to_one_position_per_symbol_and_to_the_slots(house: House) -> None:
    for _ in range(BARS):
        house.bar()
        working = PaperOrder.objects.filter(
            account=house.account, status__in=("new", "partially_filled"), reduce_only=False
        )
        held = {one.symbol for one in house.trader.desk.client.positions()}
        assert len(held | set(working.values_list("symbol", flat=True))) <= SLOTS
    house.trader.desk.lease.abandon()

    counts = positions_over_time(house.account)
    assert 1 <= max(counts) <= SLOTS
    entries = PaperOrder.objects.filter(account=house.account, order_link_id__endswith="-e")
    assert entries.count() <= Signal.objects.exclude(qty=None).count()
    # So many wanted the same few slots that the rules had something to do.
    assert Signal.objects.exclude(payload_hash="").count() > entries.count()
