"""Send orders: intent first, once, and honestly about what is not known.

The order row is committed before the request leaves. An entry moves to ``submitted`` only while
the lease is ours, so that nobody can send it twice, and is looked at a last time right before it
goes. A missing answer makes the order unknown, never failed.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists

from exchange.domain import (
    TIMEFRAMES,
    OrderAck,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    quantise,
)
from exchange.errors import (
    ExchangeError,
    ExchangeUnavailable,
    MarketDataError,
    OrderNotSent,
    OrderRejected,
)
from exchange.fault_points import fault_point
from trading.choices import (
    BotState,
    CancelReason,
    EventLevel,
    OrderRole,
    OrderState,
    SignalState,
    TradingStateName,
)
from trading.domain.exits import ExitSettings
from trading.domain.order import LIVE
from trading.domain.protocol import (
    UNJUDGED,
    EntryFacts,
    ExitForm,
    ExitOrder,
    after_post,
    entry_gate,
)
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.identifiers import new_order_link_id
from trading.execution.settling import settle_trades
from trading.managed import invalidation_to_freeze
from trading.models import Bot, Lease, Order, Signal, Trade
from trading.selectors import (
    RULES,
    quote_or_none,
    trading_state_effective,
    unresolved_symbols,
)

logger = structlog.get_logger(__name__)

# A manual close first tries within 0.3 % of the touch, then goes to market.
MANUAL_BAND = Decimal("0.003")
CREATED, SUBMITTED = OrderState.CREATED, OrderState.SUBMITTED
REJECTED, CANCELLED = OrderState.REJECTED, OrderState.CANCELLED


class EntryHeldBack(OrderNotSent):
    """The last look found that the entry must not leave; ``reason`` is kept with the order."""

    def __init__(self, why: str, reason: CancelReason) -> None:
        super().__init__(why)
        self.reason = reason


def enter(desk: Desk, signal: Signal, exits: ExitSettings) -> None:
    """Turn an admitted signal into its trade, managed by ``exits`` to its end, and entry order, and
    send it."""
    order = _store_intent(desk, signal, exits)
    try:
        desk.client.set_leverage(symbol=signal.symbol, leverage=signal.leverage)
    except ExchangeError as exc:
        _withdraw(desk, order, CREATED, REJECTED, f"leverage could not be set: {exc}")
        return
    send(desk, order)


@transaction.atomic
def _store_intent(desk: Desk, signal: Signal, exits: ExitSettings) -> Order:
    """The committed wish: trade, entry order with its id, and the signal that asked for it."""
    side = Side.BUY if signal.direction == "long" else Side.SELL
    bot, now = signal.bot, desk.market.now()
    trade = Trade.objects.create(
        account=desk.account,
        bot=bot,
        signal=signal,
        symbol=signal.symbol,
        side=side,
        planned_qty=signal.qty,
        planned_risk=signal.risk_amount,
        initial_stop=signal.stop_loss,
        initial_target=signal.take_profit,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        leverage=signal.leverage,
        atr=signal.atr,
        exit_settings=exits.as_json(),
        invalidation=invalidation_to_freeze(signal),
        created_market=now,
    )
    expires = now + RULES.entry_life(TIMEFRAMES[bot.timeframe])
    waits = signal.time_in_force == TimeInForce.GTC or signal.trigger_price is not None
    order = Order.objects.create(
        account=desk.account,
        trade=trade,
        signal=signal,
        order_link_id=new_order_link_id(OrderRole.ENTRY),
        role=OrderRole.ENTRY,
        symbol=signal.symbol,
        side=side,
        order_type=signal.order_type,
        time_in_force=signal.time_in_force,
        qty=signal.qty,
        price=signal.limit_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        created_market=now,
        trigger_price=signal.trigger_price,
        expires_market=expires if waits else None,
    )
    Signal.objects.filter(pk=signal.pk).update(
        state=SignalState.EXECUTING, state_changed_at=desk.clock.now()
    )
    record(
        "order_created",
        f"{signal.symbol}: entry {side} {signal.qty.normalize():f} stored, then sent.",
        account=desk.account,
        data={"trade": trade.pk, "order": order.pk, "signal": signal.pk},
        market_time=now,
    )
    return order


def send(desk: Desk, order: Order) -> None:
    """POST the order once and store what is known afterwards."""
    if not _mark_submitted(desk, order):
        _withdraw(desk, order, CREATED, CANCELLED, "another trader holds the account now")
        return
    try:
        ack = _post(desk, order)
        fault_point("K10" if order.role == OrderRole.ENTRY else "K15")
    except EntryHeldBack as held:
        _withdraw(desk, order, SUBMITTED, CANCELLED, str(held), held.reason)
        return
    except ExchangeError as exc:
        if after_post(exc) is REJECTED:
            _withdraw(desk, order, SUBMITTED, REJECTED, str(exc))
        else:
            _mark_unknown(desk, order, exc)
        return
    desk.plug.after_post(f"{order.symbol} {order.side} {order.get_role_display().lower()}")
    fault_point("K11")
    now = desk.clock.now()
    # A report may have come first and know more; then only the venue's id is still missing.
    Order.objects.filter(pk=order.pk, state=SUBMITTED).update(
        state=after_post(None), acknowledged_at=now
    )
    Order.objects.filter(pk=order.pk, venue_order_id="").update(venue_order_id=ack.order_id)


def _post(desk: Desk, order: Order) -> OrderAck:
    """Let the order leave. An entry must pass the gate, and a last look once nothing else is left
    to wait for."""
    if order.role != OrderRole.ENTRY:
        desk.note_sent(order.pk)
        return desk.client.place_order(_request_of(order))
    reasons = entry_gate(entry_facts(desk))
    if reasons:
        raise EntryHeldBack("; ".join(reasons), CancelReason.NOT_PLACED)
    fault_point("K9")
    desk.note_sent(order.pk)
    return desk.client.place_order(
        _request_of(order), last_look=partial(_look_at_switches, desk, order)
    )


def _look_at_switches(desk: Desk, order: Order) -> None:
    """Raise ``EntryHeldBack`` where somebody has switched entries off by now, or the lease is
    running out. What needs no database is asked last, to be as fresh as can be."""
    state = Bot.objects.filter(pk=order.trade.bot_id).values_list("state", flat=True).first()
    if state is not None and state != BotState.RUNNING:
        raise EntryHeldBack(f"the bot is {BotState(state).label.lower()}", CancelReason.KILL_SWITCH)
    trading, reason = trading_state_effective(desk.account)
    if trading is not TradingStateName.ACTIVE:
        raise EntryHeldBack(f"trading is {trading}: {reason}", CancelReason.KILL_SWITCH)
    if not desk.lease.allows_entry:
        raise EntryHeldBack("the lease has too little time left", CancelReason.NOT_PLACED)


def entry_facts(desk: Desk) -> EntryFacts:
    """What is known now about whether entries may leave."""
    health = desk.client.health()
    return EntryFacts(
        reconciled=desk.reconciled,
        unresolved=unresolved_symbols(desk.account),
        doubts=(*health.doubts, *desk.market.doubts(), *desk.blind_spots),
        halted=health.halted,
        deaf=desk.deaf,
        clock_offset_ms=health.clock_offset_ms,
    )


def _mark_submitted(desk: Desk, order: Order) -> bool:
    """Exits go on without a lease: they only reduce, whoever sends them."""
    rows = Order.objects.filter(pk=order.pk, state=CREATED)
    if order.role == OrderRole.ENTRY:
        # No join: PostgreSQL would not look at the state again after waiting for the row.
        ours = Lease.objects.filter(
            account=desk.account, token=desk.lease.token, holder=desk.lease.holder
        )
        rows = rows.filter(Exists(ours))
    moved = rows.update(
        state=SUBMITTED, submitted_at=desk.clock.now(), lease_token=desk.lease.token
    )
    return moved == 1


def _request_of(order: Order) -> OrderRequest:
    return OrderRequest(
        order_link_id=order.order_link_id,
        symbol=order.symbol,
        side=Side(order.side),
        order_type=OrderType(order.order_type),
        qty=order.qty,
        price=order.price,
        time_in_force=TimeInForce(order.time_in_force),
        reduce_only=order.reduce_only,
        close_all=order.close_all,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        trigger_price=order.trigger_price,
    )


def _withdraw(
    desk: Desk,
    order: Order,
    was: OrderState,
    state: OrderState,
    why: str,
    cancel_reason: CancelReason = CancelReason.NOT_PLACED,
) -> None:
    """The order certainly does not exist on the venue: it was not sent, or was rejected. An order
    that is not in the state ``was`` any more is somebody else's to judge."""
    now = desk.clock.now()
    changes: dict[str, Any] = {"state": state, "final_at": now, "reject_reason": why[:200]}
    if state is CANCELLED:
        changes |= {"cancel_reason": cancel_reason, "submitted_at": None}
    with transaction.atomic():
        moved = Order.objects.filter(pk=order.pk, state=was).update(**changes)
        if moved != 1:
            logger.warning("order has moved on", order=order.order_link_id)
            return
        record(
            "order_refused",
            f"{order.symbol}: {order.get_role_display().lower()} not placed, {why.rstrip('.')}.",
            account=desk.account,
            level=EventLevel.WARNING,
            data={"order": order.pk, "trade": order.trade_id},
            market_time=desk.market.now(),
        )
    settle_trades([order.trade_id])


