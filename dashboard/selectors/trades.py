"""Trades: the list, and one in full with its money added up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dashboard import format as fmt
from dashboard.selectors.commands import CommandNote, command_note
from dashboard.selectors.decisions import Decision, decision_of, signal_rows
from dashboard.selectors.events import EventRow, trade_timeline
from dashboard.selectors.paging import Page, page_of
from dashboard.selectors.positions import PositionRow, Valued, places_of, position_rows
from dashboard.selectors.trade_quality import QualityLine, quality_of
from exchange.models import ExchangeAccount
from trading.ai import trade_ai_cost
from trading.choices import CancelReason, CashflowKind, ExitReason, OrderRole, TradeState
from trading.models import Command, Execution, Order, StopMove, Trade
from trading.selectors import LIVE_TRADES, trade_book


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One trade in the list."""

    id: int
    symbol: str
    is_long: bool
    leverage: str
    state: str
    live: bool
    bot: str
    qty: str
    entry: str
    exit: str
    net: str
    r: str
    ended: str
    opened: datetime | None
    closed: datetime | None
    held: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order with the price it asked and the one it got."""

    role: str
    side: str
    words: str
    qty: str
    price: str
    filled: str
    average: str
    state: str
    note: str
    link_id: str
    created: datetime


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """One fill; ``share`` says in words what of it is not this trade's."""

    time: datetime
    side: str
    qty: str
    share: str
    price: str
    value: str
    fee: str
    kind: str
    liquidity: str
    exec_id: str


