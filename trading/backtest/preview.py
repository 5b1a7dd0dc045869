"""How the newest closed trades would have ended with other exit settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from exchange.domain import ZERO
from exchange.errors import MarketDataError
from exchange.ports import MarketData
from trading.backtest.follow import follow
from trading.backtest.followed import Followed
from trading.backtest.prices import MarketPrices
from trading.backtest.rows import data_end, entry_of_trade
from trading.choices import ExitReason
from trading.domain.exits import ExitSettings, ExitSettingsInvalid
from trading.models import Trade

NEWEST = 50
# Ends that no exit setting of a candle's close brings about: there is nothing to compare with.
OUTSIDE = frozenset(
    {
        ExitReason.MANUAL,
        ExitReason.KILL_SWITCH,
        ExitReason.OPPOSITE_SIGNAL,
        ExitReason.BLACKOUT,
        ExitReason.EXTERNAL,
        ExitReason.ADL,
        ExitReason.DELISTING,
        ExitReason.UNPROTECTED,
        ExitReason.LATE_FILL,
    }
)
# Fills on other prices than the candles' (a live second, a partial fill) move a result a little.
SAME_R = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class PreviewedTrade:
    """One closed trade as it ended and as it would have ended.

    ``note`` says why a trade can't be compared; then it has no new figures and counts in no sum.
    ``reproduced``: followed with its own settings it ends as it did, so that the difference is
    that of the settings.
    """

    trade_id: int
    symbol: str
    side: str
    closed_at: datetime | None
    old_reason: ExitReason | None
    old_exit: Decimal | None
    old_r: Decimal | None
    new_reason: ExitReason | None = None
    new_exit: Decimal | None = None
    new_closed_at: datetime | None = None
    new_r: Decimal | None = None
    reproduced: bool = False
    note: str = ""

    @property
    def compared(self) -> bool:
        return self.old_r is not None and self.new_r is not None


@dataclass(frozen=True, slots=True)
class Preview:
    """Trades newest first, and sums in R over those that can be compared."""

    trades: tuple[PreviewedTrade, ...]

    @property
    def compared(self) -> tuple[PreviewedTrade, ...]:
        return tuple(trade for trade in self.trades if trade.compared)

    @property
    def old_r(self) -> Decimal:
        return sum((trade.old_r or ZERO for trade in self.compared), ZERO)

    @property
    def new_r(self) -> Decimal:
        return sum((trade.new_r or ZERO for trade in self.compared), ZERO)

    @property
    def changed(self) -> int:
        """How many would have ended for another reason or at another time."""
        return sum(
            (trade.new_reason, trade.new_closed_at) != (trade.old_reason, trade.closed_at)
            for trade in self.compared
        )


def preview(trades: Iterable[Trade], settings: ExitSettings, market: MarketData) -> Preview:
    """Follow the newest 50 closed ``trades`` again with ``settings`` on the candles of ``market``,
    the one that they were traded on."""
    newest = sorted(
        (trade for trade in trades if trade.closed_market is not None),
        key=lambda trade: (trade.closed_market, trade.pk),
        reverse=True,
    )
    return Preview(tuple(_previewed(trade, settings, market) for trade in newest[:NEWEST]))


def _previewed(trade: Trade, settings: ExitSettings, market: MarketData) -> PreviewedTrade:
    old = _as_it_was(trade)
    if old.old_reason in OUTSIDE:
        label = ExitReason(trade.exit_reason).label.lower()
        return replace(old, note=f"Ended by something else than its exit rules: {label}.")
    if trade.unverifiable:
        return replace(old, note="Prices are missing while it was open.")
    try:
        new = _followed(trade, settings, market)
        own = _followed(trade, ExitSettings.from_json(trade.exit_settings), market)
    except (MarketDataError, ExitSettingsInvalid) as exc:
        return replace(old, note=f"Can't be followed: {exc}")
    if new is None or own is None:
        return replace(old, note="It has no entry order that could be followed.")
    if not new.filled:
        return replace(old, note="On these candles its entry does not fill.")
    if new.r_multiple is None:
        return replace(old, note="It would still be open, or has no initial risk.")
    return replace(
        old,
        new_reason=new.reason,
        new_exit=new.exit_price,
        new_closed_at=new.exit_time,
        new_r=new.r_multiple,
        reproduced=_same(own, old),
    )


def _followed(trade: Trade, settings: ExitSettings, market: MarketData) -> Followed | None:
    entry = entry_of_trade(trade)
    if entry is None:
        return None
    end = data_end(trade.account)
    longest = entry.expires_at or entry.placed_at
    last = longest + settings.max_holding + 2 * market.monitor_interval(trade.symbol)
    prices = MarketPrices(market, trade.symbol, entry.placed_at, min(last, market.now()))
    return follow(entry, prices, settings, market.instrument(trade.symbol), end=end)


def _same(own: Followed, old: PreviewedTrade) -> bool:
    if own.r_multiple is None or old.old_r is None:
        return False
    return own.reason == old.old_reason and abs(own.r_multiple - old.old_r) <= SAME_R


def _as_it_was(trade: Trade) -> PreviewedTrade:
    return PreviewedTrade(
        trade_id=trade.pk,
        symbol=trade.symbol,
        side=trade.side,
        closed_at=trade.closed_market,
        old_reason=ExitReason(trade.exit_reason) if trade.exit_reason else None,
        old_exit=trade.exit_value / trade.exit_qty if trade.exit_qty else None,
        old_r=trade.r_multiple,
    )
