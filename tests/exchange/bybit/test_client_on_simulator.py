"""What happens to an account on Bybit besides our orders, and what gets lost on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchange.domain import (
    ZERO,
    AccountUpdate,
    Execution,
    ExecutionKind,
    LedgerKind,
    OrderType,
    Side,
    VenueOrderStatus,
)
from exchange.errors import ExchangeHalted, OrderOutcomeUnknown, OrderRejected
from tests.exchange.bybit.simulated_venue import SYMBOL, SimulatedVenue, simulated_venue
from tests.exchange.conformance.exchange_client import (
    EPOCH,
    away,
    closing,
    enter,
    fills,
    limit,
    market,
    position,
    report,
)

CREATE = "/v5/order/create"


@pytest.fixture
def venue() -> Iterator[SimulatedVenue]:
    with simulated_venue() as venue:
        yield venue


def lose(venue: SimulatedVenue, endpoint: str, fault: str, **args: Any) -> None:
    """Let one request or frame go wrong."""
    venue.server.knobs.add(endpoint, fault, **args)


def drained(venue: SimulatedVenue, seconds: float = 5.0) -> AccountUpdate:
    """The next update that tells anything."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if update := venue.client.drain():
            return update
        time.sleep(0.02)
    raise AssertionError("nothing was told")


def last_fill(venue: SimulatedVenue) -> Execution:
    """The newest execution, which the stream must have told alike."""
    newest = fills(venue)[-1]
    assert newest in venue.client.drain().executions
    return newest


@pytest.mark.parametrize("profile", ["demo2026", "main2026", "main2023"])
def test_every_dialect_is_understood(profile: str) -> None:
    with simulated_venue(profile=profile) as venue:
        venue.client.set_leverage(symbol=SYMBOL, leverage=Decimal(4))
        enter(venue, stop_loss=away(venue, -5), take_profit=away(venue, 10))
        venue.client.place_order(limit(venue, "resting", away(venue, -20)))

        held = position(venue)
        assert (held.side, held.qty, held.leverage) == (Side.BUY, venue.qty, Decimal(4))
        assert (held.stop_loss, held.take_profit) == (away(venue, -5), away(venue, 10))
        working = venue.client.open_orders()
        assert sorted(one.order_link_id for one in working) == ["", "", "resting"]
        assert venue.client.drain().executions == tuple(fills(venue))

        venue.trade_at(away(venue, -6))
        assert last_fill(venue).kind is ExecutionKind.STOP_LOSS
        assert not venue.client.positions()
        balance = venue.client.balance()
        assert balance.equity == balance.wallet < 10_000


def test_liquidation(venue: SimulatedVenue) -> None:
    enter(venue)
    venue.exchange.liquidate(SYMBOL)

    done = last_fill(venue)
    assert (done.kind, done.order_link_id, done.qty) == (ExecutionKind.LIQUIDATION, "", venue.qty)
    assert not venue.client.positions()


def test_deleveraging(venue: SimulatedVenue) -> None:
    enter(venue)
    venue.exchange.adl(SYMBOL, venue.qty / 2)

    done = last_fill(venue)
    assert (done.kind, done.order_link_id) == (ExecutionKind.ADL, "")
    assert position(venue).qty == venue.qty / 2


def test_delisting(venue: SimulatedVenue) -> None:
    enter(venue)
    venue.exchange.delist(SYMBOL)

    assert last_fill(venue).kind is ExecutionKind.SETTLEMENT
    with pytest.raises(OrderRejected) as refused:
        venue.client.place_order(market(venue, "late"))
    assert refused.value.code == "symbol_closed"


def test_close_by_hand(venue: SimulatedVenue) -> None:
    enter(venue, stop_loss=away(venue, -5))
    venue.client.drain()
    venue.exchange.user_close(SYMBOL)

    update = venue.client.drain()
    (done,) = update.executions
    assert (done.kind, done.side, done.order_link_id) == (ExecutionKind.TRADE, Side.SELL, "")
    assert VenueOrderStatus.CANCELLED in {one.status for one in update.orders}
    assert update.positions[-1].qty == 0


