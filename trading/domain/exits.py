"""Exit rules: what to do with an open trade at the close of one monitor candle.

R is the distance from the average entry to the initial stop, per unit. Rules only ever move a
stop toward profit; the stop and target on the exchange act at any moment besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from analysis.answer.value import InvalidationCondition
from exchange.domain import ZERO, Candle, Instrument, Side
from trading.choices import ExitReason
from trading.domain.exit_settings import (
    MAX_R,
    TIGHTENING,
    ExitSettings,
    ExitSettingsInvalid,
    default_exits,
)
from trading.domain.invalidation import Invalidation

__all__ = [
    "MAX_R",
    "TIGHTENING",
    "CloseTrade",
    "ExitAction",
    "ExitSettings",
    "ExitSettingsInvalid",
    "ManagedTrade",
    "MoveStop",
    "ReduceTrade",
    "Watch",
    "default_exits",
    "manage",
    "manage_all",
    "overtaken",
    "watch",
]

MIN_MOVE_R = Decimal("0.1")
# A trade that has not come this far when it is old gets its stop nearer.
YOUTH_R = Decimal(1)
BREAKEVEN_RULE = "breakeven"
TIGHTENING_RULE = "tightening"
TRAIL_RULE = "target_trail"
AGE_RULE = "age"


@dataclass(frozen=True, slots=True)
class ManagedTrade:
    """What the exit rules need to know of an open trade. ``cost_rate`` is the share of the
    entry price that both fees and the slippage allowance take.

    ``full_qty`` is what the entry came to once it was trimmed: shares of a partial take-profit
    are shares of it. ``open_qty`` is left of that now. Nothing is taken where they are 0.
    """

    side: Side
    avg_entry: Decimal
    initial_stop: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    opened_at: datetime
    instrument: Instrument
    cost_rate: Decimal
    full_qty: Decimal = ZERO
    open_qty: Decimal = ZERO
    invalidation: Invalidation | None = None

    @property
    def r_unit(self) -> Decimal:
        return abs(self.avg_entry - self.initial_stop)

    @property
    def breakeven(self) -> Decimal:
        """The price at which the trade has earned its costs and nothing more."""
        return self.avg_entry * (1 + self.side.sign * self.cost_rate)

    def at_r(self, multiple: Decimal) -> Decimal:
        """The price ``multiple`` R on the side of profit."""
        return self.avg_entry + self.side.sign * multiple * self.r_unit

    def reached(self, price: Decimal) -> Decimal:
        """How many R ``price`` lies on the side of profit."""
        return (price - self.avg_entry) * self.side.sign / self.r_unit


@dataclass(frozen=True, slots=True)
class MoveStop:
    """Move the stop to ``stop_loss`` because of ``rule``; ``numbers`` explain it."""

    rule: str
    stop_loss: Decimal
    numbers: dict[str, str]


@dataclass(frozen=True, slots=True)
class ReduceTrade:
    """Take profit on a part: at market, down to ``target_qty``. Stop and target cover the rest."""

    target_qty: Decimal
    reason: ExitReason
    numbers: dict[str, str]


@dataclass(frozen=True, slots=True)
class CloseTrade:
    """Close at market now."""

    reason: ExitReason
    numbers: dict[str, str]


ExitAction = MoveStop | ReduceTrade | CloseTrade


def manage(
    trade: ManagedTrade, candle: Candle, settings: ExitSettings, now: datetime
) -> ExitAction | None:
    """The first thing to do at the close of ``candle``, or None.

    A close goes before a move of the stop, and that before a part that is taken. A stop that
    price has already passed becomes a close at market.
    """
    ended = _ended(trade, candle, settings, now)
    if ended is not None:
        return ended
    if trade.r_unit == 0:
        return None
    fitting = (
        move for move in _moves(trade, candle.close, settings, now) if _worth(trade, move.stop_loss)
    )
    move = max(fitting, key=lambda found: found.stop_loss * trade.side.sign, default=None)
    if move is not None:
        return overtaken(trade.side, move, candle.close) or move
    return _reduction(trade, candle.close, settings)


def manage_all(
    trade: ManagedTrade, candle: Candle, settings: ExitSettings, now: datetime
) -> tuple[ExitAction, ...]:
    """Everything to do at the close of ``candle``, in that order: one close, or a move of the
    stop, a part that is taken, or both. No rule has more to say about this candle then."""
    action = manage(trade, candle, settings, now)
    if not isinstance(action, MoveStop):
        return () if action is None else (action,)
    after = manage(replace(trade, stop_loss=action.stop_loss), candle, settings, now)
    return (action,) if after is None else (action, after)


def overtaken(side: Side, move: MoveStop, price: Decimal) -> CloseTrade | None:
    """The close at market that takes the place of a stop which ``price`` has already passed."""
    if (price - move.stop_loss) * side.sign > 0:
        return None
    breakeven = move.rule == BREAKEVEN_RULE
    reason = ExitReason.BREAKEVEN if breakeven else ExitReason.TIGHTENED_STOP
    return CloseTrade(reason, move.numbers)


def _ended(
    trade: ManagedTrade, candle: Candle, settings: ExitSettings, now: datetime
) -> CloseTrade | None:
    """Rules that end a trade wherever its stop stands."""
    held = now - trade.opened_at
    if held >= settings.max_holding:
        numbers = {"held": str(held), "limit": str(settings.max_holding)}
        return CloseTrade(ExitReason.MAX_HOLDING, numbers)
    idea = trade.invalidation if settings.invalidation else None
    if idea is None:
        return None
    bar = settings.timeframe
    if not idea.broken(trade.side, trade.breakeven, trade.opened_at, candle, bar):
        return None
    stored = {name: value for name, value in idea.as_json().items() if value is not None}
    return CloseTrade(ExitReason.INVALIDATION, stored | {"close": f"{candle.close:f}"})


@dataclass(frozen=True, slots=True)
class _Step:
    """A stop that a rule offers once the close has come ``at_r`` far."""

    at_r: Decimal
    rule: str
    stop_loss: Decimal
    numbers: dict[str, str]


def _steps(trade: ManagedTrade, settings: ExitSettings) -> Iterator[_Step]:
    """The stops that break-even and tightening lead to, wherever price is."""
    for at_r, stop_r in settings.tightening:
        stop = _on_tick(trade, trade.at_r(stop_r))
        yield _Step(at_r, TIGHTENING_RULE, stop, {"at_r": str(at_r), "stop_r": str(stop_r)})
    if settings.breakeven_at_r is not None:
        why = {"at_r": str(settings.breakeven_at_r), "stop": "entry and costs"}
        stop = _on_tick(trade, trade.breakeven)
        yield _Step(settings.breakeven_at_r, BREAKEVEN_RULE, stop, why)


def _moves(
    trade: ManagedTrade, close: Decimal, settings: ExitSettings, now: datetime
) -> Iterator[MoveStop]:
    """Every stop that a rule offers at this close."""
    reached = trade.reached(close)
    numbers = {"reached_r": f"{reached:.2f}", "close": f"{close:f}"}
    for step in _steps(trade, settings):
        if reached >= step.at_r:
            yield MoveStop(step.rule, step.stop_loss, numbers | step.numbers)
    zone = _trail_zone(trade, settings)
    if zone is not None and (close - zone) * trade.side.sign >= 0:
        why = {"within": str(settings.trail_within), "behind": str(settings.trail_behind)}
        stop = close * (1 - trade.side.sign * settings.trail_behind)
        yield MoveStop(TRAIL_RULE, _on_tick(trade, stop), numbers | why)
    aged_after = settings.aged_after
    if aged_after is not None and now - trade.opened_at >= aged_after and reached < YOUTH_R:
        why = {"held": str(now - trade.opened_at), "share": str(settings.age_share)}
        yield MoveStop(AGE_RULE, _aged_stop(trade, settings), numbers | why)


def _trail_zone(trade: ManagedTrade, settings: ExitSettings) -> Decimal | None:
    """The price from which on the stop trails toward the target."""
    if settings.trail_within is None:
        return None
    return trade.take_profit * (1 - trade.side.sign * settings.trail_within)


def _aged_stop(trade: ManagedTrade, settings: ExitSettings) -> Decimal:
    """Nearer by a share of the initial distance, once: rounded away from price, so that it never
    becomes more than that."""
    stop = trade.at_r(settings.age_share - 1)
    long = trade.side is Side.BUY
    return trade.instrument.floor_price(stop) if long else trade.instrument.ceil_price(stop)


def _worth(trade: ManagedTrade, stop: Decimal) -> bool:
    """Whether a stop is far enough from the present one, and still before the target."""
    sign = trade.side.sign
    far_enough = (stop - trade.stop_loss) * sign >= MIN_MOVE_R * trade.r_unit
    return far_enough and (trade.take_profit - stop) * sign > 0


def _on_tick(trade: ManagedTrade, price: Decimal) -> Decimal:
    """Round toward profit, so that what the rule promises is kept."""
    if trade.side is Side.BUY:
        return trade.instrument.ceil_price(price)
    return trade.instrument.floor_price(price)


def _parts(
    trade: ManagedTrade, settings: ExitSettings
) -> Iterator[tuple[Decimal, Decimal, Decimal]]:
    """The R, the share taken by then, and the quantity to keep of each part that is not taken
    yet and can be: neither what is sold nor what is kept may fall below the venue's minimum."""
    taken, rules = ZERO, trade.instrument
    for at_r, share in settings.partials:
        taken += share
        kept = trade.full_qty - rules.floor_qty(trade.full_qty * taken)
        if kept >= rules.min_qty and trade.open_qty - kept >= rules.min_qty:
            yield at_r, taken, kept