@dataclass(frozen=True, slots=True)
class StopMoveRow:
    """One move of the stop with the rule that asked for it and the venue's answer."""

    time: datetime
    rule: str
    old: str
    new: str
    numbers: str
    answer: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class SumLine:
    """One line of the way from gross to net."""

    label: str
    amount: str
    total: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A price that matters, with its distance from the average entry."""

    label: str
    tone: str
    price: str
    distance: str


@dataclass(frozen=True, slots=True)
class TradeDetail:
    """The whole trade."""

    account: ExchangeAccount
    row: TradeRow
    version: int
    pending: bool
    protected: bool
    protected_at: datetime | None
    released: str
    longest_naked: str
    planned_risk: str
    quality: list[QualityLine]
    unverifiable: bool
    analysis_id: int | None
    decision: Decision
    levels: list[Level]
    position: PositionRow
    orders: list[OrderRow]
    executions: list[ExecutionRow]
    stop_moves: list[StopMoveRow]
    fundings: list[SumLine]
    sums: list[SumLine]
    commands: list[CommandNote]
    timeline: list[EventRow]


def trade_list(
    account: ExchangeAccount, *, state: str, symbol: str, before: int | None
) -> Page[TradeRow]:
    """Trades of ``account``, newest first; empty filters take all."""
    rows = Trade.objects.filter(account=account).select_related("bot", "signal").order_by("-id")
    if state:
        rows = rows.filter(state=state)
    if symbol:
        rows = rows.filter(symbol=symbol.upper())
    return page_of(rows, before, trade_row)


def trade_row(trade: Trade) -> TradeRow:
    """The trade as lists show it. Prices are averages over its fills."""
    places = places_of(trade)
    book = trade_book(trade)
    return TradeRow(
        id=trade.pk,
        symbol=trade.symbol,
        is_long=trade.side == "buy",
        leverage=f"{fmt.plain(trade.leverage)}x",
        state=trade.state,
        live=trade.state in LIVE_TRADES,
        bot=trade.bot.name,
        qty=fmt.plain(trade.entry_qty or trade.planned_qty),
        entry=fmt.number(book.avg_entry or None, places),
        exit=fmt.number(book.avg_exit or None, places),
        net=fmt.number(trade.net_pnl, signed=True),
        r=fmt.r_multiple(trade.r_multiple),
        ended="" if trade.state in LIVE_TRADES else _ended(trade),
        opened=trade.opened_market or trade.created_market,
        closed=None if trade.state in LIVE_TRADES else trade.closed_market,
        held=_held(trade),
    )


def trade_get(trade_id: int) -> TradeDetail | None:
    """One trade in full, or None."""
    trade = (
        Trade.objects.select_related("bot", "signal", "account__market_session")
        .filter(pk=trade_id)
        .first()
    )
    if trade is None:
        return None
    places = places_of(trade)
    item = Valued(trade, None)
    decision = decision_of(signal_rows().get(pk=trade.signal_id))
    funding = trade.cashflows.filter(kind=CashflowKind.FUNDING).order_by("time")
    return TradeDetail(
        account=trade.account,
        row=trade_row(trade),
        version=trade.version,
        pending=trade.state == TradeState.PENDING,
        protected=item.protected,
        protected_at=trade.protected_at,
        released=_released(trade),
        longest_naked=fmt.duration_ms(trade.longest_naked_ms),
        planned_risk=fmt.number(trade.planned_risk),
        quality=quality_of(trade),
        unverifiable=trade.unverifiable,
        analysis_id=trade.signal.analysis_id,
        decision=decision,
        levels=_levels(trade, item.avg_entry or trade.signal.entry_price, places),
        position=position_rows([item], {})[0],
        orders=[_order(order, places) for order in trade.orders.order_by("id")],
        executions=[
            _execution(execution, places) for execution in trade.executions.order_by("time", "id")
        ],
        stop_moves=[_stop_move(move, places) for move in trade.stop_moves.order_by("id")],
        fundings=[
            SumLine(fmt.day_and_time(flow.time), fmt.number(flow.amount, 4, signed=True))
            for flow in funding
        ],
        sums=_sums(trade),
        commands=[
            command_note(command)
            for command in Command.objects.filter(
                account=trade.account_id, target=trade.pk
            ).order_by("-id")[:10]
        ],
        timeline=trade_timeline(trade),
    )


def _ended(trade: Trade) -> str:
    if trade.exit_reason:
        return ExitReason(trade.exit_reason).label
    return CancelReason(trade.cancel_reason).label if trade.cancel_reason else ""


def _held(trade: Trade) -> str:
    # The newest exit of a live trade took a part, and the rest is held on.
    live = trade.state in LIVE_TRADES
    if live or trade.opened_market is None or trade.closed_market is None:
        return fmt.UNKNOWN
    return fmt.age((trade.closed_market - trade.opened_market).total_seconds())


def _released(trade: Trade) -> str:
    """What left the position without an execution, in words; empty where nothing did."""
    if not trade.released_qty:
        return ""
    part = "all" if trade.released_qty == trade.entry_qty else fmt.plain(trade.released_qty)
    return (
        f"Not ours any more: {part} of the {fmt.plain(trade.entry_qty)} entered. It was handed "
        "over, or left the position without a trace, and no result is counted for it."
    )


def _levels(trade: Trade, entry: Decimal | None, places: int) -> list[Level]:
    levels = [
        ("Take profit", "up", trade.take_profit),
        ("Entry", "accent", entry),
        ("Stop-loss", "down", trade.stop_loss),
    ]
    if trade.initial_stop != trade.stop_loss:
        levels.append(("First stop", "muted", trade.initial_stop))
    return [
        Level(
            label,
            tone,
            fmt.number(price, places),
            ""
            if price is None or not entry or label == "Entry"
            else fmt.percent((price - entry) / entry, 2, signed=True),
        )
        for label, tone, price in levels
    ]


def _order(order: Order, places: int) -> OrderRow:
    return OrderRow(
        role=OrderRole(order.role).label,
        side=order.side,
        words=f"{order.order_type} {order.time_in_force.upper()}"
        + (" reduce-only" if order.reduce_only else "")
        + (f" at last {fmt.number(order.trigger_price, places)}" if order.trigger_price else ""),
        qty="all" if order.close_all and not order.qty else fmt.plain(order.qty),
        price=fmt.number(order.price, places) if order.price else "market",
        filled=fmt.plain(order.filled_qty),
        average=fmt.number(order.avg_price, places),
        state=order.state,
        note=order.reject_reason or _reason_label(order),
        link_id=order.order_link_id,
        created=order.created_market,
    )


def _reason_label(order: Order) -> str:
    if order.cancel_reason:
        return CancelReason(order.cancel_reason).label
    return ExitReason(order.exit_reason).label if order.exit_reason else ""


def _execution(execution: Execution, places: int) -> ExecutionRow:
    return ExecutionRow(
        time=execution.time,
        side=execution.side,
        qty=fmt.plain(execution.qty),
        share=_share(execution),
        price=fmt.number(execution.price, places),
        value=fmt.number(execution.qty * execution.price),
        fee=fmt.number(execution.fee, 4),
        kind=execution.kind.replace("_", " "),
        liquidity="maker" if execution.is_maker else "taker",
        exec_id=execution.exec_id,
    )


def _share(execution: Execution) -> str:
    if execution.trade_qty is None:
        return ""
    if not execution.trade_qty:
        return "none of it is this trade's"
    return f"{fmt.plain(execution.trade_qty)} of it is this trade's, the rest is not ours"


def _stop_move(move: StopMove, places: int) -> StopMoveRow:
    return StopMoveRow(
        time=move.market_time,
        rule=move.rule.replace("_", " "),
        old=fmt.number(move.old_stop, places),
        new=fmt.number(move.new_stop, places),
        numbers=", ".join(f"{name} {value}" for name, value in move.numbers.items()),
        answer=move.answer,
        accepted=move.accepted,
    )


def _sums(trade: Trade) -> list[SumLine]:
    """Gross price result, less fees, less funding, is net. What was handed over has no result:
    its part of the entry is a line of its own."""
    book = trade_book(trade)
    if not book.exit_qty and not book.released_qty:
        return []
    values = [
        SumLine("Entry value", fmt.number(book.entry_value)),
        SumLine("Exit value", fmt.number(book.exit_value)),
    ]
    if book.released_qty:
        kept = book.released_qty * book.avg_entry
        values.append(SumLine("Not ours any more, at entry", fmt.number(kept)))
    return [
        *values,
        SumLine("Gross", fmt.number(book.gross_pnl, signed=True)),
        SumLine("Fees", fmt.number(-book.fees, signed=True)),
        SumLine("Funding", fmt.number(-book.funding, signed=True)),
        SumLine("Net", fmt.number(book.net_pnl, signed=True), total=True),
        *_after_ai(trade, book.net_pnl),
    ]


def _after_ai(trade: Trade, net: Decimal) -> list[SumLine]:
    """What reading the chart cost, in dollars taken for USDT; nothing where no model was paid."""
    cost = trade_ai_cost(trade)
    if cost == 0:
        return []
    return [
        SumLine("AI cost", fmt.number(-cost, 4, signed=True)),
        SumLine("Net of AI cost", fmt.number(net - cost, signed=True), total=True),
    ]


def trade_states() -> list[tuple[str, str]]:
    """Choices of the list's filter."""
    return TradeState.choices()


def symbols_traded(account: ExchangeAccount) -> list[str]:
    """Symbols that ``account`` has traded, for the list's filter."""
    return sorted(
        set(Trade.objects.filter(account=account).order_by().values_list("symbol", flat=True))
    )
