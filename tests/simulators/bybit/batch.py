"""One thing that happens: its rows, pushed in the order the venue pushes them."""

from __future__ import annotations

from typing import Any

from tests.simulators.bybit.accounts import Account, Record
from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.payloads import order_push, order_row, position_push, position_row
from tests.simulators.bybit.payloads_account import execution_push, wallet_row
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import ZERO, text
from tests.simulators.bybit.venue import Venue

Row = dict[str, Any]
VIEWS_KEPT = 50


class Batch:
    """Collect rows of one match; `close()` pushes them.

    Order and execution rows share one message id; levels that came to be through the match follow
    in an order message of their own, then the position, then the wallet if it changed.
    """

    def __init__(self, venue: Venue, account: Account, symbol: str) -> None:
        self.venue = venue
        self.account = account
        self.symbol = symbol
        self.seq = venue.next_seq(symbol)
        self._orders: list[Row] = []
        self._later: list[Row] = []
        self._executions: list[Row] = []
        self._positions: dict[int, Position] = {}
        self._wallet_changed = False

    def order(self, order: Order, event: str, *, later: bool = False) -> None:
        """Note that an order changed: for readers, the stream and the ledger."""
        now = self.venue.now_ms
        order.updated_ms = now
        row = order_row(order, self.venue.profile)
        order.views.append((now, row))
        self.account.orders[order.order_id] = order
        if order.is_open:
            self.account.open_orders[order.order_id] = order
        else:
            self.account.open_orders.pop(order.order_id, None)
        (self._later if later else self._orders).append(order_push(order, row))
        self.log_order(order, event)
        self.position(order.position_idx)

    def log_order(self, order: Order, event: str) -> None:
        """Write an order's state to the ledger alone."""
        self.venue.ledger.add(
            self.venue.now_ms,
            "order",
            self.account.uid,
            symbol=order.symbol,
            event=event,
            orderId=order.order_id,
            orderLinkId=order.link_id,
            side=order.side,
            orderType=order.order_type,
            qty=text(order.qty),
            price=text(order.price),
            triggerPrice=text(order.trigger_price),
            status=order.status,
            cumExecQty=text(order.cum_qty),
            reduceOnly=order.reduce_only,
            positionIdx=order.position_idx,
            stopOrderType=order.stop_order_type,
            createType=order.create_type,
            cancelType=order.cancel_type,
        )

    def execution(self, row: Row) -> None:
        """Note a fill."""
        self.account.executions.append(Record(self.venue.next_n(), self.venue.now_ms, row))
        self._executions.append(execution_push(row))

    def position(self, idx: int) -> None:
        """Push this position's row, changed or not, as the venue does after every order act."""
        position = self.account.position(self.symbol, idx, self.venue.now_ms)
        self._positions[idx] = position

    def wallet(self) -> None:
        self._wallet_changed = True

    def close(self) -> None:
        """Push everything and write positions and stops to the ledger."""
        push, uid = self.venue.on_push, self.account.uid
        message_id = f"{uid}_{self.symbol}_{self.seq}"
        rows = [self._position_row(position) for position in self._positions.values()]
        if self._orders:
            push(uid, "order", self._orders, message_id)
        if self._executions:
            push(uid, "execution", self._executions, message_id)
        if self._later:
            seq = self.venue.next_seq(self.symbol)
            push(uid, "order", self._later, f"{uid}_{self.symbol}_{seq}")
        if rows:
            push(uid, "position", rows, f"{uid}{self.venue.new_id()}")
        if self._wallet_changed:
            wallet = wallet_row(self.venue, self.account)
            push(uid, "wallet", [wallet], f"{uid}{self.venue.new_id()}")

    def _position_row(self, position: Position) -> Row:
        venue, account = self.venue, self.account
        row = position_row(venue, account, position)
        position.views.append((venue.now_ms, row))
        del position.views[:-VIEWS_KEPT]
        key = {"symbol": self.symbol, "positionIdx": position.idx}
        if position.size != position.noted_size:
            position.noted_size = position.size
            size, average = text(position.size), row["avgPrice"]
            venue.ledger.add(
                venue.now_ms, "position", account.uid, **key, size=size, avgPrice=average
            )
        levels = _levels_of(position)
        if levels != position.noted_levels:
            position.noted_levels = levels
            venue.ledger.add(venue.now_ms, "stop", account.uid, **key, **levels)
        return position_push(row)


def _levels_of(position: Position) -> dict[str, str]:
    """Spell the levels for the ledger; `qty` is what stops, whole, trailing or partial, cover."""
    stop, target, trail = position.stop_loss, position.take_profit, position.trailing_stop
    guard = stop or trail
    parts = [part for part in position.partials if part.stop_order_type == "PartialStopLoss"]
    covered = guard.qty if guard else sum((part.qty for part in parts), ZERO)
    return {
        "stopLoss": text(stop.trigger_price) if stop else "",
        "takeProfit": text(target.trigger_price) if target else "",
        "trailingStop": text(trail.trigger_price) if trail else "",
        "qty": text(covered),
    }
