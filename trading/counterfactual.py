"""Follow signals that never traded to the outcome they would have had.

Each is followed from its decision, as if its order had been sent then, with the bot's exit settings
and apart from everything else the account did. Rows are worked out from the candles anew each
time until they end, so it may happen late, twice or after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog
from django.db.models import Q, QuerySet

from exchange.candles import to_ms
from exchange.errors import ExchangeError, MarketDataError, UnknownSymbol
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.backtest.follow import follow
from trading.backtest.followed import Followed, FollowedEntry
from trading.backtest.prices import MarketPrices, Prices
from trading.backtest.rows import data_end, entry_of_signal, exits_of
from trading.choices import CancelReason, CounterfactualState, SignalState
from trading.domain.exits import ExitSettingsInvalid
from trading.errors import TradingError
from trading.models import Counterfactual, Signal

logger = structlog.get_logger(__name__)

STOPPED = (
    SignalState.REJECTED,
    SignalState.REFUSED,
    SignalState.EXPIRED,
    SignalState.DROPPED,
    SignalState.OBSERVED,
)
# Candles that have not come so long after a life must have ended will not come any more.
PATIENCE = timedelta(days=1)


@dataclass(slots=True)
class FollowCount:
    """What one look came to."""

    created: int = 0
    ended: int = 0
    open: int = 0

    def __str__(self) -> str:
        return f"{self.created} begun, {self.ended} ended, {self.open} still followed"


def stopped_signals(account: ExchangeAccount) -> QuerySet[Signal]:
    """Signals of cycles that could trade, and that never became an order."""
    return Signal.objects.filter(account=account, state__in=STOPPED, cycle__attempt=0)


def counterfactuals_run(market_for: Callable[[ExchangeAccount], MarketData]) -> FollowCount:
    """Follow every account's; one without prices leaves the others alone."""
    total = FollowCount()
    followed = Q(signals__counterfactual__state=CounterfactualState.FOLLOWED)
    fresh = Q(
        signals__state__in=STOPPED,
        signals__cycle__attempt=0,
        signals__entry_price__isnull=False,
        signals__counterfactual=None,
    )
    for account in ExchangeAccount.objects.filter(followed | fresh).distinct():
        try:
            count = counterfactuals_follow(account, market_for(account))
        except (MarketDataError, ExchangeError, TradingError) as exc:
            logger.warning("nothing could be followed", account=account.pk, error=str(exc))
            continue
        total.created += count.created
        total.ended += count.ended
        total.open += count.open
    return total


def counterfactuals_follow(account: ExchangeAccount, market: MarketData) -> FollowCount:
    """Begin what was stopped since the last look, and follow all that has not ended."""
    count = FollowCount(created=_begin(account))
    rows = Counterfactual.objects.filter(
        signal__account=account, state=CounterfactualState.FOLLOWED
    ).select_related("signal__bot__account", "signal__cycle", "signal__analysis")
    by_symbol: dict[str, list[Counterfactual]] = {}
    for row in rows.order_by("signal__decided_at"):
        by_symbol.setdefault(row.signal.symbol, []).append(row)
    for symbol, found in by_symbol.items():
        for row in _followed_on(account, market, symbol, found):
            row.save()
            over = row.state != CounterfactualState.FOLLOWED
            count.ended, count.open = count.ended + over, count.open + (not over)
    return count


def _begin(account: ExchangeAccount) -> int:
    """A row for each stopped signal with prices; what nobody proposed can't be followed."""
    fresh = (
        stopped_signals(account)
        .filter(counterfactual=None)
        .exclude(entry_price=None)
        .order_by("pk")
    )
    rows = [
        Counterfactual(signal=signal, stopped_by=stopped_by(signal), followed_to=signal.decided_at)
        for signal in fresh.order_by("pk")
    ]
    Counterfactual.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def stopped_by(signal: Signal) -> str:
    """The rule that said no, or the state that says who did."""
    ruled = signal.state in (SignalState.REJECTED, SignalState.DROPPED)
    return signal.rule if ruled and signal.rule else signal.state