def _mark_unknown(desk: Desk, order: Order, error: ExchangeError) -> None:
    with transaction.atomic():
        Order.objects.filter(pk=order.pk, state=SUBMITTED).update(
            state=OrderState.UNKNOWN,
            unknown_since=desk.clock.now(),
            reject_reason=str(error)[:200],
        )
        record(
            "order_unknown",
            f"{order.symbol}: no certain answer to the {order.get_role_display().lower()}; "
            "it is looked up.",
            account=desk.account,
            level=EventLevel.WARNING,
            data={"order": order.pk, "trade": order.trade_id},
            market_time=desk.market.now(),
        )


def want_cancel(trade: Trade, reason: CancelReason) -> int:
    """Note that the trade's unfilled entry must be taken back; the exits ask the venue until it
    is. Returns how many orders that concerns."""
    entries = trade.orders.filter(role=OrderRole.ENTRY, state__in=LIVE, cancel_reason="")
    return entries.update(cancel_reason=reason)


def cancel_rest(desk: Desk, trade: Trade) -> None:
    """Take back what is left of the trade's entry, before anything else changes the position."""
    for order in trade.orders.filter(role=OrderRole.ENTRY, state__in=LIVE):
        cancel_entry(desk, order, CancelReason.MANUAL)


def cancel_entry(desk: Desk, order: Order, reason: CancelReason) -> None:
    """Take an entry back. The final state comes from the venue's report, not from the answer."""
    Order.objects.filter(pk=order.pk, cancel_reason="").update(cancel_reason=reason)
    if order.state == CREATED:
        _withdraw(desk, order, CREATED, CANCELLED, "cancelled before it was sent", reason)
        return
    try:
        desk.client.cancel_order(symbol=order.symbol, order_link_id=order.order_link_id)
    except OrderRejected:
        # Not working any more: filled, cancelled or never there. The next reports tell which.
        logger.info("cancel came too late", order=order.order_link_id)
    except ExchangeError as exc:
        logger.warning("cancel unanswered, it is repeated", order=order.pk, error=str(exc))


