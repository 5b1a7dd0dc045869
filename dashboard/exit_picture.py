"""The way of a stop while price rises from the entry: a drawing of exit settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exchange.domain import Candle, Instrument, Side
from trading.domain.exits import (
    CloseTrade,
    ExitSettings,
    ManagedTrade,
    MoveStop,
    manage_all,
)

# Drawn for a long at 100 with a usual stop; costs are two taker fees and the slippage allowance.
ENTRY, STOP_SHARE, TARGET_R = Decimal(100), Decimal("0.02"), Decimal(3)
COSTS = Decimal("0.0016")
LOWEST_R = Decimal("-1.2")
STEP_R = Decimal("0.05")
WIDTH, HEIGHT, LEFT, BOTTOM = 360, 190, 34, 22
OPENED = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the drawing with its words."""

    x: str
    y: str
    text: str


@dataclass(frozen=True, slots=True)
class ExitPicture:
    """Paths in the coordinates of ``width`` x ``height``; ``words`` tell the same in a sentence."""

    width: int
    height: int
    left: int
    price: str
    stop: str
    parts: tuple[Mark, ...]
    rows: tuple[Mark, ...]
    columns: tuple[Mark, ...]
    words: str


def exit_picture(settings: ExitSettings) -> ExitPicture:
    """Let price rise to the target in small steps and draw where the stop stands after each."""
    path = _stops(settings)
    corners = _corners(path)
    parts = tuple(
        Mark(_x(at_r), _y(at_r), f"{share:.0%} taken at {at_r.normalize():f} R")
        for at_r, share in settings.partials
        if at_r <= TARGET_R
    )
    steps = ", ".join(f"{stop:.2f} R at {at:.2f} R" for at, stop in corners[1:])
    return ExitPicture(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        price=f"M{_x(Decimal(0))} {_y(Decimal(0))}L{_x(TARGET_R)} {_y(TARGET_R)}",
        stop=_line(path),
        parts=parts,
        rows=tuple(Mark("0", _y(Decimal(r)), f"{r} R") for r in range(-1, 4)),
        columns=tuple(Mark(_x(Decimal(r)), str(HEIGHT - 6), f"{r} R") for r in range(4)),
        words=f"The stop goes to {steps}." if steps else "The stop stays where it is set.",
    )


def _stops(settings: ExitSettings) -> list[tuple[Decimal, Decimal]]:
    """(R that price has reached, R at which the stop stands), a step after the other."""
    unit = ENTRY * STOP_SHARE
    tiny = Decimal("0.0001")
    trade = ManagedTrade(
        side=Side.BUY,
        avg_entry=ENTRY,
        initial_stop=ENTRY - unit,
        stop_loss=ENTRY - unit,
        take_profit=ENTRY + TARGET_R * unit,
        opened_at=OPENED,
        instrument=Instrument("", tiny, tiny, tiny, ENTRY, tiny, ENTRY),
        cost_rate=COSTS,
    )
    path, reached = [(Decimal(0), Decimal(-1))], STEP_R
    while reached <= TARGET_R:
        price = ENTRY + reached * unit
        candle = Candle("", OPENED, MINUTE, price, price, price, price, Decimal(1))
        for action in manage_all(trade, candle, settings, OPENED + MINUTE):
            if isinstance(action, MoveStop):
                trade = replace(trade, stop_loss=action.stop_loss)
            elif isinstance(action, CloseTrade):
                return [*path, (reached, reached)]
        path.append((reached, (trade.stop_loss - ENTRY) / unit))
        reached += STEP_R
    return path


def _corners(path: list[tuple[Decimal, Decimal]]) -> list[tuple[Decimal, Decimal]]:
    """Where the stop changes, and its start."""
    found = path[:1]
    for at, stop in path[1:]:
        if stop != found[-1][1]:
            found.append((at, stop))
    return found


def _line(path: list[tuple[Decimal, Decimal]]) -> str:
    corners = _corners(path)
    drawn = [f"M{_x(corners[0][0])} {_y(corners[0][1])}"]
    drawn += [f"H{_x(at)}V{_y(stop)}" for at, stop in corners[1:]]
    return "".join([*drawn, f"H{_x(path[-1][0])}"])


def _x(reached: Decimal) -> str:
    return f"{LEFT + reached / TARGET_R * (WIDTH - LEFT - 10):.1f}"


def _y(level: Decimal) -> str:
    share = (level - LOWEST_R) / (TARGET_R + Decimal("0.2") - LOWEST_R)
    return f"{HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM):.1f}"