def test_stop_moved_and_removed_by_hand(venue: SimulatedVenue) -> None:
    enter(venue, stop_loss=away(venue, -5))
    venue.client.drain()

    venue.exchange.user_stop(SYMBOL, away(venue, -7))
    assert venue.client.drain().positions[-1].stop_loss == away(venue, -7)
    venue.exchange.user_stop(SYMBOL, None)
    assert venue.client.drain().positions[-1].stop_loss is None
    assert position(venue).stop_loss is None


def test_leverage_changed_by_hand_is_changed_back(venue: SimulatedVenue) -> None:
    venue.client.set_leverage(symbol=SYMBOL, leverage=Decimal(3))
    venue.exchange.user_leverage(SYMBOL, Decimal(20))
    venue.client.drain()

    venue.client.set_leverage(symbol=SYMBOL, leverage=Decimal(3))
    enter(venue)

    assert position(venue).leverage == 3


def test_hedge_mode_and_back(venue: SimulatedVenue) -> None:
    venue.exchange.user_hedge_mode(True)
    with pytest.raises(OrderRejected) as refused:
        venue.client.set_leverage(symbol=SYMBOL, leverage=Decimal(3))
    assert refused.value.code == "position_mode"
    with pytest.raises(OrderRejected) as refused:
        venue.client.place_order(market(venue, "one-way"))
    assert refused.value.code == "position_mode"
    assert any("Hedge mode" in doubt for doubt in venue.client.health().doubts)

    venue.exchange.user_hedge_mode(False)
    venue.client.refresh_account()
    assert venue.client.health().doubts == ()
    venue.client.set_leverage(symbol=SYMBOL, leverage=Decimal(3))


def test_cross_margin(venue: SimulatedVenue) -> None:
    venue.exchange.user_margin_mode("REGULAR_MARGIN")

    with pytest.raises(OrderRejected) as refused:
        venue.client.set_leverage(symbol=SYMBOL, leverage=Decimal(3))

    assert refused.value.code == "margin_mode"
    assert any("cross margin" in doubt for doubt in venue.client.health().doubts)


def test_expired_key(venue: SimulatedVenue) -> None:
    venue.exchange.set_key(expiredAt="2020-01-01T00:00:00Z")

    with pytest.raises(OrderRejected) as refused:
        venue.client.place_order(market(venue, "refused"))
    with pytest.raises(ExchangeHalted):
        venue.client.positions()

    assert refused.value.code == "halted"
    assert "expired" in venue.client.health().halted


def test_transfer_is_in_the_ledger(venue: SimulatedVenue) -> None:
    before = venue.client.balance().wallet
    venue.exchange.transfer(Decimal(-250))

    (entry,) = venue.client.ledger(since=EPOCH)

    assert (entry.kind, entry.amount, entry.exec_id) == (LedgerKind.TRANSFER, Decimal(-250), "")
    assert venue.client.balance().wallet == before - 250


def test_funding_is_money_and_no_execution() -> None:
    settlement = datetime(2026, 11, 22, 8, tzinfo=UTC)
    start_ms = int((settlement - timedelta(seconds=2)).timestamp() * 1000)
    with simulated_venue(start_ms=start_ms) as venue:
        venue.exchange.set_funding_rate(SYMBOL, Decimal("0.001"))
        enter(venue)
        time.sleep(max(0.0, (start_ms + 2_100 - venue.server.clock.now_ms()) / 1000))

        entries = venue.client.ledger(since=EPOCH)
        funding = entries[-1]
        assert (funding.kind, funding.symbol) == (LedgerKind.FUNDING, SYMBOL)
        assert funding.time == settlement
        assert funding.amount == pytest.approx(
            -venue.qty * venue.last() / 1000, rel=Decimal("0.01")
        )
        assert [one.kind for one in entries[:-1]] == [LedgerKind.EXECUTION]
        assert len(fills(venue)) == 1
        assert len(venue.client.drain().executions) == 1
        assert venue.client.balance().wallet == 10_000 + sum(one.amount for one in entries)


