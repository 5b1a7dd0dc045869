"""Exit rules: what to do with an open trade at the close of one monitor candle.

R is the distance from the average entry to the initial stop, per unit. Rules only ever move a
stop toward profit; the stop and target on the exchange act at any moment besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from exchange.domain import Candle, Instrument, Side
from trading.choices import ExitReason, RiskProfile

TIGHTENING = (
    (Decimal("1.5"), Decimal("0.75")),
    (Decimal("2.0"), Decimal("1.2")),
    (Decimal("2.5"), Decimal("2.0")),
    (Decimal("3.0"), Decimal("2.5")),
)
MIN_MOVE_R = Decimal("0.1")
# No setting in R lies beyond it: more is a slip of the pen.
MAX_R = Decimal(100)
BREAKEVEN_RULE = "breakeven"
TIGHTENING_RULE = "tightening"


class ExitSettingsInvalid(ValueError):
    """Stored exit settings can't be read; the text names the field."""


@dataclass(frozen=True, slots=True)
class ExitSettings:
    """Frozen into each trade at its entry.

    ``tightening`` holds pairs (reached R, stop at R), both rising; ``max_holding_bars`` counts bars
    of the bot's timeframe, ``timeframe_s`` is their length.
    """

    breakeven_at_r: Decimal | None
    tightening: tuple[tuple[Decimal, Decimal], ...]
    max_holding_bars: int
    timeframe_s: int

    @property
    def max_holding(self) -> timedelta:
        return timedelta(seconds=self.max_holding_bars * self.timeframe_s)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON column; decimals as text."""
        return {
            "breakeven_at_r": None if self.breakeven_at_r is None else str(self.breakeven_at_r),
            "tightening": [[str(reached), str(stop)] for reached, stop in self.tightening],
            "max_holding_bars": self.max_holding_bars,
            "timeframe_s": self.timeframe_s,
        }

    @classmethod
    def from_json(cls, stored: object) -> ExitSettings:
        """Read what ``as_json`` wrote, or an operator typed. Raises ``ExitSettingsInvalid``."""
        if not isinstance(stored, dict):
            raise ExitSettingsInvalid("exit settings must be names with values")
        wrong = {item.name for item in fields(cls)} ^ set(stored)
        if wrong:
            names = ", ".join(sorted(map(str, wrong)))
            raise ExitSettingsInvalid(f"unknown or missing exit settings: {names}")
        breakeven = stored["breakeven_at_r"]
        settings = cls(
            breakeven_at_r=None if breakeven is None else _in_r("breakeven_at_r", breakeven),
            tightening=_steps(stored["tightening"]),
            max_holding_bars=_whole("max_holding_bars", stored["max_holding_bars"]),
            timeframe_s=_whole("timeframe_s", stored["timeframe_s"]),
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ``ExitSettingsInvalid`` where the numbers make no sense."""
        if self.breakeven_at_r is not None and not self.breakeven_at_r > 0:
            raise ExitSettingsInvalid("breakeven_at_r must be above 0")
        if any(not 0 <= stop < reached for reached, stop in self.tightening):
            raise ExitSettingsInvalid("tightening: each stop must lie below the R that sets it")
        if any(a >= c or b >= d for (a, b), (c, d) in pairwise(self.tightening)):
            raise ExitSettingsInvalid("tightening must rise, in what is reached and in the stop")
        if self.max_holding_bars < 1 or self.timeframe_s < 60:
            raise ExitSettingsInvalid("max_holding_bars must be above 0, timeframe_s at least 60")
        try:
            _ = self.max_holding
        except OverflowError as exc:
            raise ExitSettingsInvalid("max_holding_bars x timeframe_s is too long") from exc