def shrink(desk: Desk, trade: Trade, wish: ExitOrder) -> None:
    """Send one reduce-only order of ours. Without a quote the one near the touch goes to market."""
    side = Side(trade.side).opposite
    price = _touch_limit(desk, trade.symbol, side) if wish.form is ExitForm.TOUCH else None
    with transaction.atomic():
        order = Order.objects.create(
            account=desk.account,
            trade=trade,
            order_link_id=new_order_link_id(OrderRole.EXIT),
            role=OrderRole.EXIT,
            symbol=trade.symbol,
            side=side,
            order_type=OrderType.LIMIT if price else OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            qty=wish.qty,
            price=price,
            reduce_only=True,
            close_all=wish.close_all,
            exit_reason=trade.close_wanted,
            created_market=desk.market.now(),
        )
    desk.unpriced.append(order)
    send(desk, order)


def price_exits(desk: Desk) -> None:
    """Note the last price for the exits of this round, from which their slippage is counted. After
    they left: a quote may have to be asked for, and an exit never waits."""
    while desk.unpriced:
        order = desk.unpriced.pop()
        quote = quote_or_none(desk.market, order.symbol)
        if quote is not None:
            price = quantise(quote.last)
            Order.objects.filter(pk=order.pk).update(reference_price=price)


def _touch_limit(desk: Desk, symbol: str, side: Side) -> Decimal | None:
    try:
        quote = desk.market.quote(symbol)
        instrument = desk.market.instrument(symbol)
    except MarketDataError as exc:
        # Without a quote the close goes to market at once: an exit never waits.
        logger.warning("no quote for a manual close", symbol=symbol, error=str(exc))
        return None
    if side is Side.SELL:
        return instrument.ceil_price(quote.bid * (1 - MANUAL_BAND))
    return instrument.floor_price(quote.ask * (1 + MANUAL_BAND))


def protect(desk: Desk, trade: Trade) -> str:
    """Set the trade's stop and target on the venue, always both.

    Returns "" when the venue took them, else its refusal. Raises ``ExchangeUnavailable`` where
    the answer is missing, or says nothing about the levels; repeating them is harmless.
    """
    try:
        desk.client.set_trading_stop(
            symbol=trade.symbol, stop_loss=trade.stop_loss, take_profit=trade.take_profit
        )
    except OrderRejected as exc:
        if exc.code in UNJUDGED:
            raise ExchangeUnavailable(str(exc)) from exc
        return str(exc) or exc.code
    except ExchangeUnavailable:
        raise
    except ExchangeError as exc:
        raise ExchangeUnavailable(str(exc)) from exc
    fault_point("K14")
    return ""
