"""What covers each open position, row by row, and the orders that nobody explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from dashboard import format as fmt
from exchange.domain import MAINTENANCE_RATE, Side
from trading.models import Trade
from trading.selectors import trade_book

# The stop is read back every two seconds; one that was not for this long is not known to stand.
READ_LATE_S = 30


@dataclass(frozen=True, slots=True)
class CoverRow:
    """One open position. ``covered`` is how much of ``qty`` the stop closes; ``verified`` the age
    of the last reading that showed it; ``liquidation`` the distance in stop distances."""

    trade_id: int
    symbol: str
    is_long: bool
    qty: str
    stop: str
    covered: str
    tone: str
    verified: str
    liquidation: str
    liquidation_price: str
    longest: str


@dataclass(frozen=True, slots=True)
class OrphanRow:
    """An order on the exchange that is neither ours nor guards a position; ``placed`` is market
    time."""

    symbol: str
    words: str
    order_id: str
    placed: str


def cover_rows(trades: Iterable[Trade], now: datetime, *, heard: bool) -> tuple[CoverRow, ...]:
    """Each open trade at wall time ``now``; ``heard`` says whether its trader is alive."""
    return tuple(_cover(trade, now, heard=heard) for trade in trades)


def _cover(trade: Trade, now: datetime, *, heard: bool) -> CoverRow:
    book = trade_book(trade)
    places = fmt.price_places((trade.stop_loss, trade.take_profit, trade.initial_stop))
    age_s = _age_s(trade.protected_at, now)
    naked = trade.naked_since is not None or age_s is None
    fresh = heard and age_s is not None and age_s <= READ_LATE_S
    level, stops = liquidation_of(trade)
    qty = fmt.plain(book.open_qty)
    # The venue's stop closes the whole position, however large it has become.
    covered = f"0 of {qty}" if naked else f"{qty} of {qty}"
    return CoverRow(
        trade_id=trade.pk,
        symbol=trade.symbol,
        is_long=trade.side == Side.BUY,
        qty=qty,
        stop=fmt.number(trade.stop_loss, places),
        covered=covered if fresh or naked else f"{covered}?",
        tone="bad" if naked else "good" if fresh else "warn",
        verified=fmt.age(age_s),
        liquidation=fmt.UNKNOWN if stops is None else f"{fmt.number(stops, 1)} stops",
        liquidation_price=fmt.number(level, places),
        longest=fmt.duration_ms(_longest_ms(trade, now)),
    )


def _age_s(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (now - moment).total_seconds()


def _longest_ms(trade: Trade, now: datetime) -> int:
    naked_s = _age_s(trade.naked_since, now) or 0.0
    return max(trade.longest_naked_ms, int(naked_s * 1000))


def liquidation_of(trade: Trade) -> tuple[Decimal | None, Decimal | None]:
    """Where an isolated position is liquidated, by its leverage and the maintenance rate that
    sizing counts with, and how many initial stop distances that is from the entry. None before a
    fill."""
    book = trade_book(trade)
    entry = book.avg_entry
    distance = abs(entry - trade.initial_stop)
    if not entry or not distance or not trade.leverage:
        return None, None
    to_liquidation = entry * (1 / trade.leverage - MAINTENANCE_RATE)
    return entry - book.side.sign * to_liquidation, to_liquidation / distance


def orphan_rows(orders: Iterable[dict[str, Any]]) -> tuple[OrphanRow, ...]:
    """Orders as the trader noted them with its last comparison."""
    return tuple(
        OrphanRow(
            symbol=str(one["symbol"]),
            words=" ".join(
                filter(None, (one["side"], one["qty"], one["words"], _at(str(one["price"]))))
            ),
            order_id=str(one["id"]),
            placed=fmt.day_and_time(datetime.fromisoformat(one["since"])),
        )
        for one in orders
    )


def _at(price: str) -> str:
    return f"at {price}" if price else ""