def _in_r(name: str, value: object) -> Decimal:
    """A number in R, typed or stored as text. A bool is an int to Python, but not to us."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ExitSettingsInvalid(f"{name} must be a number, not {value!r}")
    try:
        number = Decimal(str(value))
    except InvalidOperation as exc:
        raise ExitSettingsInvalid(f"{name} must be a number, not {value!r}") from exc
    if not number.is_finite() or abs(number) > MAX_R:
        raise ExitSettingsInvalid(f"{name} must be a number up to {MAX_R}, not {value!r}")
    return number


def _steps(value: object) -> tuple[tuple[Decimal, Decimal], ...]:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise ExitSettingsInvalid("tightening must be a list of pairs")
    if any(len(row) != 2 for row in value):
        raise ExitSettingsInvalid("tightening must be pairs: the R reached, the stop at R")
    return tuple((_in_r("tightening", a), _in_r("tightening", b)) for a, b in value)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ExitSettingsInvalid(f"{name} must be a whole number, not {value!r}")
    return value


def default_exits(profile: RiskProfile, timeframe: timedelta) -> ExitSettings:
    """The profile's exits: classic tightens from 2.0 R and never moves to break-even."""
    if timeframe <= timedelta(minutes=30):
        bars = 48
    elif timeframe <= timedelta(hours=1):
        bars = 36
    else:
        bars = 18
    classic = profile is RiskProfile.CLASSIC
    return ExitSettings(
        breakeven_at_r=None if classic else Decimal("1.0"),
        tightening=TIGHTENING[1:] if classic else TIGHTENING,
        max_holding_bars=bars,
        timeframe_s=int(timeframe.total_seconds()),
    )


@dataclass(frozen=True, slots=True)
class ManagedTrade:
    """What the exit rules need to know of an open trade. ``cost_rate`` is the share of the
    entry price that both fees and the slippage allowance take."""

    side: Side
    avg_entry: Decimal
    initial_stop: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    opened_at: datetime
    instrument: Instrument
    cost_rate: Decimal

    @property
    def r_unit(self) -> Decimal:
        return abs(self.avg_entry - self.initial_stop)


@dataclass(frozen=True, slots=True)
class MoveStop:
    """Move the stop to ``stop_loss`` because of ``rule``; ``numbers`` explain it."""

    rule: str
    stop_loss: Decimal
    numbers: dict[str, str]


@dataclass(frozen=True, slots=True)
class CloseTrade:
    """Close at market now."""

    reason: ExitReason
    numbers: dict[str, str]


ExitAction = MoveStop | CloseTrade


def manage(
    trade: ManagedTrade, candle: Candle, settings: ExitSettings, now: datetime
) -> ExitAction | None:
    """The one thing to do at the close of ``candle``, or None.

    A stop that price has already passed becomes a close at market.
    """
    held = now - trade.opened_at
    if held >= settings.max_holding:
        return CloseTrade(
            ExitReason.MAX_HOLDING,
            {"held": str(held), "limit": str(settings.max_holding)},
        )
    if trade.r_unit == 0:
        return None
    sign = trade.side.sign
    fitting = (
        move
        for move in _moves(trade, candle.close, settings)
        if (trade.take_profit - move.stop_loss) * sign > 0
    )
    move = max(fitting, key=lambda found: found.stop_loss * sign, default=None)
    if move is None or (move.stop_loss - trade.stop_loss) * sign < MIN_MOVE_R * trade.r_unit:
        return None
    return overtaken(trade.side, move, candle.close) or move


def overtaken(side: Side, move: MoveStop, price: Decimal) -> CloseTrade | None:
    """The close at market that takes the place of a stop which ``price`` has already passed."""
    if (price - move.stop_loss) * side.sign > 0:
        return None
    breakeven = move.rule == BREAKEVEN_RULE
    reason = ExitReason.BREAKEVEN if breakeven else ExitReason.TIGHTENED_STOP
    return CloseTrade(reason, move.numbers)


def _moves(trade: ManagedTrade, close: Decimal, settings: ExitSettings) -> Iterator[MoveStop]:
    """Every stop that a rule offers at this close."""
    reached = (close - trade.avg_entry) * trade.side.sign / trade.r_unit
    numbers = {"reached_r": f"{reached:.2f}", "close": f"{close:f}"}
    for at_r, stop_r in settings.tightening:
        if reached >= at_r:
            price = trade.avg_entry + trade.side.sign * stop_r * trade.r_unit
            why = numbers | {"at_r": str(at_r), "stop_r": str(stop_r)}
            yield MoveStop(TIGHTENING_RULE, _on_tick(trade, price), why)
    if settings.breakeven_at_r is not None and reached >= settings.breakeven_at_r:
        price = trade.avg_entry * (1 + trade.side.sign * trade.cost_rate)
        why = numbers | {"at_r": str(settings.breakeven_at_r), "stop": "entry and costs"}
        yield MoveStop(BREAKEVEN_RULE, _on_tick(trade, price), why)


def _on_tick(trade: ManagedTrade, price: Decimal) -> Decimal:
    """Round toward profit, so that what the rule promises is kept."""
    if trade.side is Side.BUY:
        return trade.instrument.ceil_price(price)
    return trade.instrument.floor_price(price)
