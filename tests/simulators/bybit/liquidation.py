"""What the venue does to positions by force: liquidation and automatic deleveraging."""

from __future__ import annotations

from decimal import Decimal

from tests.simulators.bybit.accounts import ISOLATED, Account
from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.funding import cancel_everything
from tests.simulators.bybit.matching import fill, finish
from tests.simulators.bybit.orders import OPPOSITE, Order
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import ZERO
from tests.simulators.bybit.venue import Venue


def is_lost(venue: Venue, account: Account, position: Position) -> bool:
    """Tell whether the mark price has reached the position's liquidation price."""
    mark = venue.mark(position.symbol)
    rate = venue.rules_of(position.symbol).maintenance_margin_rate
    if account.margin_mode != ISOLATED:
        needed = sum(
            (
                each.entry_value * venue.rules_of(each.symbol).maintenance_margin_rate
                for each in account.open_positions()
            ),
            ZERO,
        )
        return account.wallet + account.unrealised(venue.mark) <= needed
    limit = position.liquidation_price(account.leverage(position.symbol), rate)
    return mark <= limit if position.size > 0 else mark >= limit


def liquidate(venue: Venue, account: Account, position: Position) -> None:
    """Cancel the symbol's orders, then take the position over at its bankruptcy price."""
    batch = Batch(venue, account, position.symbol)
    position.status = "Liq"
    cancel_everything(batch, "CancelAllBeforeLiq")
    batch.position(position.idx)
    batch.close()
    price = venue.mark(position.symbol)
    if account.margin_mode == ISOLATED:
        tick = venue.rules_of(position.symbol).tick_size
        price = position.bust_price(account.leverage(position.symbol)).quantize(tick)
    batch = Batch(venue, account, position.symbol)
    order = _forced(venue, position, abs(position.size), "CreateByTakeOver_PassThrough")
    order.price = price
    position.status = "Normal"
    fill(batch, order, order.qty, price, exec_type="BustTrade")
    finish(batch, order, rests=False)
    batch.close()


def deleverage(venue: Venue, account: Account, position: Position, qty: Decimal) -> None:
    """Close a part of a winning position against someone's liquidation, without a fee."""
    batch = Batch(venue, account, position.symbol)
    order = _forced(venue, position, min(qty, abs(position.size)), "CreateByAdl_PassThrough")
    order.price = venue.mark(position.symbol)
    fill(batch, order, order.qty, order.price, exec_type="AdlTrade", free=True)
    finish(batch, order, rests=False)
    batch.close()


def _forced(venue: Venue, position: Position, qty: Decimal, create_type: str) -> Order:
    return Order(
        n=venue.next_n(),
        order_id=venue.new_id(),
        symbol=position.symbol,
        side=OPPOSITE[position.side],
        order_type="Market",
        qty=qty,
        created_ms=venue.now_ms,
        updated_ms=venue.now_ms,
        time_in_force="IOC",
        position_idx=position.idx,
        reduce_only=True,
        create_type=create_type,
        last_on_created=venue.last(position.symbol),
    )