def _reduction(trade: ManagedTrade, close: Decimal, settings: ExitSettings) -> ReduceTrade | None:
    """The part to take at this close. A close beyond several steps takes them in one."""
    reached = trade.reached(close)
    due = [part for part in _parts(trade, settings) if reached >= part[0]]
    if not due:
        return None
    at_r, taken, kept = due[-1]
    numbers = {
        "reached_r": f"{reached:.2f}",
        "close": f"{close:f}",
        "at_r": str(at_r),
        "taken": str(taken),
        "kept": f"{kept.normalize():f}",
    }
    return ReduceTrade(kept, ExitReason.PARTIAL_TAKE_PROFIT, numbers)


@dataclass(frozen=True, slots=True)
class Watch:
    """Where and when a trade has to be looked at next: the first candle whose high reaches
    ``above``, whose low reaches ``below``, or that closes at ``at`` or later. Before it no rule
    has anything to do. None is never; an ``at`` that is past means the next candle."""

    above: Decimal | None
    below: Decimal | None
    at: datetime


def watch(trade: ManagedTrade, settings: ExitSettings) -> Watch:
    """What can next change the trade as it stands now. To be asked anew after each candle that
    was looked at, for a trade that was changed and for one that was not."""
    sign = trade.side.sign
    gains = [] if trade.r_unit == 0 else [*_gains(trade, settings)]
    gain = min(gains, key=lambda price: price * sign, default=None)
    times = [trade.opened_at + settings.max_holding]
    aged_after = settings.aged_after
    if aged_after is not None and _worth(trade, _aged_stop(trade, settings)):
        times.append(trade.opened_at + aged_after)
    idea, loss = trade.invalidation if settings.invalidation else None, None
    if idea is not None and idea.condition is not InvalidationCondition.TIME:
        loss = idea.price
    elif idea is not None and idea.until is not None:
        times.append(idea.until)
    above, below = (gain, loss) if trade.side is Side.BUY else (loss, gain)
    return Watch(above, below, min(times))


def _gains(trade: ManagedTrade, settings: ExitSettings) -> Iterator[Decimal]:
    """Prices on the side of profit from which on a rule has something to do."""
    sign, tick = trade.side.sign, trade.instrument.tick_size
    for step in _steps(trade, settings):
        if _worth(trade, step.stop_loss):
            yield trade.at_r(step.at_r)
    for at_r, _, _ in _parts(trade, settings):
        yield trade.at_r(at_r)
    zone = _trail_zone(trade, settings)
    if zone is not None:
        # Rounding may carry a stop to the next tick: it is looked at one tick early.
        least = trade.stop_loss + sign * (MIN_MOVE_R * trade.r_unit - tick)
        near = least / (1 - sign * settings.trail_behind)
        yield max(zone, near, key=lambda price: price * sign)
