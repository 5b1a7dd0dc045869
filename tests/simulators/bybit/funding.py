"""Funding every eight hours, and the settlement of a symbol that leaves the exchange."""

from __future__ import annotations

from decimal import Decimal

from tests.simulators.bybit import levels
from tests.simulators.bybit.accounts import Account, ClosedTrade, Record
from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.matching import change_wallet
from tests.simulators.bybit.orders import OPPOSITE, Order
from tests.simulators.bybit.payloads_account import Fill, execution_row, log_row
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import ZERO, money, text
from tests.simulators.bybit.venue import Venue


def pay_funding(venue: Venue, account: Account, symbol: str) -> None:
    """Charge (or pay) each open position: a positive fee was paid by the account."""
    for position in account.open_positions(symbol):
        batch = Batch(venue, account, symbol)
        mark, rate = venue.mark(symbol), venue.funding_rate(symbol)
        fee = money(position.size * mark * rate)
        booking = Fill(
            exec_id=venue.new_id(),
            symbol=symbol,
            side=position.side,
            price=mark,
            qty=abs(position.size),
            fee=fee,
            fee_rate=rate,
            closed=ZERO,
            exec_type="Funding",
            is_maker=False,
            seq=batch.seq,
            ms=venue.now_ms,
            mark=mark,
        )
        _book(batch, position, booking, "SETTLEMENT", -fee)
        venue.ledger.add(
            venue.now_ms,
            "funding",
            account.uid,
            symbol=symbol,
            positionIdx=position.idx,
            fee=text(fee),
            rate=text(rate),
        )
        batch.close()


def settle_symbol(venue: Venue, account: Account, symbol: str) -> None:
    """Cancel what is open and settle positions at the index: an execution without an order."""
    if account.open_orders_of(symbol):
        batch = Batch(venue, account, symbol)
        cancel_everything(batch, "CancelBySettle")
        batch.close()
    for position in account.open_positions(symbol):
        batch = Batch(venue, account, symbol)
        _settle(batch, position, venue.prices.index(symbol, venue.now_ms))
        batch.close()


def cancel_everything(batch: Batch, cancel_type: str) -> None:
    """End every order and level of the batch's symbol."""
    for position in batch.account.open_positions(batch.symbol):
        levels.clear_levels(batch, position, cancel_type)
    for order in batch.account.open_orders_of(batch.symbol):
        waiting = order.status == "Untriggered"
        order.end("Deactivated" if waiting else "Cancelled", cancel_type)
        batch.order(order, "cancelled")


def _settle(batch: Batch, position: Position, price: Decimal) -> None:
    venue, account = batch.venue, batch.account
    settled = _settling_order(batch, position)
    qty = settled.qty
    part = position.close(qty, price)
    account.closed[settled.order_id] = ClosedTrade(
        n=venue.next_n(),
        order=settled,
        leverage=account.leverage(position.symbol),
        exec_type="Settle",
        created_ms=venue.now_ms,
        updated_ms=venue.now_ms,
        qty=qty,
        entry_value=part.entry_value,
        exit_value=qty * price,
        open_fee=part.open_fee,
        pnl=part.gross - part.open_fee,
        fills=1,
    )
    booking = Fill(
        exec_id=venue.new_id(),
        symbol=position.symbol,
        side=settled.side,
        price=price,
        qty=qty,
        fee=ZERO,
        fee_rate=ZERO,
        closed=qty,
        exec_type="Settle",
        is_maker=False,
        seq=batch.seq,
        ms=venue.now_ms,
        mark=price,
        gross=money(part.gross),
    )
    _book(batch, position, booking, "DELIVERY", money(part.gross), settled.order_id)
    _note_settlement(batch, position, booking, settled)


def _settling_order(batch: Batch, position: Position) -> Order:
    """Make the exchange's own order that closes all of a position."""
    venue = batch.venue
    return Order(
        n=venue.next_n(),
        order_id=venue.new_id(),
        symbol=position.symbol,
        side=OPPOSITE[position.side],
        order_type="Market",
        qty=abs(position.size),
        created_ms=venue.now_ms,
        updated_ms=venue.now_ms,
        create_type="CreateBySettle",
    )


def _note_settlement(batch: Batch, position: Position, booking: Fill, settled: Order) -> None:
    venue = batch.venue
    venue.ledger.add(
        venue.now_ms,
        "execution",
        batch.account.uid,
        symbol=position.symbol,
        execId=booking.exec_id,
        orderId=settled.order_id,
        orderLinkId="",
        side=booking.side,
        qty=text(booking.qty),
        price=text(booking.price),
        fee="0",
        closedSize=text(booking.qty),
        execType="Settle",
        positionIdx=position.idx,
        reduceOnly=True,
        createType="CreateBySettle",
    )


def _book(
    batch: Batch,
    position: Position,
    booking: Fill,
    kind: str,
    change: Decimal,
    order_id: str = "",
) -> None:
    """Move the money of a booking that no order caused, and write its rows."""
    venue, account = batch.venue, batch.account
    order_id = order_id or venue.new_id()
    change_wallet(batch, position, change, kind)
    position.seq = batch.seq
    batch.position(position.idx)
    row = execution_row(booking, None, order_id, venue.profile.extra_fields)
    if kind == "DELIVERY":
        row["createType"] = "CreateBySettle"
    batch.execution(row)
    entry = log_row(
        booking,
        kind=kind,
        order=None,
        order_id=order_id,
        change=change,
        balance=account.wallet,
        size=position.size,
        uid=account.uid,
    )
    account.log.append(Record(venue.next_n(), venue.now_ms, entry))
