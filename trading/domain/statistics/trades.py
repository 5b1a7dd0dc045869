"""Closed trades as rows, and as one array per field for arithmetic over many of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from exchange.domain import ZERO

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = NDArray[np.bool_] | Ints

# Money is counted in whole units of 1e-8 USDT, so that sums are exact.
UNITS = 10**8
SCALE = Decimal(UNITS)
SECOND = 1_000_000
DAY = 86_400 * SECOND
HOUR = 3_600 * SECOND
UNKNOWN_TIME = np.iinfo(np.int64).min
BUCKETS = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Dimension(StrEnum):
    """What trades are told apart by. Hour and weekday are UTC, of the moment of opening."""

    BOT = "bot"
    SYMBOL = "symbol"
    TIMEFRAME = "timeframe"
    PROMPT = "prompt"
    ANALYST = "analyst"
    DIRECTION = "direction"
    EXIT_REASON = "exit_reason"
    HOUR = "hour"
    WEEKDAY = "weekday"
    MODE = "mode"
    CONFIDENCE = "confidence"


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """The result of one trade. Money is USDT but for ``ai_cost`` (US dollars, counted as USDT).

    ``net_pnl`` is after fees and funding; both are paid when above 0. ``best_r`` and ``worst_r``
    are the most and least favourable price while it was open, in units of the initial risk
    (worst usually below 0). ``slippage`` above 0 is worse than asked. ``chance`` is the calibrated
    probability of winning that was known when it was decided. ``unverifiable`` trades count
    nowhere.
    """

    net_pnl: Decimal
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    r_multiple: Decimal | None = None
    opened: datetime | None = None
    closed: datetime | None = None
    best_r: Decimal | None = None
    worst_r: Decimal | None = None
    slippage: Decimal | None = None
    ai_cost: Decimal = ZERO
    confidence: Decimal | None = None
    chance: Decimal | None = None
    unverifiable: bool = False
    bot: str = ""
    symbol: str = ""
    timeframe: str = ""
    prompt: str = ""
    analyst: str = ""
    direction: str = ""
    exit_reason: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Trades in the order in which they closed, one array per field.

    Money in units of 1e-8, times in microseconds since 1970 (``UNKNOWN_TIME`` where there is
    none), other figures as floats (NaN where there is none).
    """

    net: Ints
    fees: Ints
    funding: Ints
    ai_cost: Ints
    slippage: Ints
    slippage_known: NDArray[np.bool_]
    r: Floats
    best_r: Floats
    worst_r: Floats
    confidence: Floats
    chance: Floats
    opened: Ints
    closed: Ints

    def __len__(self) -> int:
        return len(self.net)

    def take(self, rows: Rows) -> Columns:
        """The chosen rows, in the same order."""
        return Columns(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The value of one dimension per trade: ``names[codes[i]]`` is that of trade i."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    def take(self, rows: Rows) -> Labels:
        return Labels(self.codes[rows], self.names)


def amount(units: int) -> Decimal:
    """Units of 1e-8 as USDT."""
    return Decimal(units).scaleb(-8)


def units(money: Decimal) -> int:
    """USDT as units of 1e-8, cut off after 8 places; ledgers keep no more."""
    return int(money * SCALE)


def exact_sum(values: Ints) -> int:
    """The sum as a Python integer, which never overflows."""
    if len(values) == 0:
        return 0
    largest = max(int(values.max()), -int(values.min()))
    if largest <= np.iinfo(np.int64).max // len(values):
        return int(values.sum())
    return sum(values.tolist())


def micros(moment: datetime | None) -> int:
    """Microseconds since 1970."""
    if moment is None:
        return int(UNKNOWN_TIME)
    gone = moment - EPOCH
    return (gone.days * 86_400 + gone.seconds) * SECOND + gone.microseconds


def columns_of(trades: Sequence[ClosedTrade]) -> Columns:
    """The trades as columns, sorted by the moment of closing."""
    columns = Columns(
        net=_money([trade.net_pnl for trade in trades]),
        fees=_money([trade.fees for trade in trades]),
        funding=_money([trade.funding for trade in trades]),
        ai_cost=_money([trade.ai_cost for trade in trades]),
        slippage=_money([trade.slippage or ZERO for trade in trades]),
        slippage_known=np.array([trade.slippage is not None for trade in trades], dtype=np.bool_),
        r=_floats([trade.r_multiple for trade in trades]),
        best_r=_floats([trade.best_r for trade in trades]),
        worst_r=_floats([trade.worst_r for trade in trades]),
        confidence=_floats([trade.confidence for trade in trades]),
        chance=_floats([trade.chance for trade in trades]),
        opened=np.array([micros(trade.opened) for trade in trades], dtype=np.int64),
        closed=np.array([micros(trade.closed) for trade in trades], dtype=np.int64),
    )
    return columns.take(np.argsort(columns.closed, kind="stable"))


def labels_of(trades: Sequence[ClosedTrade], columns: Columns) -> dict[Dimension, Labels]:
    """Every dimension of ``trades``, in the order of ``columns``, which are theirs."""
    order = np.argsort([micros(trade.closed) for trade in trades], kind="stable")
    named = {
        Dimension.BOT: factorised([trade.bot for trade in trades]),
        Dimension.SYMBOL: factorised([trade.symbol for trade in trades]),
        Dimension.TIMEFRAME: factorised([trade.timeframe for trade in trades]),
        Dimension.PROMPT: factorised([trade.prompt for trade in trades]),
        Dimension.ANALYST: factorised([trade.analyst for trade in trades]),
        Dimension.DIRECTION: factorised([trade.direction for trade in trades]),
        Dimension.EXIT_REASON: factorised([trade.exit_reason for trade in trades]),
        Dimension.MODE: factorised([trade.mode for trade in trades]),
    }
    return {key: labels.take(order) for key, labels in named.items()} | counted_labels(columns)


def counted_labels(columns: Columns) -> dict[Dimension, Labels]:
    """The dimensions that follow from the figures: hour, weekday, bucket of confidence."""
    known = columns.opened != UNKNOWN_TIME
    hours = np.where(known, columns.opened // HOUR % 24, 24)
    # 1 January 1970 was a Thursday.
    days = np.where(known, (columns.opened // DAY + 3) % 7, 7)
    edges = [f"{low / BUCKETS:.2f} to {(low + 1) / BUCKETS:.2f}" for low in range(BUCKETS)]
    return {
        Dimension.HOUR: Labels(hours.astype(np.int32), (*(f"{h:02d}" for h in range(24)), "")),
        Dimension.WEEKDAY: Labels(days.astype(np.int32), (*WEEKDAYS, "")),
        Dimension.CONFIDENCE: Labels(bucket_of(columns.confidence), (*edges, "")),
    }


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def bucket_of(confidence: Floats) -> NDArray[np.int32]:
    """Number of the bucket, 0.05 wide with its lower edge inside; ``BUCKETS`` where unknown."""
    # Confidence has 3 places; the hair keeps 0.65 in the bucket that begins there.
    found = np.floor(np.nan_to_num(confidence) * BUCKETS + 1e-9)
    found = np.where(np.isnan(confidence), BUCKETS, np.minimum(found, BUCKETS - 1))
    return found.astype(np.int32)


def factorised(values: Sequence[Hashable]) -> Labels:
    """Codes of values in the order of their first appearance."""
    seen = {value: code for code, value in enumerate(dict.fromkeys(values))}
    codes = [seen[value] for value in values]
    return Labels(np.array(codes, dtype=np.int32), tuple(str(name) for name in seen))


def _money(values: Sequence[Decimal]) -> Ints:
    return np.array([int(value * SCALE) for value in values], dtype=np.int64)


def _floats(values: Sequence[Decimal | None]) -> Floats:
    """NaN for None, which is what NumPy makes of it."""
    return np.array(values, dtype=np.float64)