def test_many_fills_come_on_several_pages(venue: SimulatedVenue) -> None:
    for _ in range(130):
        venue.exchange.user_order(SYMBOL, "Buy", Decimal("0.001"))

    found = fills(venue)

    assert len({one.exec_id for one in found}) == len(found) == 130
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert {one.exec_id for one in venue.client.ledger(since=EPOCH)} == {
        one.exec_id for one in found
    }


def test_many_orders_come_on_several_pages(venue: SimulatedVenue) -> None:
    price = str(away(venue, -5))
    for _ in range(60):
        venue.exchange.user_order(
            SYMBOL, "Buy", Decimal("0.001"), orderType="Limit", price=price, timeInForce="GTC"
        )

    assert len(venue.client.open_orders()) == 60


@pytest.mark.parametrize("fault", ["reset", "html", "truncated", "empty"])
def test_entry_whose_answer_is_lost_is_found(venue: SimulatedVenue, fault: str) -> None:
    lose(venue, CREATE, fault, applied=True)

    with pytest.raises(OrderOutcomeUnknown):
        venue.client.place_order(limit(venue, "lost", away(venue, -5)))

    assert report(venue, "lost").status is VenueOrderStatus.NEW
    assert len(venue.client.open_orders()) == 1


def test_entry_that_never_arrived_is_not_found(venue: SimulatedVenue) -> None:
    lose(venue, CREATE, "reset", applied=False)

    with pytest.raises(OrderOutcomeUnknown):
        venue.client.place_order(limit(venue, "lost", away(venue, -5)))

    assert venue.client.order(symbol=SYMBOL, order_link_id="lost") is None
    assert not venue.client.open_orders()


def test_stop_that_was_dropped_is_missing_and_can_be_set(venue: SimulatedVenue) -> None:
    lose(venue, CREATE, "sl_ignored")
    enter(venue, stop_loss=away(venue, -5), take_profit=away(venue, 10))
    assert position(venue).stop_loss is None

    venue.client.set_trading_stop(
        symbol=SYMBOL, stop_loss=away(venue, -5), take_profit=away(venue, 10)
    )

    assert position(venue).stop_loss == away(venue, -5)


def test_amended_order_has_its_new_price_and_size(venue: SimulatedVenue) -> None:
    venue.client.place_order(limit(venue, "resting", away(venue, -5)))
    venue.client.amend_order(
        symbol=SYMBOL, order_link_id="resting", price=away(venue, -6), qty=venue.qty * 2
    )

    changed = report(venue, "resting")
    assert (changed.price, changed.qty) == (away(venue, -6), venue.qty * 2)
    with pytest.raises(OrderRejected) as refused:
        venue.client.amend_order(symbol=SYMBOL, order_link_id="none", qty=venue.qty)
    assert refused.value.code == "order_not_open"


def test_closed_pnl_is_what_the_trade_left(venue: SimulatedVenue) -> None:
    enter(venue)
    venue.trade_at(away(venue, 2))
    venue.client.place_order(closing(venue, "out", ZERO, everything=True))

    (closed,) = venue.client.closed_pnl(since=EPOCH)

    earned = sum(one.amount for one in venue.client.ledger(since=EPOCH))
    assert closed.pnl == earned
    assert (closed.side, closed.qty, closed.symbol) == (Side.SELL, venue.qty, SYMBOL)


def test_broken_stream_comes_back_and_asks_for_a_resync() -> None:
    with simulated_venue(patience_s=0.1) as venue:
        lose(venue, "ws:private", "close", code=1001)
        enter(venue)

        deadline = time.monotonic() + 10
        while not venue.client.drain().resync:
            assert time.monotonic() < deadline
        assert len(fills(venue)) == 1


def test_market_order_is_told_once_as_filled(venue: SimulatedVenue) -> None:
    enter(venue)

    (told,) = [one for one in drained(venue).orders if one.order_link_id == "entry"]

    assert (told.status, told.order_type, told.price) == (
        VenueOrderStatus.FILLED,
        OrderType.MARKET,
        None,
    )
