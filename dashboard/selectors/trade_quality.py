"""How well a trade was executed, and how far price ran for and against it."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard import format as fmt
from trading.choices import TradeState
from trading.domain.slippage import excursion_r
from trading.models import Trade
from trading.selectors import trade_book


@dataclass(frozen=True, slots=True)
class QualityLine:
    """A figure with what it means."""

    label: str
    value: str
    about: str


def quality_of(trade: Trade) -> list[QualityLine]:
    """MFE and MAE, and once it closed the slippage of entry and exit; a dash: not known."""
    book = trade_book(trade)
    if not book.entry_qty:
        return []
    best, worst = (
        fmt.r_multiple(excursion_r(book.side, book.avg_entry, trade.initial_stop, price))
        for price in (trade.best_price, trade.worst_price)
    )
    lines = [
        QualityLine("Best, MFE", best, "The most favourable price while it was open, in R."),
        QualityLine("Worst, MAE", worst, "The least favourable price while it was open, in R."),
    ]
    if trade.state == TradeState.CLOSED:
        lines += [
            QualityLine(
                "Slippage in, USDT",
                fmt.number(trade.entry_slippage),
                "Entry fills against the signal's price; above 0 is worse.",
            ),
            QualityLine(
                "Slippage out, USDT",
                fmt.number(trade.exit_slippage),
                "Exit fills against the stop, the target, or the last price when it was asked for; "
                "above 0 is worse.",
            ),
        ]
    return lines
