"""What an analysis was asked, as one hash."""

from __future__ import annotations

import hashlib

from analysis.chart_layout import RENDERER_VERSION
from analysis.domain import AnalysisInput
from exchange.candles import CandleWindow


def candle_digest(window: CandleWindow) -> bytes:
    """SHA-256 over symbol, interval and every number of the candles."""
    digest = hashlib.sha256(f"{window.symbol}|{window.interval.total_seconds()}|".encode())
    for column in (window.times, window.open, window.high, window.low, window.close, window.volume):
        digest.update(column.tobytes())
    return digest.digest()


def input_hash(
    given: AnalysisInput,
    *,
    profile_id: int,
    profile_version: int,
    analyst: str,
    prompt_version_id: int | None = None,
    variant: str = "",
) -> str:
    """Hash of everything an answer may depend on, as 64 hex digits.

    Covers the candles, the instrument's numbers, the renderer, the prompt, the profile, the
    analyst's own name and version, and ``variant`` (a transformed copy of the same chart).
    Account, positions, bot and wall time stay outside, so equal questions are equal rows.
    """
    rules = given.instrument
    parts = (
        RENDERER_VERSION,
        given.symbol,
        given.timeframe,
        f"{rules.tick_size.normalize()}|{rules.taker_fee.normalize()}|{rules.maker_fee.normalize()}",
        f"{profile_id}|{profile_version}|{analyst}|{prompt_version_id or '-'}|{variant}",
    )
    digest = hashlib.sha256("\n".join(parts).encode())
    digest.update(candle_digest(given.window))
    return digest.hexdigest()
