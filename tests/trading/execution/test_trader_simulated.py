"""The trader with Bybit's client on the simulated exchange: what the owner of the account does in
the app, what the exchange does by force, and answers that get lost. The exchange's ledger tells."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.crash.ambiguous_case import CREATE, QTY, SYMBOL, Case, Kind, World, virtual_world
from tests.simulators.bybit.ledger import naked_gaps, positions_at
from trading.choices import ExitReason, SignalState, TradeState
from trading.models import Event, Lease, Trade

NOTHING_WRONG = Kind("nothing wrong", "", {}, taken=True)
D = Decimal


class TradingDay(Case):
    """A trader that goes on, with one open trade of 0.01."""

    def __init__(self, world: World) -> None:
        super().__init__(world, NOTHING_WRONG)
        self.world = world
        self._trader.start()
        self._trader.step()
        self._signal()
        self.live(5)
        self.trade = Trade.objects.get()
        assert self.trade.state == TradeState.OPEN

    def live(self, seconds: float, step_s: float = 0.5) -> None:
        """A round every ``step_s``."""
        until = self.world.clock.monotonic() + seconds
        while self.world.clock.monotonic() < until:
            self._trader.step()
            self.world.wait(step_s)

    def now(self) -> Trade:
        self.trade.refresh_from_db()
        return self.trade

    def shrink(self, target: Decimal) -> None:
        """An operator's wish to keep ``target``."""
        Trade.objects.update(close_wanted=ExitReason.MANUAL, target_qty=target)

    @property
    def position(self) -> Decimal:
        return positions_at(self.world.exchange.ledger.rows).get(SYMBOL, D(0))

    @property
    def worst_gap_ms(self) -> int:
        gaps = naked_gaps(self.world.exchange.ledger.rows, self.world.now_ms())
        return max((gap.length_ms for gap in gaps), default=0)

    def price(self, share: str) -> Decimal:
        """A price at that share of the average entry."""
        return self.world.rules.floor_price(self.trade.entry_value / QTY * D(share))


@pytest.fixture
def day(surroundings: None) -> Iterator[TradingDay]:
    with virtual_world(seed=5, duplicate_ids="reject") as world:
        opened = TradingDay(world)
        yield opened
        opened._desk.lease.abandon()


def kinds() -> set[str]:
    return set(Event.objects.values_list("kind", flat=True))


def test_an_undisturbed_trade_agrees_in_all_four_checks(day: TradingDay) -> None:
    day.live(70, 2)
    assert day._desk.reconciled
    assert day._desk.doubts == []
    day.shrink(D(0))
    day.live(70, 2)
    assert day.now().state == TradeState.CLOSED
    assert day.position == 0
    assert day._desk.reconciled
    assert day.trade.pk in day._desk.checked_trades
    assert "engine_differs" not in kinds()


@pytest.mark.parametrize("lag_ms", [0, 12_000])
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_two_quarter_closes_with_a_lost_answer_sell_half(
    day: TradingDay, fault: str, lag_ms: int
) -> None:
    """Also when the exchange shows what happened 12 seconds late, and the stream nothing."""
    day.world.exchange.lag_ms.update(dict.fromkeys(day.world.exchange.lag_ms, lag_ms))
    if lag_ms:
        day.world.exchange.on_push = lambda *told: None
    day.world.knobs.add(CREATE, fault)
    day.shrink(D("0.0075"))
    day.live(1)
    day.shrink(D("0.005"))
    day.live(100, 1)
    assert day.position == D("0.005")
    assert (day.now().exit_qty, day.trade.close_wanted) == (D("0.005"), "")
    assert day._desk.reconciled


def test_a_part_closed_in_the_app_reduces_ours(day: TradingDay) -> None:
    day.world.exchange.user_close(SYMBOL, D("0.004"))
    day.live(3)
    assert (day.now().state, day.trade.exit_qty) == (TradeState.OPEN, D("0.004"))
    day.world.exchange.user_close(SYMBOL)
    day.live(3)
    assert (day.now().state, day.trade.exit_reason) == (TradeState.CLOSED, ExitReason.EXTERNAL)
    day.live(70, 2)
    assert day._desk.reconciled


def test_what_the_app_adds_is_left_to_its_owner(day: TradingDay) -> None:
    day.world.exchange.user_order(SYMBOL, "Buy", D("0.02"))
    day.live(5)
    assert Lease.objects.get().external_symbols == [SYMBOL]
    assert day._desk.reconciled
    day.shrink(D(0))
    day.live(10)
    assert day.now().state == TradeState.CLOSED
    assert day.position == D("0.02")


def test_a_stop_removed_in_the_app_is_back_within_five_seconds_each_time(
    day: TradingDay,
) -> None:
    for _ in range(3):
        day.world.exchange.user_stop(SYMBOL, None)
        day.live(8)
    assert 0 < day.worst_gap_ms <= 5000
    assert Event.objects.filter(kind="stop_restored").count() == 3
    assert (day.now().state, day.trade.close_wanted) == (TradeState.OPEN, "")


def test_a_stop_moved_in_the_app_is_adopted(day: TradingDay) -> None:
    moved = day.price("0.98")
    day.world.exchange.user_stop(SYMBOL, moved)
    day.live(10)
    assert (day.now().stop_loss, day.trade.stop_rule) == (moved, "app")
    assert "stop_restored" not in kinds()


def test_a_stop_moved_too_far_in_the_app_is_put_back(day: TradingDay) -> None:
    wanted = day.trade.stop_loss
    day.world.exchange.user_stop(SYMBOL, day.price("0.80"))
    day.live(10)
    assert day.now().stop_loss == wanted
    (held,) = day.world.client.positions()
    assert held.stop_loss == wanted
    assert "stop_restored" in kinds()


def test_a_liquidation_ends_our_trade(day: TradingDay) -> None:
    day.world.exchange.liquidate(SYMBOL)
    day.live(5)
    assert (day.now().state, day.trade.exit_reason) == (TradeState.CLOSED, ExitReason.LIQUIDATION)
    assert Event.objects.get(kind="trade_liquidation").level == "critical"


def test_auto_deleveraging_of_a_part_is_booked_and_the_rest_kept(day: TradingDay) -> None:
    day.world.exchange.adl(SYMBOL, D("0.003"))
    day.live(5)
    assert (day.now().state, day.trade.exit_qty) == (TradeState.OPEN, D("0.003"))
    assert "trade_adl" in kinds()
    day.live(70, 2)
    assert day._desk.reconciled


def test_a_delisted_contract_settles_our_trade(day: TradingDay) -> None:
    day.world.exchange.delist(SYMBOL)
    day.live(5)
    assert (day.now().state, day.trade.exit_reason) == (TradeState.CLOSED, ExitReason.DELISTING)
    assert "trade_settlement" in kinds()


def test_a_position_of_the_app_alone_is_external(day: TradingDay) -> None:
    day.shrink(D(0))
    day.live(5)
    day.world.exchange.user_order(SYMBOL, "Sell", D("0.02"))
    day.live(5)
    assert Lease.objects.get().external_symbols == [SYMBOL]
    signal = day._signal()
    day.live(2)
    signal.refresh_from_db()
    assert (signal.state, signal.rule) == (SignalState.DROPPED, "occupied")
    assert day.position == D("-0.02")
