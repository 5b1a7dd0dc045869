"""Exit rules: what to do with an open trade at the close of one monitor candle.

R is the distance from the average entry to the initial stop, per unit. Rules only ever move a
stop toward profit; the stop and target on the exchange act at any moment besides.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
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
BREAKEVEN_RULE = "breakeven"
TIGHTENING_RULE = "tightening"


class ExitSettingsInvalid(ValueError):
    """Stored exit settings can't be read; the text names the field."""


@dataclass(frozen=True, slots=True)
class ExitSettings:
    """Frozen into each trade at its entry.

    ``tightening`` holds pairs (reached R, stop at R), rising; ``max_holding_bars`` counts bars
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
    def from_json(cls, stored: dict[str, Any]) -> ExitSettings:
        """Read what ``as_json`` wrote. Raises ``ExitSettingsInvalid``."""
        unknown = set(stored) - {item.name for item in fields(cls)}
        if unknown:
            raise ExitSettingsInvalid(f"unknown exit settings: {', '.join(sorted(unknown))}")
        try:
            breakeven = stored["breakeven_at_r"]
            settings = cls(
                breakeven_at_r=None if breakeven is None else Decimal(breakeven),
                tightening=tuple((Decimal(a), Decimal(b)) for a, b in stored["tightening"]),
                max_holding_bars=int(stored["max_holding_bars"]),
                timeframe_s=int(stored["timeframe_s"]),
            )
        except (KeyError, TypeError, ValueError, InvalidOperation) as exc:
            raise ExitSettingsInvalid(f"exit settings can't be read: {exc!r}") from exc
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ``ExitSettingsInvalid`` where the numbers make no sense."""
        if self.breakeven_at_r is not None and not self.breakeven_at_r > 0:
            raise ExitSettingsInvalid("breakeven_at_r must be above 0")
        if any(not 0 <= stop < reached for reached, stop in self.tightening):
            raise ExitSettingsInvalid("tightening: each stop must lie below the R that sets it")
        if list(self.tightening) != sorted(self.tightening):
            raise ExitSettingsInvalid("tightening must rise")
        if self.max_holding_bars < 1 or self.timeframe_s < 60:
            raise ExitSettingsInvalid("max_holding_bars and timeframe_s must be positive")


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
    move = _best_move(trade, candle.close, settings)
    if move is None or not _worth_moving(trade, move.stop_loss):
        return None
    if (candle.close - move.stop_loss) * trade.side.sign <= 0:
        breakeven = move.rule == BREAKEVEN_RULE
        reason = ExitReason.BREAKEVEN if breakeven else ExitReason.TIGHTENED_STOP
        return CloseTrade(reason, move.numbers)
    return move


def _best_move(trade: ManagedTrade, close: Decimal, settings: ExitSettings) -> MoveStop | None:
    reached = (close - trade.avg_entry) * trade.side.sign / trade.r_unit
    numbers = {"reached_r": f"{reached:.2f}", "close": str(close)}
    for at_r, stop_r in reversed(settings.tightening):
        if reached >= at_r:
            price = trade.avg_entry + trade.side.sign * stop_r * trade.r_unit
            numbers |= {"at_r": str(at_r), "stop_r": str(stop_r)}
            return MoveStop(TIGHTENING_RULE, _on_tick(trade, price), numbers)
    if settings.breakeven_at_r is not None and reached >= settings.breakeven_at_r:
        price = trade.avg_entry * (1 + trade.side.sign * trade.cost_rate)
        numbers |= {"at_r": str(settings.breakeven_at_r), "stop": "entry and costs"}
        return MoveStop(BREAKEVEN_RULE, _on_tick(trade, price), numbers)
    return None


def _on_tick(trade: ManagedTrade, price: Decimal) -> Decimal:
    """Round toward profit, so that what the rule promises is kept."""
    if trade.side is Side.BUY:
        return trade.instrument.ceil_price(price)
    return trade.instrument.floor_price(price)


def _worth_moving(trade: ManagedTrade, stop: Decimal) -> bool:
    sign = trade.side.sign
    gained = (stop - trade.stop_loss) * sign
    below_target = (trade.take_profit - stop) * sign > 0
    return below_target and gained >= MIN_MOVE_R * trade.r_unit
