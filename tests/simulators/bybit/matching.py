"""Fills: who trades how much at which price, and what that does to position and wallet."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from tests.simulators.bybit import levels
from tests.simulators.bybit.accounts import Account, ClosedTrade, Record
from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.payloads_account import Fill, execution_row, log_row
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import (
    MAKER_FEE,
    TAKER_FEE,
    ZERO,
    market_bound,
    money,
    on_grid,
    text,
)
from tests.simulators.bybit.venue import Venue

LOG_KINDS = {"Trade": "TRADE", "BustTrade": "LIQUIDATION", "AdlTrade": "ADL"}


def closes_only(order: Order) -> bool:
    """Tell whether an order may not open: reduce-only, or against its side in hedge mode."""
    return order.reduce_only or (
        (order.position_idx == 1) != (order.side == "Buy") and bool(order.position_idx)
    )


def position_of(venue: Venue, account: Account, order: Order) -> Position:
    return account.position(order.symbol, order.position_idx, venue.now_ms)


def take(batch: Batch, order: Order, price: Decimal) -> None:
    """Trade a marketable order against the book at once; what is left rests or is cancelled."""
    venue = batch.venue
    position = position_of(venue, batch.account, order)
    if closes_only(order) and not _fit_to_position(order, position):
        order.end("Cancelled", "CancelByReduceOnly")
        batch.order(order, "cancelled")
        return
    available = venue.prices.liquidity(order.symbol, venue.now_ms)
    if order.time_in_force == "FOK" and available < order.leaves:
        order.end("Cancelled", reason="EC_NoImmediateQtyToFill")
        batch.order(order, "cancelled")
        return
    step = venue.rules_of(order.symbol).qty_step
    for qty in _slices(min(order.leaves, available), available, step):
        fill(batch, order, qty, price)
    finish(batch, order, rests=order.order_type == "Limit" and order.time_in_force != "IOC")


def _fit_to_position(order: Order, position: Position) -> Decimal:
    """Cut a closing order down to what there is to close; "0" means all of it."""
    room = position.closable_by(order.direction)
    if not order.qty or order.leaves > room:
        order.qty = order.cum_qty + room
    return room


def _slices(qty: Decimal, available: Decimal, step: Decimal) -> list[Decimal]:
    """Split a fill over the two makers the book consists of."""
    first = on_grid(available / 2, step, ROUND_FLOOR)
    parts = [min(qty, first), qty - min(qty, first)] if first else [qty]
    return [part for part in parts if part > 0]


def finish(batch: Batch, order: Order, *, rests: bool) -> None:
    """Give the order its status after a round of fills and put right what hangs on the position."""
    if not order.leaves:
        order.status = "Filled"
    elif rests:
        order.status = "PartiallyFilled" if order.cum_qty else "New"
    else:
        order.end("Cancelled", reason="EC_NoImmediateQtyToFill")
    batch.order(order, order.status.lower())
    shrink_reducing_orders(batch, order.position_idx)


def make(batch: Batch, order: Order) -> None:
    """Fill a resting order, as far as the book reaches, at its own price."""
    venue = batch.venue
    position = position_of(venue, batch.account, order)
    qty = min(order.leaves, venue.prices.liquidity(order.symbol, venue.now_ms))
    if closes_only(order):
        qty = min(qty, position.closable_by(order.direction))
    if qty > 0:
        fill(batch, order, qty, order.price, maker=True)
        finish(batch, order, rests=True)


def fill(
    batch: Batch,
    order: Order,
    qty: Decimal,
    price: Decimal,
    *,
    maker: bool = False,
    exec_type: str = "Trade",
    free: bool = False,
) -> None:
    """Book one trade: position, fee, wallet, execution, transaction log, closed P&L."""
    venue, account = batch.venue, batch.account
    position = position_of(venue, account, order)
    rate = ZERO if free else (MAKER_FEE if maker else TAKER_FEE)
    fee = money(qty * price * rate)
    closing = min(qty, position.closable_by(order.direction))
    first_fill = not order.cum_qty
    gross = ZERO
    if closing:
        gross = _close(batch, order, position, closing, price, fee * closing / qty, exec_type)
    opened_now = not position.size
    if qty > closing:
        share = fee * (qty - closing) / qty
        position.open(order.direction, qty - closing, price, share, venue.now_ms)
    order.cum_qty += qty
    order.cum_value += qty * price
    order.cum_fee += fee
    _book(
        batch,
        order,
        position,
        Fill(
            exec_id=venue.new_id(),
            symbol=order.symbol,
            side=order.side,
            price=price,
            qty=qty,
            fee=fee,
            fee_rate=rate,
            closed=closing,
            exec_type=exec_type,
            is_maker=maker,
            seq=batch.seq,
            ms=venue.now_ms,
            mark=venue.mark(order.symbol),
            gross=gross,
        ),
    )
    if qty > closing and order.tpsl_mode == "Partial":
        wanted = levels.attached(order)
        levels.add_partials(batch, position, wanted, qty - closing, order.link_id)
    elif qty > closing and (first_fill or opened_now):
        levels.attach(batch, position, order)
    levels.follow_size(batch, position)


def _close(
    batch: Batch,
    order: Order,
    position: Position,
    qty: Decimal,
    price: Decimal,
    fee: Decimal,
    exec_type: str,
) -> Decimal:
    """Take `qty` off the position, note what that earned, and give the gain before fees."""
    venue, account = batch.venue, batch.account
    part = position.close(qty, price)
    trade = account.closed.get(order.order_id)
    if trade is None:
        now = venue.now_ms
        leverage = account.leverage(order.symbol)
        trade = ClosedTrade(venue.next_n(), order, leverage, exec_type, now, now)
        account.closed[order.order_id] = trade
    trade.updated_ms = venue.now_ms
    trade.qty += qty
    trade.entry_value += part.entry_value
    trade.exit_value += qty * price
    trade.open_fee += part.open_fee
    trade.close_fee += fee
    trade.pnl += part.gross - part.open_fee - fee
    trade.fills += 1
    order.closed_pnl += part.gross - part.open_fee - fee
    if not position.size:
        levels.clear_levels(batch, position, "CancelByTpSlTsClear")
    return money(part.gross)


def _book(batch: Batch, order: Order, position: Position, trade: Fill) -> None:
    """Move the money and write the rows of one trade."""
    venue, account = batch.venue, batch.account
    change = trade.gross - trade.fee
    change_wallet(batch, position, change, LOG_KINDS[trade.exec_type])
    position.seq = batch.seq
    row = execution_row(trade, order, order.order_id, venue.profile.extra_fields)
    batch.execution(row)
    entry = log_row(
        trade,
        kind=LOG_KINDS[trade.exec_type],
        order=order,
        order_id=order.order_id,
        change=change,
        balance=account.wallet,
        size=position.size,
        uid=account.uid,
    )
    account.log.append(Record(venue.next_n(), venue.now_ms, entry))
    venue.ledger.add(
        venue.now_ms,
        "execution",
        account.uid,
        symbol=order.symbol,
        execId=trade.exec_id,
        orderId=order.order_id,
        orderLinkId=order.link_id,
        side=order.side,
        qty=text(trade.qty),
        price=text(trade.price),
        fee=text(trade.fee),
        closedSize=text(trade.closed),
        execType=trade.exec_type,
        positionIdx=order.position_idx,
        reduceOnly=order.reduce_only,
        createType=order.create_type,
    )


def change_wallet(batch: Batch, position: Position | None, change: Decimal, kind: str) -> None:
    """Add to the wallet, the realised sums and the ledger."""
    account = batch.account
    account.wallet += change
    if position is not None:
        account.realised_ever += change
        position.realised += change
        position.realised_ever += change
        position.updated_ms = batch.venue.now_ms
    batch.wallet()
    batch.venue.ledger.add(
        batch.venue.now_ms,
        "wallet",
        account.uid,
        change=text(change),
        balance=text(account.wallet),
        type=kind,
    )


def shrink_reducing_orders(batch: Batch, idx: int) -> None:
    """Cut resting reduce-only orders down to the position; cancel those left with nothing."""
    for order in batch.account.open_orders_of(batch.symbol):
        if not order.reduce_only or order.status == "Untriggered" or order.position_idx != idx:
            continue
        room = position_of(batch.venue, batch.account, order).closable_by(order.direction)
        if not room:
            order.end("Cancelled", "CancelByReduceOnly")
            batch.order(order, "cancelled")
        elif order.leaves > room:
            order.qty = order.cum_qty + room
            batch.order(order, "resized")


def set_market_bound(venue: Venue, order: Order) -> None:
    """Give a market order the limit price it is bounded by."""
    rules = venue.rules_of(order.symbol)
    order.last_on_created = venue.last(order.symbol)
    order.price = market_bound(rules, order.side, order.last_on_created)
