"""What a caller must do, not what went wrong, orders this tree.

ExchangeError
    ExchangeUnavailable     a read failed: try again later
        RateLimited         ... not before ``retry_after_s``
    OrderRejected           final: the venue certainly did not take the request
        InsufficientBalance
        OrderNotSent        ... because it never left
    OrderOutcomeUnknown     the request may have landed: look it up, never send it again
    ExchangeHalted          key revoked, address banned, maintenance: stop entries, alert
MarketDataError
    UnknownSymbol           the market has no such symbol
    CandlesUnavailable      the market cannot give these candles (not yet, gap, out of range)
CandleFileError             a candle file was refused; ``problems`` lists each with its row
"""

from __future__ import annotations

# What ``OrderRejected.code`` may be; anything that is none of the others is "refused".
REJECTIONS = frozenset(
    {
        "clock",
        "duplicate_link_id",
        "halted",
        "insufficient_balance",
        "invalid_order",
        "leverage",
        "margin_mode",
        "no_position",
        "not_sent",
        "order_not_open",
        "position_mode",
        "rate_limited",
        "reduce_only",
        "refused",
        "stop_wrong_side",
        "symbol_closed",
        "trigger_passed",
        "unknown_symbol",
    }
)


class ExchangeError(Exception):
    """Base of everything a venue can answer."""


class ExchangeUnavailable(ExchangeError):
    """A read failed; nothing changed, it may be tried again."""


class RateLimited(ExchangeUnavailable):
    """The venue asks for a pause of ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OrderRejected(ExchangeError):
    """The venue refused the request for good; ``code`` names why in one word."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class InsufficientBalance(OrderRejected):
    """The margin does not cover the order."""


class OrderNotSent(OrderRejected):
    """The request was held back before it left: the door to the venue is closed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="not_sent")


class OrderOutcomeUnknown(ExchangeError):
    """The request left and no certain answer came back."""


class ExchangeHalted(ExchangeError):
    """The venue refuses this key or address until a person mends it."""


class MarketDataError(Exception):
    """Base of everything that market data can answer."""


class UnknownSymbol(MarketDataError):
    """The market has no such symbol."""


class CandlesUnavailable(MarketDataError):
    """The market cannot give these candles."""


class CandleFileError(Exception):
    """A candle file was refused as a whole; nothing of it was imported."""

    def __init__(self, message: str, *, problems: list[str] | None = None) -> None:
        super().__init__(message)
        self.problems = problems or []
