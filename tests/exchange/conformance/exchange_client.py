"""What every ``ExchangeClient`` must do, told through its port alone.

A venue's test module subclasses ``ExchangeClientConformance`` and gives a ``venue`` fixture.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import pytest

from exchange.domain import (
    ZERO,
    Execution,
    ExecutionKind,
    Instrument,
    LedgerKind,
    OrderReport,
    OrderRequest,
    OrderType,
    PositionReport,
    Side,
    TimeInForce,
    VenueOrderStatus,
)
from exchange.errors import InsufficientBalance, OrderRejected
from exchange.ports import ExchangeClient

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class Venue(Protocol):
    """An account with money, no orders and no position, on a market that the test moves.

    ``qty`` is an order of ordinary size. ``trade_at`` lets the market trade at a price, goes
    there straight from the last one, and returns when the venue has dealt with it. ``thin_out``
    says how much an order can take at one price from now on (before, enough for all).
    """

    instrument: Instrument
    qty: Decimal

    @property
    def client(self) -> ExchangeClient: ...

    def last(self) -> Decimal: ...

    def trade_at(self, price: Decimal) -> None: ...

    def thin_out(self, liquidity: Decimal) -> None: ...


def away(venue: Venue, percent: int) -> Decimal:
    """A price on a tick, ``percent`` above the last one (below, if negative)."""
    return venue.instrument.floor_price(venue.last() * (100 + percent) / 100)


def market(
    venue: Venue, link_id: str, side: Side = Side.BUY, *, qty: Decimal | None = None
) -> OrderRequest:
    """An ordinary market entry without levels."""
    size = venue.qty if qty is None else qty
    return OrderRequest(link_id, venue.instrument.symbol, side, OrderType.MARKET, size)


def limit(
    venue: Venue,
    link_id: str,
    price: Decimal,
    *,
    side: Side = Side.BUY,
    time_in_force: TimeInForce = TimeInForce.GTC,
    stop_loss: Decimal | None = None,
    take_profit: Decimal | None = None,
) -> OrderRequest:
    """A limit entry."""
    return OrderRequest(
        link_id,
        venue.instrument.symbol,
        side,
        OrderType.LIMIT,
        venue.qty,
        price=price,
        time_in_force=time_in_force,
        stop_loss=stop_loss,
        take_profit=take_profit,
    )


def closing(venue: Venue, link_id: str, qty: Decimal, *, everything: bool = False) -> OrderRequest:
    """A reduce-only market sell; ``everything`` is the close-all form."""
    return OrderRequest(
        link_id,
        venue.instrument.symbol,
        Side.SELL,
        OrderType.MARKET,
        qty,
        reduce_only=True,
        close_all=everything,
    )


def report(venue: Venue, link_id: str) -> OrderReport:
    found = report_or_none(venue, link_id)
    assert found is not None
    return found


def report_or_none(venue: Venue, link_id: str) -> OrderReport | None:
    return venue.client.order(symbol=venue.instrument.symbol, order_link_id=link_id)


def position(venue: Venue) -> PositionReport:
    (found,) = venue.client.positions()
    return found


def fills(venue: Venue) -> list[Execution]:
    return list(venue.client.executions(since=EPOCH))


def enter(
    venue: Venue,
    link_id: str = "entry",
    *,
    stop_loss: Decimal | None = None,
    take_profit: Decimal | None = None,
) -> None:
    """Open a long position of ordinary size."""
    venue.client.place_order(
        OrderRequest(
            link_id,
            venue.instrument.symbol,
            Side.BUY,
            OrderType.MARKET,
            venue.qty,
            stop_loss=stop_loss,
            take_profit=take_profit,
        )
    )
    venue.trade_at(venue.last())


class ExchangeClientConformance:
    """The contract of ``exchange.ports.ExchangeClient``."""

    def test_acknowledgement_is_not_a_fill(self, venue: Venue) -> None:
        ack = venue.client.place_order(limit(venue, "resting", away(venue, -5)))

        assert ack.order_link_id == "resting"
        assert ack.order_id == report(venue, "resting").order_id
        assert report(venue, "resting").status is VenueOrderStatus.NEW
        assert [one.order_link_id for one in venue.client.open_orders()] == ["resting"]
        assert fills(venue) == []
        assert not venue.client.positions()

    def test_market_order_opens_a_position(self, venue: Venue) -> None:
        enter(venue)

        assert report(venue, "entry").status is VenueOrderStatus.FILLED
        assert not venue.client.open_orders()
        assert (position(venue).side, position(venue).qty) == (Side.BUY, venue.qty)
        assert position(venue).avg_price == report(venue, "entry").avg_price

    def test_limit_order_fills_at_its_price_or_better(self, venue: Venue) -> None:
        price = away(venue, -2)
        venue.client.place_order(limit(venue, "resting", price))
        venue.trade_at(away(venue, -4))

        assert report(venue, "resting").status is VenueOrderStatus.FILLED
        assert all(one.price <= price for one in fills(venue))

    def test_attached_levels_stand_on_the_position_after_the_fill(self, venue: Venue) -> None:
        stop, target = away(venue, -5), away(venue, 10)
        enter(venue, stop_loss=stop, take_profit=target)

        assert (position(venue).stop_loss, position(venue).take_profit) == (stop, target)

    def test_used_link_id_is_refused_even_after_the_order_is_final(self, venue: Venue) -> None:
        enter(venue, "once")

        with pytest.raises(OrderRejected) as refused:
            venue.client.place_order(market(venue, "once"))

        assert refused.value.code == "duplicate_link_id"
        assert position(venue).qty == venue.qty

    def test_unknown_order_is_none(self, venue: Venue) -> None:
        symbol = venue.instrument.symbol

        assert venue.client.order(symbol=symbol, order_link_id="never-sent") is None

    def test_unknown_symbol_is_refused(self, venue: Venue) -> None:
        request = OrderRequest("odd", "NOSUCHUSDT", Side.BUY, OrderType.MARKET, venue.qty)

        with pytest.raises(OrderRejected):
            venue.client.place_order(request)

    def test_cancelled_order_does_not_fill(self, venue: Venue) -> None:
        venue.client.place_order(limit(venue, "resting", away(venue, -2)))
        venue.client.cancel_order(symbol=venue.instrument.symbol, order_link_id="resting")
        venue.trade_at(away(venue, -4))

        assert report(venue, "resting").status is VenueOrderStatus.CANCELLED
        assert fills(venue) == []

    @pytest.mark.parametrize("state", ["never sent", "filled"])
    def test_cancel_of_what_does_not_work_is_refused(self, venue: Venue, state: str) -> None:
        enter(venue, "filled")

        with pytest.raises(OrderRejected) as refused:
            venue.client.cancel_order(symbol=venue.instrument.symbol, order_link_id=state)

        assert refused.value.code == "order_not_open"

    def test_rest_of_an_immediate_order_is_cancelled(self, venue: Venue) -> None:
        price = away(venue, 1)
        order = limit(venue, "now", price, time_in_force=TimeInForce.IOC)
        venue.thin_out(venue.qty / 2)
        venue.client.place_order(order)
        venue.trade_at(venue.last())

        done = report(venue, "now")
        assert done.status is VenueOrderStatus.CANCELLED
        assert ZERO < done.filled_qty < venue.qty
        assert position(venue).qty == done.filled_qty

    def test_immediate_order_beyond_its_limit_fills_nothing(self, venue: Venue) -> None:
        order = limit(venue, "now", away(venue, -1), time_in_force=TimeInForce.IOC)
        venue.client.place_order(order)
        venue.trade_at(venue.last())

        assert report(venue, "now").status is VenueOrderStatus.CANCELLED
        assert fills(venue) == []

    def test_reduce_only_never_flips(self, venue: Venue) -> None:
        enter(venue)
        venue.client.place_order(closing(venue, "out", venue.qty * 3))
        venue.trade_at(venue.last())

        assert not venue.client.positions()
        assert report(venue, "out").filled_qty == venue.qty

    @pytest.mark.parametrize("everything", [False, True])
    def test_reduce_only_without_a_position_is_refused(
        self, venue: Venue, everything: bool
    ) -> None:
        qty = ZERO if everything else venue.qty
        with pytest.raises(OrderRejected) as refused:
            venue.client.place_order(closing(venue, "out", qty, everything=everything))

        assert refused.value.code == "reduce_only"

    def test_close_all_closes_whatever_is_open(self, venue: Venue) -> None:
        enter(venue, "first")
        enter(venue, "second")
        venue.client.place_order(closing(venue, "out", ZERO, everything=True))
        venue.trade_at(venue.last())

        assert not venue.client.positions()
        assert report(venue, "out").filled_qty == venue.qty * 2

    def test_executions_are_unique_and_add_up(self, venue: Venue) -> None:
        enter(venue, "first")
        enter(venue, "second")

        executions = fills(venue)
        assert len({one.exec_id for one in executions}) == len(executions)
        for link_id in ("first", "second"):
            booked = sum(one.qty for one in executions if one.order_link_id == link_id)
            assert booked == report(venue, link_id).filled_qty
        assert sum(one.qty for one in executions) == position(venue).qty

    def test_executions_of_one_order_and_from_an_instant_on(self, venue: Venue) -> None:
        symbol = venue.instrument.symbol
        enter(venue, "first")
        enter(venue, "second")

        (told,) = {
            one.order_id for one in venue.client.executions(since=EPOCH, order_link_id="first")
        }
        assert told == report(venue, "first").order_id
        assert not venue.client.executions(since=EPOCH, order_link_id="never-sent")
        second = [one for one in fills(venue) if one.order_link_id == "second"]
        assert list(venue.client.executions(since=second[0].time)) == second
        assert {one.symbol for one in second} == {symbol}

    def test_stop_closes_the_position(self, venue: Venue) -> None:
        stop = away(venue, -3)
        enter(venue, stop_loss=stop, take_profit=away(venue, 10))
        venue.trade_at(away(venue, -4))

        assert not venue.client.positions()
        last = fills(venue)[-1]
        assert (last.kind, last.side, last.qty) == (ExecutionKind.STOP_LOSS, Side.SELL, venue.qty)
        assert last.order_link_id == ""
        assert last.price <= stop

    def test_target_closes_the_position(self, venue: Venue) -> None:
        enter(venue, stop_loss=away(venue, -10), take_profit=away(venue, 3))
        venue.trade_at(away(venue, 4))

        assert not venue.client.positions()
        assert fills(venue)[-1].kind is ExecutionKind.TAKE_PROFIT

    def test_levels_of_a_closed_position_are_gone(self, venue: Venue) -> None:
        enter(venue, "first", stop_loss=away(venue, -3))
        venue.trade_at(away(venue, -4))
        enter(venue, "second")

        assert position(venue).stop_loss is None

    def test_setting_the_same_levels_again_changes_nothing(self, venue: Venue) -> None:
        enter(venue)
        symbol, stop, target = venue.instrument.symbol, away(venue, -5), away(venue, 10)
        venue.client.set_trading_stop(symbol=symbol, stop_loss=stop, take_profit=target)
        venue.client.set_trading_stop(symbol=symbol, stop_loss=stop, take_profit=target)

        held = position(venue)
        assert (held.stop_loss, held.take_profit) == (stop, target)
        assert held.qty == venue.qty

    def test_levels_can_be_taken_away(self, venue: Venue) -> None:
        enter(venue, stop_loss=away(venue, -5), take_profit=away(venue, 10))
        symbol = venue.instrument.symbol
        venue.client.set_trading_stop(symbol=symbol, stop_loss=away(venue, -4), take_profit=None)
        held = position(venue)
        assert (held.stop_loss, held.take_profit) == (away(venue, -4), None)

        venue.client.set_trading_stop(symbol=symbol, stop_loss=None, take_profit=None)
        held = position(venue)
        assert (held.stop_loss, held.take_profit) == (None, None)

    def test_levels_need_a_position(self, venue: Venue) -> None:
        with pytest.raises(OrderRejected) as refused:
            venue.client.set_trading_stop(
                symbol=venue.instrument.symbol, stop_loss=away(venue, -5), take_profit=None
            )

        assert refused.value.code == "no_position"

    def test_stop_beyond_the_market_is_refused(self, venue: Venue) -> None:
        enter(venue)

        with pytest.raises(OrderRejected) as refused:
            venue.client.set_trading_stop(
                symbol=venue.instrument.symbol, stop_loss=away(venue, 5), take_profit=None
            )

        assert refused.value.code == "stop_wrong_side"

    def test_leverage_stands_on_the_position(self, venue: Venue) -> None:
        venue.client.set_leverage(symbol=venue.instrument.symbol, leverage=Decimal(3))
        venue.client.set_leverage(symbol=venue.instrument.symbol, leverage=Decimal(3))
        enter(venue)

        assert position(venue).leverage == 3

    def test_order_beyond_the_margin_is_refused(self, venue: Venue) -> None:
        venue.client.set_leverage(symbol=venue.instrument.symbol, leverage=Decimal(1))
        affordable = venue.client.balance().available / venue.last()
        too_much = venue.instrument.floor_qty(affordable * 2) + venue.instrument.qty_step

        with pytest.raises(InsufficientBalance):
            venue.client.place_order(market(venue, "big", qty=too_much))

        assert venue.client.order(symbol=venue.instrument.symbol, order_link_id="big") is None

    def test_balance_is_the_sum_of_the_ledger(self, venue: Venue) -> None:
        start = venue.client.balance()
        enter(venue)
        venue.trade_at(away(venue, 2))
        venue.client.place_order(closing(venue, "out", ZERO, everything=True))
        venue.trade_at(venue.last())

        entries = venue.client.ledger(since=EPOCH)
        end = venue.client.balance()
        assert end.wallet == start.wallet + sum(one.amount for one in entries)
        assert end.equity == end.wallet
        booked = [one.exec_id for one in entries if one.kind is LedgerKind.EXECUTION]
        assert booked == [one.exec_id for one in fills(venue)]

    def test_drain_tells_each_execution_once(self, venue: Venue) -> None:
        enter(venue)
        venue.client.place_order(closing(venue, "out", venue.qty))
        venue.trade_at(venue.last())

        first, second = venue.client.drain(), venue.client.drain()
        assert [one.exec_id for one in first.executions] == [one.exec_id for one in fills(venue)]
        assert first.orders[-1].status is VenueOrderStatus.FILLED
        assert not second

    def test_venue_that_works_is_not_doubted(self, venue: Venue) -> None:
        venue.client.balance()

        health = venue.client.health()
        assert (health.doubts, health.halted) == ((), "")
