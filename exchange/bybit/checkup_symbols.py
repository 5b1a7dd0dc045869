"""Whether each symbol trades, and the least money it can be traded with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.findings import Finding, fine, problem, warn
from exchange.bybit.parse import instrument, plain, quote
from exchange.bybit.rest import BybitRest, ReadRefused
from exchange.domain import Instrument

TYPICAL_STOP = Decimal("0.02")
SLIPPAGE = Decimal("0.0005")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of an account that decide what it can trade; fractions of the wallet."""

    risk_per_trade: Decimal
    max_position_notional: Decimal
    max_leverage: Decimal


def symbol_findings(
    rest: BybitRest, symbols: Sequence[str], bounds: Bounds, wallet: Decimal | None
) -> Iterator[Finding]:
    """A line per symbol. Raises ``ExchangeError``."""
    for symbol in symbols:
        yield _symbol(rest, symbol, bounds, wallet)


def _symbol(rest: BybitRest, symbol: str, bounds: Bounds, wallet: Decimal | None) -> Finding:
    try:
        reply = rest.read(Endpoint.INSTRUMENTS, category="linear", symbol=symbol)
        rows = reply.result.get("list") or []
    except ReadRefused:
        rows = []
    if not rows:
        mend = "Take it off the list of symbols."
        return problem(symbol, "It does not trade on Bybit.", mend)
    rules = instrument(rows[0])
    ended = _ended(rules, rest.server_time.now())
    if ended is not None:
        return ended
    reply = rest.read(Endpoint.TICKERS, category="linear", symbol=symbol)
    price = quote(next(iter(reply.result.get("list") or []), {}), time=reply.time).last
    return _smallest(rules, price, bounds, wallet)


def _ended(rules: Instrument, now: datetime) -> Finding | None:
    mend = "Take it off the list of symbols; close what is open there in time."
    if rules.delisting_at is not None:
        tense = "was" if rules.delisting_at <= now else "is to be"
        text = f"It {tense} delisted on {rules.delisting_at:%Y-%m-%d %H:%M} UTC."
        return problem(rules.symbol, text, mend)
    if not rules.tradable:
        return problem(rules.symbol, "It takes no new positions on Bybit.", mend)
    return None


def smallest_trade(rules: Instrument, price: Decimal, bounds: Bounds) -> tuple[Decimal, Decimal]:
    """The smallest valid quantity, and the USDT wallet that allows it at a typical stop."""
    steps = (rules.min_notional / price / rules.qty_step).to_integral_value(rounding=ROUND_CEILING)
    qty = max(rules.min_qty, steps * rules.qty_step)
    notional = qty * price
    loss = notional * (TYPICAL_STOP + 2 * rules.taker_fee + SLIPPAGE)
    return qty, max(loss / bounds.risk_per_trade, notional / bounds.max_position_notional)


def _smallest(rules: Instrument, price: Decimal, bounds: Bounds, wallet: Decimal | None) -> Finding:
    qty, needed = smallest_trade(rules, price, bounds)
    needed = needed.quantize(Decimal(1), rounding=ROUND_CEILING)
    text = (
        f"Trades. The smallest trade, {plain(qty)} for {qty * price:,.2f} USDT, needs at least "
        f"{needed:,} USDT at a {TYPICAL_STOP * 100:.0f} % stop"
    )
    if wallet is None or wallet >= needed:
        return fine(rules.symbol, f"{text}.")
    return warn(
        rules.symbol,
        f"{text}; the wallet has {wallet:,.2f}.",
        "Its signals will be rejected: take it off the list, add USDT or raise risk per trade.",
    )
