"""The only place that knows Bybit's names for what it answers.

Pure functions from one row, of REST or of a stream, to a value of ``exchange.domain``. Unknown
fields are ignored; a missing fact that may be missing is None; one that may not, or a word whose
meaning would have to be guessed, raises ``UnreadablePayload``.
"""

from __future__ import annotations

from exchange.bybit.parse_account import (
    AccountFacts,
    ClosedPnl,
    KeyFacts,
    MarginMode,
    account_facts,
    balance,
    closed_pnl,
    is_hedged,
    key_facts,
    ledger_entry,
    position_report,
)
from exchange.bybit.parse_market import (
    KLINE_CODES,
    FeeRate,
    FundingRate,
    candle,
    candles,
    fee_rate,
    funding_rate,
    instrument,
    is_usdt_perpetual,
    listed_at,
    quote,
    streamed_candle,
    ticker,
)
from exchange.bybit.parse_orders import execution, in_scope, order_report, sequence
from exchange.bybit.parse_values import Row, UnreadablePayload, dec, ms, plain, stamp

__all__ = [
    "KLINE_CODES",
    "AccountFacts",
    "ClosedPnl",
    "FeeRate",
    "FundingRate",
    "KeyFacts",
    "MarginMode",
    "Row",
    "UnreadablePayload",
    "account_facts",
    "balance",
    "candle",
    "candles",
    "closed_pnl",
    "dec",
    "execution",
    "fee_rate",
    "funding_rate",
    "in_scope",
    "instrument",
    "is_hedged",
    "is_usdt_perpetual",
    "key_facts",
    "ledger_entry",
    "listed_at",
    "ms",
    "order_report",
    "plain",
    "position_report",
    "quote",
    "sequence",
    "stamp",
    "streamed_candle",
    "ticker",
]
