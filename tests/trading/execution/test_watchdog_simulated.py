"""The watchdog with the real client on the simulated exchange, whose ledger tells how long a
position had no stop."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.choices import LinkState
from exchange.domain import Side
from tests.crash.ambiguous_case import SYMBOL, World, virtual_world
from tests.simulators.bybit.ledger import naked_gaps, positions_at
from trading.choices import EventLevel
from trading.execution.protection_file import ProtectedTrade, ProtectionFile
from trading.execution.watchdog import Watchdog

QTY = Decimal("0.01")


class Silence:
    """Nobody to tell."""

    def state(self, state: LinkState, reason: str) -> None: ...

    def act(self, kind: str, level: EventLevel, text: str, trade: int) -> None: ...


@pytest.fixture
def world() -> Iterator[World]:
    with virtual_world(seed=3, duplicate_ids="reject") as opened:
        yield opened


@pytest.fixture
def watchdog(world: World, tmp_path: Path) -> Watchdog:
    """Guards a long of 0.01 with a stop 3 % below; the trader that wrote it is gone."""
    last = world.prices.last(SYMBOL, world.now_ms())
    trade = ProtectedTrade(
        1,
        SYMBOL,
        Side.BUY,
        QTY,
        world.rules.floor_price(last * Decimal("0.97")),
        world.rules.ceil_price(last * Decimal("1.06")),
    )
    file = ProtectionFile(tmp_path / "protection-1.json", 1)
    file.write([trade], mode="DEMO", region="bybit.com", now=world.clock.now())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    text = file.path.read_text()
    pid = text.split('"pid": ')[1].split(",")[0]
    file.path.write_text(text.replace(f'"pid": {pid}', f'"pid": {gone.pid}'))
    return Watchdog(lambda: world.client, file, world.clock, Silence())


def live(world: World, watchdog: Watchdog, seconds: float) -> None:
    until = world.clock.monotonic() + seconds
    while world.clock.monotonic() < until:
        world.wait(watchdog.round())


def worst_gap_ms(world: World) -> int:
    gaps = naked_gaps(world.exchange.ledger.rows, world.now_ms())
    return max((gap.length_ms for gap in gaps), default=0)


def test_a_stop_removed_by_hand_is_back_within_seconds(world: World, watchdog: Watchdog) -> None:
    world.exchange.user_order(SYMBOL, "Buy", QTY)
    live(world, watchdog, 10)
    world.exchange.user_stop(SYMBOL, None)
    live(world, watchdog, 10)
    assert 0 < worst_gap_ms(world) <= 2500
    (held,) = world.client.positions()
    assert held.stop_loss is not None
    assert held.take_profit is not None


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_lost_answer_is_read_again(world: World, watchdog: Watchdog, fault: str) -> None:
    world.exchange.user_order(SYMBOL, "Buy", QTY)
    world.knobs.add("/v5/position/trading-stop", fault)
    live(world, watchdog, 20)
    assert positions_at(world.exchange.ledger.rows) == {SYMBOL: QTY}
    (held,) = world.client.positions()
    assert held.stop_loss is not None


def test_what_can_never_be_protected_is_closed_whatever_gets_lost(
    world: World, watchdog: Watchdog
) -> None:
    world.exchange.user_order(SYMBOL, "Buy", QTY)
    world.knobs.add("/v5/position/trading-stop", "retcode", times=-1, code=10001)
    world.knobs.add("/v5/order/create", "status", times=3, status=502, applied=False)
    live(world, watchdog, 30)
    assert positions_at(world.exchange.ledger.rows) == {}


def test_somebody_elses_position_stays(world: World, watchdog: Watchdog) -> None:
    world.exchange.user_order(SYMBOL, "Sell", QTY)
    world.exchange.user_order("ETHUSDT", "Buy", Decimal("0.1"))
    live(world, watchdog, 20)
    writes = [
        row["path"]
        for row in world.exchange.ledger.rows
        if row["kind"] == "request" and row["path"] != "/v5/account/set-margin-mode"
    ]
    assert writes == []
