"""Take-profit and stop-loss of a position: system orders, for all of it or for a part."""

from __future__ import annotations

from decimal import Decimal

from tests.simulators.bybit.batch import Batch
from tests.simulators.bybit.orders import OPPOSITE, Order, sign_of
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import ZERO, Refused

STOP, TARGET, TRAILING = "StopLoss", "TakeProfit", "TrailingStop"
KINDS = (TARGET, STOP, TRAILING)
MOST_PARTIAL = 20
OCO_REASON = {
    STOP: "CancelByOCOTpCanceledBySlTriggered",
    TARGET: "CancelByOCOSlCanceledByTpTriggered",
}


def check_levels(side: str, base: Decimal, target: Decimal | None, stop: Decimal | None) -> None:
    """Refuse a target or stop on the wrong side of the base price."""
    direction = sign_of(side)
    for name, price, sense in ((TARGET, target, direction), (STOP, stop, -direction)):
        if price and (price - base) * sense <= 0:
            word = "higher" if sense > 0 else "lower"
            raise Refused(
                10001,
                f"{name}:{_scaled(price)} set for {side} position should {word} than "
                f"base_price:{_scaled(base)}??LastPrice",
            )


def _scaled(price: Decimal) -> int:
    return int(price * 10_000)


def set_level(
    batch: Batch,
    position: Position,
    kind: str,
    price: Decimal,
    trigger_by: str = "LastPrice",
    parent_link_id: str = "",
) -> None:
    """Set, move or (price 0) remove one level; for a trailing stop `price` is its distance."""
    if not price:
        drop_level(batch, position, kind, "CancelByUser")
        return
    distance = price if kind == TRAILING else None
    if distance is not None:
        last = batch.venue.last(position.symbol)
        price = last - distance if position.size > 0 else last + distance
    level = position.level_orders.get(kind)
    if level is not None:
        level.trigger_price = price
        level.trail_by = distance
        level.trigger_by = trigger_by or level.trigger_by
        batch.order(level, "amended", later=True)
        return
    level = _new_level(batch, position, kind, price, trigger_by or "LastPrice", parent_link_id)
    level.trail_by = distance
    position.level_orders[kind] = level
    batch.order(level, "level", later=True)


def _new_level(
    batch: Batch, position: Position, kind: str, price: Decimal, by: str, parent: str
) -> Order:
    venue = batch.venue
    direction = 1 if position.size > 0 else -1
    return Order(
        n=venue.next_n(),
        order_id=venue.new_id(),
        symbol=position.symbol,
        side=OPPOSITE[position.side],
        order_type="Market",
        qty=abs(position.size),
        created_ms=venue.now_ms,
        updated_ms=venue.now_ms,
        time_in_force="IOC",
        position_idx=position.idx,
        reduce_only=True,
        close_on_trigger=True,
        status="Untriggered",
        create_type=f"CreateBy{kind}",
        stop_order_type=kind,
        trigger_price=price,
        trigger_direction=1 if (direction > 0) == kind.endswith(TARGET) else 2,
        trigger_by=by,
        tpsl_mode="Full",
        parent_link_id=parent,
        last_on_created=venue.last(position.symbol),
    )


def drop_level(batch: Batch, position: Position, kind: str, cancel_type: str) -> None:
    """Deactivate a level, if there is one."""
    level = position.level_orders.pop(kind, None)
    if level is None:
        return
    level.end("Deactivated", cancel_type)
    batch.order(level, "deactivated")


def clear_levels(batch: Batch, position: Position, cancel_type: str) -> None:
    """Deactivate every level: the position is gone or about to be."""
    for kind in KINDS:
        drop_level(batch, position, kind, cancel_type)
    for level in list(position.partials):
        drop_partial(batch, position, level, cancel_type)
    position.paired = False


def attach(batch: Batch, position: Position, order: Order) -> None:
    """Give the position the levels its entry carried."""
    wanted = attached(order)
    for kind, (price, by) in wanted.items():
        set_level(batch, position, kind, price, by, order.link_id)
    if wanted:
        position.paired = len(wanted) == 2


def attached(order: Order) -> dict[str, tuple[Decimal, str]]:
    """Give the trigger price and kind of each level an entry carries."""
    carried = {
        TARGET: (order.take_profit, order.tp_trigger_by),
        STOP: (order.stop_loss, order.sl_trigger_by),
    }
    return {kind: (price, by) for kind, (price, by) in carried.items() if price}


def add_partials(
    batch: Batch,
    position: Position,
    wanted: dict[str, tuple[Decimal, str]],
    qty: Decimal,
    parent_link_id: str = "",
) -> None:
    """Add a stop, a target, or a pair of both for a part of the position."""
    added = []
    for kind, (price, by) in wanted.items():
        level = _new_level(
            batch, position, f"Partial{kind}", price, by or "LastPrice", parent_link_id
        )
        level.qty = qty
        level.tpsl_mode = "Partial"
        position.partials.append(level)
        added.append(level)
        batch.order(level, "level", later=True)
    if len(added) == 2:
        added[0].twin, added[1].twin = added[1], added[0]


def drop_partial(batch: Batch, position: Position, level: Order, cancel_type: str) -> None:
    """Deactivate one partial level; its twin stays."""
    position.partials.remove(level)
    if level.twin is not None:
        level.twin.twin = None
    level.end("Deactivated", cancel_type)
    batch.order(level, "deactivated")


def follow_size(batch: Batch, position: Position) -> None:
    """Make the levels as large as the position."""
    for level in position.levels():
        if level.qty != abs(position.size):
            level.qty = abs(position.size)
            batch.order(level, "resized", later=True)


def triggered_level(prices: dict[str, Decimal], position: Position) -> Order | None:
    """Give the level these prices (by trigger kind) reach; the stop comes first."""
    for level in (*position.levels(), *position.partials):
        if level.is_triggered_by(prices[level.trigger_by]):
            return level
    return None


def release(batch: Batch, position: Position, level: Order) -> None:
    """Take a triggered level off its position and deactivate what it makes void."""
    if level in position.partials:
        position.partials.remove(level)
        if level.twin is not None:
            reason = OCO_REASON[level.stop_order_type.removeprefix("Partial")]
            drop_partial(batch, position, level.twin, reason)
        return
    del position.level_orders[level.stop_order_type]
    reason = OCO_REASON.get(level.stop_order_type, "CancelByTpSlTsClear")
    for kind in KINDS:
        drop_level(batch, position, kind, reason)
    position.paired = False
    level.qty = abs(position.size)
    level.cum_qty = ZERO


def trail(batch: Batch, level: Order, price: Decimal) -> None:
    """Pull a trailing stop along behind a better price."""
    if level.trail_by is None or level.trigger_price is None:
        return
    follows = price - level.trail_by if level.side == "Sell" else price + level.trail_by
    if (follows - level.trigger_price) * -level.direction > 0:
        level.trigger_price = follows
        batch.order(level, "amended")