def _followed_on(
    account: ExchangeAccount,
    market: MarketData,
    symbol: str,
    rows: Iterable[Counterfactual],
) -> list[Counterfactual]:
    """The rows of one symbol as far as the candles tell; their prices are read once."""
    found = list(rows)
    now = market.now()
    try:
        instrument = market.instrument(symbol)
        first = min(row.signal.decided_at for row in found)
        prices = MarketPrices(market, symbol, first, now)
    except UnknownSymbol as exc:
        return [_set(row, CounterfactualState.UNKNOWN, str(exc)) for row in found]
    except MarketDataError as exc:
        return [_wait(row, now, str(exc)) for row in found]
    end = data_end(account)
    for row in found:
        try:
            entry = entry_of_signal(row.signal, instrument)
            settings = exits_of(row.signal)
        except (ExitSettingsInvalid, ValueError) as exc:
            _set(row, CounterfactualState.UNKNOWN, str(exc))
            continue
        try:
            life = follow(entry, prices, settings, instrument, end=end)
        except MarketDataError as exc:
            _wait(row, now, str(exc))
            continue
        _take(row, entry, life, prices, now)
    return found


def _take(
    row: Counterfactual, entry: FollowedEntry, life: Followed, prices: Prices, now: datetime
) -> None:
    """Put what became of the entry into its row."""
    if life.refusal:
        _set(row, CounterfactualState.UNKNOWN, f"The venue would not take it: {life.refusal}")
        return
    if _has_gap(prices, entry.placed_at, life.followed_to):
        _set(row, CounterfactualState.UNKNOWN, "Candles are missing in its life.")
        return
    row.followed_to = life.followed_to
    row.entry_time, row.entry_price = life.entry_time, life.entry_price
    row.best_r, row.worst_r = life.best_r, life.worst_r
    if not life.over:
        _wait(row, now, "")
    elif not life.filled:
        reason = life.cancel_reason or CancelReason.NOT_FILLED
        _set(row, CounterfactualState.UNFILLED, f"{reason.label}.")
    else:
        row.exit_time, row.exit_price = life.exit_time, life.exit_price
        row.exit_reason = life.reason or ""
        row.r_multiple = life.r_multiple
        known = life.r_multiple is not None
        state = CounterfactualState.ENDED if known else CounterfactualState.UNKNOWN
        _set(row, state, "" if known else "It has no initial risk to measure by.")


def _has_gap(prices: Prices, start: datetime, end: datetime) -> bool:
    """Whether a candle is missing between ``start`` and ``end``."""
    window = prices.window
    span_ms = window.interval // timedelta(milliseconds=1)
    first = int(window.times.searchsorted(to_ms(start) - span_ms, side="right"))
    stop = int(window.times.searchsorted(to_ms(end) - span_ms, side="right"))
    times = window.times[first:stop]
    late_start = len(times) > 0 and int(times[0]) > to_ms(start)
    return late_start or bool(np.any(np.diff(times) != span_ms))


def _wait(row: Counterfactual, now: datetime, note: str) -> Counterfactual:
    """Go on next time, unless the candles that would tell its end never came."""
    if now > _latest_end(row.signal) + PATIENCE:
        return _set(row, CounterfactualState.UNKNOWN, note or "There are no candles of its life.")
    return _set(row, CounterfactualState.FOLLOWED, note)


def _latest_end(signal: Signal) -> datetime:
    """By when the life of a signal is over, whatever happens."""
    try:
        longest = exits_of(signal).max_holding
    except ExitSettingsInvalid:
        longest = timedelta(0)
    ends: datetime = signal.decided_at + longest + timedelta(hours=4)
    return ends


def _set(row: Counterfactual, state: CounterfactualState, note: Any) -> Counterfactual:
    row.state, row.note = state, str(note)[:200]
    return row
