"""Market filters on what price just did: a shock of the symbol itself, and a move of Bitcoin."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trading.domain.filter_settings import MarketFilters
from trading.domain.verdict import Factor, Verdict, number, percent

HALF = Decimal("0.5")


def bars_since_shock(sizes: Sequence[Decimal], filters: MarketFilters) -> int | None:
    """How many bars have closed after the newest one of more than ``shock_atr``: 0 right at its
    close, None where none is among ``sizes`` (true ranges in ATR, oldest first)."""
    newest_first = enumerate(reversed(sizes))
    return next((since for since, size in newest_first if size > filters.shock_atr), None)


def shock(sizes: Sequence[Decimal] | None, given: bool, filters: MarketFilters) -> Verdict:
    """No entries for some bars after a bar of more than ``shock_atr`` average true ranges."""
    limit = f"{number(filters.shock_atr, 1)} ATR"
    if not given:
        text = "Not applicable: this market has no candles to measure a bar with."
        return Verdict("shock", None, "–", limit, text)
    if sizes is None or len(sizes) < filters.shock_memory:
        text = "Candles are missing, so the size of the last bars is not known."
        return Verdict("shock", False, "missing", limit, text)
    largest = f"{number(max(sizes), 1)} ATR" if sizes else "–"
    since = bars_since_shock(sizes, filters)
    if since is None:
        return Verdict("shock", True, largest, limit, "No bar was out of the ordinary lately.")
    size = number(sizes[-1 - since], 1)
    left = filters.shock_bars - since
    text = f"A bar of {size} ATR closed {since} bars ago"
    text += f"; entries wait for {left} more." if left > 0 else "; the wait is over."
    return Verdict("shock", left <= 0, f"{size} ATR", limit, text)


def shock_factors(sizes: Sequence[Decimal] | None, filters: MarketFilters) -> tuple[Factor, ...]:
    """Half the size for some bars after a shock."""
    since = bars_since_shock(sizes or (), filters)
    if since is None or since >= filters.shock_half_bars:
        return ()
    return (Factor("shock", HALF, f"{since} bars after a shock"),)


def btc_move(move: Decimal | None, given: bool, filters: MarketFilters) -> Verdict:
    """No entries for a while after Bitcoin moved by ``btc_move`` within some minutes."""
    limit = percent(filters.btc_move)
    span = f"{filters.btc_move_minutes} minutes"
    if not given:
        text = f"Not applicable: this market does not show what BTC does within {span}."
        return Verdict("btc_move", None, "–", limit, text)
    if move is None:
        text = "What BTC did in the last minutes is not known now."
        return Verdict("btc_move", False, "missing", limit, text)
    value = percent(move)
    text = f"BTC moved at most {value} within {span} in the last {filters.btc_pause_minutes}."
    return Verdict("btc_move", move < filters.btc_move, value, limit, text)
