"""Fit: can an account trade a symbol at all, at a stop as it is usual there?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from analysis.domain import Direction, Environment, Recommendation, ScoreParts
from exchange.domain import ZERO, Instrument
from trading.domain.filters import MarketView
from trading.domain.portfolio import Portfolio
from trading.domain.settings import BotSettings
from trading.domain.signal import Reading, propose
from trading.domain.sizing import size
from trading.domain.verdict import digits, first_failure, percent, plain

# The middle of the band that stops may lie in, for a calm market.
TYPICAL_STOP_ATR = Decimal(2)
# Where steps take more than a tenth off the planned risk, results no longer follow the plan.
COARSE_BELOW = Decimal("0.9")
# A step so fine that rounding to it changes nothing.
FINEST = Decimal("0.00000001")
ANY = Decimal("0.5")


class FitKind(StrEnum):
    """How well a symbol fits an account."""

    OK = "ok"
    COARSE = "coarse"
    TOO_SMALL = "too_small"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fit:
    """``share`` of the planned size is left after rounding down to steps, None where no order is
    possible or nothing is known; ``words`` say it, ``text`` says why."""

    symbol: str
    kind: FitKind
    share: Decimal | None
    text: str

    @property
    def words(self) -> str:
        if self.kind is FitKind.COARSE and self.share is not None:
            return f"coarse ({percent(self.share, 0)})"
        return {FitKind.OK: "OK", FitKind.TOO_SMALL: "too small"}.get(self.kind, "–")


def fit_unknown(symbol: str, why: str) -> Fit:
    """What is said of a symbol whose market does not answer."""
    return Fit(symbol, FitKind.UNKNOWN, None, f"{why.rstrip('.')}.")


def fit_of(view: MarketView, atr: Decimal, portfolio: Portfolio, settings: BotSettings) -> Fit:
    """Size a long at the last price with a typical stop: two ATR14, or farther where costs and
    spread ask for it. ``portfolio`` is the account without its positions."""
    symbol, quote, instrument = view.symbol, view.quote, view.instrument
    if quote is None or instrument is None:
        return fit_unknown(symbol, "The market tells no price or no trading rules now")
    distance = max(TYPICAL_STOP_ATR * atr, _nearest_stop(quote.last, instrument, settings))
    if distance >= quote.last:
        return fit_unknown(symbol, "Price moves too much for a typical stop")
    reading = Reading(
        recommendation=_typical(view, quote.last, distance, atr),
        instrument=instrument,
        quote=quote,
        gap_free=True,
        view=view,
    )
    proposal = propose(reading, settings)
    sized = size(proposal, portfolio, settings, instrument)
    fine = replace(instrument, qty_step=FINEST, min_qty=ZERO, min_notional=ZERO)
    whole = size(proposal, portfolio, settings, fine)
    stop = f"at a stop of {percent(distance / quote.last, 2)}"
    refused = first_failure(one for one in sized.verdicts if one.rule == "size_minimum")
    if refused is not None or whole.qty <= 0:
        text = refused.text if refused is not None else "Nothing can be afforded."
        return Fit(symbol, FitKind.TOO_SMALL, None, text)
    share = min(sized.qty / whole.qty, Decimal(1))
    kind = FitKind.OK if share >= COARSE_BELOW else FitKind.COARSE
    text = f"{plain(sized.qty)} of {digits(whole.qty)} planned {stop}."
    return Fit(symbol, kind, share, text)


def _nearest_stop(price: Decimal, instrument: Instrument, settings: BotSettings) -> Decimal:
    """The nearest stop that costs allow."""
    return settings.rules.min_stop_costs * price * 2 * instrument.taker_fee


def _typical(view: MarketView, last: Decimal, distance: Decimal, atr: Decimal) -> Recommendation:
    return Recommendation(
        symbol=view.symbol,
        timeframe="",
        candle_time=view.time,
        direction=Direction.LONG,
        entry_price=last,
        stop_loss=last - distance,
        take_profit=last + 3 * distance,
        scores=ScoreParts(ANY, ANY),
        environment=Environment.TREND_UP,
        evidence=(),
        strongest_objection="",
        invalidation="",
        atr=atr,
        last_price=last,
    )
