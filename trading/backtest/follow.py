"""The life of one entry on stored candles, by the very parts that trade live.

The bare paper engine fills, the exit rules and ``take_back`` decide at the close of monitor
candles, in the order of a trader's round; candles at which nothing can change are jumped over. What
depends on other trades or on a person (halts, guards, commands) does not happen here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import numpy as np

from exchange.candles import CandleWindow, decimal_of, to_ms
from exchange.domain import (
    ZERO,
    Candle,
    Execution,
    Instrument,
    LedgerKind,
    OrderRequest,
    OrderType,
    quantise,
)
from exchange.paper.engine import apply
from exchange.paper.state import Cancel, Outcome, PaperCommand, PaperState, Place, SetTradingStop
from trading.backtest.followed import Followed, FollowedEntry, MovedStop
from trading.backtest.prices import Prices
from trading.choices import CancelReason, ExitReason
from trading.domain.exits import (
    CloseTrade,
    ExitSettings,
    ManagedTrade,
    MoveStop,
    ReduceTrade,
    manage_all,
    watch,
)
from trading.domain.order import WorkingEntry, take_back
from trading.domain.pipeline import fold
from trading.domain.settings import SignalRules
from trading.domain.trade import TradeBook, exit_reason
from trading.domain.trimming import trimmed_qty

RULES = SignalRules()
# Enough for any entry: whether the account could afford it is not asked here.
PURSE = Decimal(10) ** 12
ENTRY_ID = "entry"
# What goes for these reasons was never meant to be held.
CORRECTIONS = (ExitReason.RISK_TRIM, ExitReason.LATE_FILL)
SEARCH_SPAN = 512


def follow(
    entry: FollowedEntry,
    prices: Prices,
    settings: ExitSettings,
    instrument: Instrument,
    *,
    end: datetime | None = None,
) -> Followed:
    """Live through the candles after ``entry.placed_at`` until the entry is over or they end.

    ``end``: what is open is closed there, one candle before, as a replay does; else a life that
    the candles do not end stays open.
    """
    life = _Life(entry, settings, instrument, prices, end)
    window = prices.window
    place = int(window.times.searchsorted(to_ms(entry.placed_at - window.interval), side="right"))
    while not life.over and place < len(window):
        life.live(window.candle(place))
        place = life.next_place(window, place + 1)
    return life.result(window.last_close_time if len(window) else entry.placed_at)


class _Life:
    """An entry under way: the venue's state, the book of its trade, and what is wished."""

    def __init__(
        self,
        entry: FollowedEntry,
        settings: ExitSettings,
        instrument: Instrument,
        prices: Prices,
        end: datetime | None,
    ) -> None:
        self._entry, self._settings, self._prices, self._end = entry, settings, prices, end
        self._instruments = {entry.symbol: instrument}
        self._instrument = instrument
        self._book = TradeBook(side=entry.side, initial_stop=entry.stop_loss)
        self._stop, self._target = entry.stop_loss, entry.take_profit
        self._stop_rule = ""
        self._moves: list[MovedStop] = []
        self._wish: tuple[ExitReason, Decimal] | None = None
        self._sent: dict[str, ExitReason] = {}
        self._reason: ExitReason | None = None
        self._corrected = ZERO
        self._cancelled: CancelReason | None = None
        self._entry_final = self._checked = False
        self._best: Decimal | None = None
        self._worst: Decimal | None = None
        self._at = entry.placed_at
        self._state = PaperState(
            wallet=PURSE,
            advanced_to=entry.placed_at,
            leverage={entry.symbol: entry.leverage},
        )
        self._refusal = self._place_entry()

    @property
    def over(self) -> bool:
        if self._refusal:
            return True
        return self._entry_final and self._book.open_qty == 0

    def live(self, candle: Candle) -> None:
        """What one candle does, and what is done at its close, in the order of a round."""
        now = candle.close_time
        self._hear(candle.open_time, now)
        self._note_extremes(candle)
        if self.over:
            return
        self._withdraw(candle.close, now)
        if self._book.open_qty > 0:
            if self._wish is None:
                self._manage(candle)
            if self._wish is None:
                self._trim()
        self._end_of_data(candle)
        if self._wish is not None:
            self._withdraw(candle.close, now)
            self._send_exit(candle.close, now)

    def next_place(self, window: CandleWindow, place: int) -> int:
        """The first candle from ``place`` on at which anything can change; what price did on the
        way there is kept. Candle by candle while an order of ours is on its way."""
        if self.over or self._wish is not None or not self._entry_final:
            return place
        watched = watch(self._managed(), self._settings)
        levels = sorted((self._stop, self._target))
        below = max(level for level in (levels[0], watched.below) if level is not None)
        above = min(level for level in (levels[1], watched.above) if level is not None)
        at = watched.at if self._end is None else min(watched.at, self._end - window.interval)
        found = _first_reaching(window, place, float(below), float(above), at)
        if found > place:
            self._touch(decimal_of(window.high[place:found].max()))
            self._touch(decimal_of(window.low[place:found].min()))
        return found

    def result(self, last_close: datetime) -> Followed:
        book, entry = self._book, self._entry
        done = book.exit_qty > 0
        over = self.over
        return Followed(
            over=over,
            followed_to=self._at if over else max(last_close, self._at),
            entry_qty=book.entry_qty,
            entry_time=book.opened_at,
            entry_price=book.avg_entry if book.entry_qty else None,
            exit_time=book.last_at if done else None,
            exit_price=book.avg_exit if done else None,
            reason=self._reason,
            cancel_reason=None if book.entry_qty else self._cancelled or self._unfilled(),
            refusal=self._refusal,
            net_pnl=quantise(book.net_pnl) if over and done else None,
            r_multiple=book.r_multiple if over and done else None,
            best_r=self._in_r(self._best),
            worst_r=self._in_r(self._worst),
            stop_loss=self._stop if book.entry_qty else entry.stop_loss,
            moves=tuple(self._moves),
        )

    def _unfilled(self) -> CancelReason | None:
        return CancelReason.NOT_FILLED if self._entry_final else None

    def _in_r(self, price: Decimal | None) -> Decimal | None:
        unit = abs(self._book.avg_entry - self._entry.stop_loss)
        if price is None or unit == 0:
            return None
        return quantise((price - self._book.avg_entry) * self._entry.side.sign / unit)

    def _place_entry(self) -> str:
        entry = self._entry
        request = OrderRequest(
            order_link_id=ENTRY_ID,
            symbol=entry.symbol,
            side=entry.side,
            order_type=entry.order_type,
            qty=entry.qty,
            price=entry.price,
            time_in_force=entry.time_in_force,
            stop_loss=entry.stop_loss,
            take_profit=entry.take_profit,
            trigger_price=entry.trigger_price,
        )
        outcome = self._tell(Place(request, entry.placed_at, _last_before(entry)))
        return outcome.refusal.message if outcome.refusal else ""

    def _tell(self, command: PaperCommand) -> Outcome:
        outcome = apply(self._state, command, self._instruments)
        self._state = outcome.state
        self._take(outcome)
        return outcome

    def _hear(self, opened: datetime, now: datetime) -> None:
        """Put prices and funding of ``(last look, now]`` through the engine, in order of time."""
        settlements = list(self._prices.funding(self._at, now))
        # Candles that were jumped over can have changed nothing.
        for step in self._prices.steps(max(self._at, opened), now):
            while settlements and settlements[0].time < step.end:
                self._take(self._apply(settlements.pop(0)))
            self._take(self._apply(step))
        for settlement in settlements:
            self._take(self._apply(settlement))
        self._at = now

    def _apply(self, event: object) -> Outcome:
        outcome = apply(self._state, event, self._instruments)  # type: ignore[arg-type]
        self._state = outcome.state
        return outcome

    def _take(self, outcome: Outcome) -> None:
        """Book what the venue reports."""
        for order in outcome.orders:
            if order.order_link_id == ENTRY_ID:
                self._entry_final = order.status.final
        for execution in outcome.executions:
            self._fold(execution)
        for line in outcome.ledger:
            if line.kind is LedgerKind.FUNDING:
                self._book = replace(self._book, funding=self._book.funding - line.amount)

    def _fold(self, execution: Execution) -> None:
        before, entered = self._book, execution.side is self._entry.side
        self._book = fold(before, execution)
        self._touch(execution.price)
        if entered:
            if before.exit_qty > 0 and self._wish is None:
                self._wish = (ExitReason.LATE_FILL, before.open_qty)
            return
        ordered = self._sent.get(execution.order_link_id)
        self._reason = exit_reason(execution.kind, self._stop_rule, ordered)
        if self._reason in CORRECTIONS:
            self._corrected += execution.qty

    def _touch(self, price: Decimal) -> None:
        """Widen what was held through by ``price``."""
        sign = self._entry.side.sign
        if self._best is None or (price - self._best) * sign > 0:
            self._best = price
        if self._worst is None or (price - self._worst) * sign < 0:
            self._worst = price

    def _note_extremes(self, candle: Candle) -> None:
        """High and low count of candles that were held through from their open; of one that was
        entered in it, only the close is certain."""
        opened = self._book.opened_at
        if self._book.open_qty == 0 or opened is None:
            return
        self._touch(candle.close)
        if candle.open_time >= opened:
            self._touch(candle.high)
            self._touch(candle.low)

    def _withdraw(self, last: Decimal, now: datetime) -> None:
        """Take back what is left of the entry where the rules say so."""
        if self._entry_final:
            return
        entry = self._entry
        outdated = entry.outdated_at is not None and entry.outdated_at <= now
        working = WorkingEntry(
            side=entry.side,
            price=entry.price or last,
            stop_loss=self._stop,
            take_profit=self._target,
            expires_at=entry.expires_at,
            shrinking=self._wish is not None or self._book.exit_qty > 0,
            asked=CancelReason.OPPOSITE if outdated and not self._book.entry_qty else None,
        )
        reason = take_back(working, last, now, halted=False)
        if reason is not None:
            self._cancel_rest(now, reason)

    def _cancel_rest(self, now: datetime, reason: CancelReason) -> None:
        if not self._entry_final:
            self._cancelled = reason
            self._tell(Cancel(self._entry.symbol, ENTRY_ID, now))

    def _manage(self, candle: Candle) -> None:
        """The exit rules at the close of ``candle``."""
        now = candle.close_time
        for action in manage_all(self._managed(), candle, self._settings, now):
            if isinstance(action, CloseTrade):
                self._wish = (action.reason, ZERO)
            elif isinstance(action, ReduceTrade):
                self._wish = (action.reason, action.target_qty)
            else:
                self._move_stop(action, candle)

    def _move_stop(self, action: MoveStop, candle: Candle) -> None:
        now = candle.close_time
        self._cancel_rest(now, CancelReason.MANUAL)
        command = SetTradingStop(
            self._entry.symbol, action.stop_loss, self._target, now, candle.close
        )
        if self._tell(command).refusal is None:
            self._stop, self._stop_rule = action.stop_loss, action.rule
            self._moves.append(MovedStop(now, action.rule, action.stop_loss))

    def _managed(self) -> ManagedTrade:
        if self._book.opened_at is None:
            raise ValueError("an entry that has not filled is not managed")
        return ManagedTrade(
            side=self._entry.side,
            avg_entry=self._book.avg_entry,
            initial_stop=self._entry.stop_loss,
            stop_loss=self._stop,
            take_profit=self._target,
            opened_at=self._book.opened_at,
            instrument=self._instrument,
            cost_rate=2 * self._instrument.taker_fee + RULES.slippage_allowance,
            full_qty=self._book.entry_qty - self._corrected,
            open_qty=self._book.open_qty,
            invalidation=self._entry.invalidation,
        )

    def _trim(self) -> None:
        """Once the entry is final: what risks more than planned is cut to the plan."""
        planned = self._entry.planned_risk
        if self._checked or not self._entry_final or planned is None:
            return
        self._checked = True
        if self._book.exit_qty > 0 or self._stop_rule:
            return
        target = trimmed_qty(self._book, self._stop, planned, self._instrument, RULES)
        if target is not None:
            self._wish = (ExitReason.RISK_TRIM, target)

    def _end_of_data(self, candle: Candle) -> None:
        """One candle before the end, so that the last one can fill the close."""
        if self._end is None or candle.close_time + candle.interval < self._end:
            return
        if self._book.open_qty > 0 and (self._wish is None or self._wish[1] > 0):
            self._wish = (ExitReason.END_OF_DATA, ZERO)
        self._cancel_rest(candle.close_time, CancelReason.EXPIRED)

    def _send_exit(self, last: Decimal, now: datetime) -> None:
        """One reduce-only order at a time, until the wish is fulfilled."""
        if self._wish is None:
            return
        reason, target = self._wish
        if self._book.open_qty <= target:
            self._wish = None
            return
        if any(order.reduce_only for order in self._state.orders.values()):
            return
        name = f"exit-{len(self._sent) + 1}"
        self._sent[name] = reason
        request = OrderRequest(
            order_link_id=name,
            symbol=self._entry.symbol,
            side=self._entry.side.opposite,
            order_type=OrderType.MARKET,
            qty=self._book.open_qty - target if target else ZERO,
            reduce_only=True,
            close_all=target == 0,
        )
        self._tell(Place(request, now, last))


def _first_reaching(
    window: CandleWindow, place: int, below: float, above: float, at: datetime
) -> int:
    """The first candle from ``place`` on that trades at ``below`` or ``above`` or closes at ``at``
    or later; the length of the window where none does."""
    late = int(window.times.searchsorted(to_ms(at - window.interval)))
    late = min(max(late, place), len(window))
    for start in range(place, late, SEARCH_SPAN):
        part = np.s_[start : min(start + SEARCH_SPAN, late)]
        reached = (window.low[part] <= below) | (window.high[part] >= above)
        first = int(reached.argmax())
        if reached[first]:
            return start + first
    return late


def _last_before(entry: FollowedEntry) -> Decimal:
    """The last price that the venue checks an entry against. Its levels were checked when it was
    decided, so a price stands in that lies between them, and before the trigger."""
    if entry.trigger_price is not None:
        return (entry.stop_loss + entry.trigger_price) / 2
    return entry.price or (entry.stop_loss + entry.take_profit) / 2
