"""Fit as the console shows it."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard import format as fmt
from exchange.models import ExchangeAccount
from trading.domain.fit import FitKind
from trading.fit import UNTOLD, fits_of
from trading.wiring import market_for

TONES = {
    FitKind.OK: "good",
    FitKind.COARSE: "warn",
    FitKind.TOO_SMALL: "bad",
    FitKind.UNKNOWN: "quiet",
}


@dataclass(frozen=True, slots=True)
class FitRow:
    """One symbol of one bot."""

    bot: str
    symbol: str
    words: str
    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class FitShown:
    """Rows, or the sentence that says why there are none."""

    rows: list[FitRow]
    problem: str = ""


def fit_shown(account: ExchangeAccount) -> FitShown:
    """Fit of every bot's symbols by the prices of now."""
    try:
        found = fits_of(account, market_for(account))
    except (*UNTOLD, ValueError) as error:
        return FitShown([], f"It can't be told now: {fmt.one_stop(str(error))}")
    rows = [
        FitRow(
            bot=bot.name,
            symbol=fit.symbol,
            words=fit.words,
            tone=TONES[fit.kind],
            text=fmt.one_stop(fit.text),
        )
        for bot, fits in found
        for fit in fits
    ]
    return FitShown(rows)
