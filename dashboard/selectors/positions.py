"""Live trades, what they are worth at the last price, and how they read in a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dashboard import format as fmt
from dashboard.selectors.commands import CommandNote
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.choices import TradeState
from trading.domain.trade import TradeBook
from trading.models import Trade
from trading.selectors import LIVE_TRADES, trade_book


@dataclass(frozen=True, slots=True)
class Valued:
    """A live trade at the last price, which is None while it is unknown."""

    trade: Trade
    last: Decimal | None

    @property
    def book(self) -> TradeBook:
        return trade_book(self.trade)

    @property
    def sign(self) -> int:
        return self.book.side.sign

    @property
    def avg_entry(self) -> Decimal | None:
        """None before the first fill."""
        return self.book.avg_entry or None

    @property
    def unrealised(self) -> Decimal | None:
        """Price result of what is open, 0 before the first fill."""
        if self.avg_entry is None:
            return ZERO
        if self.last is None:
            return None
        return (self.last - self.avg_entry) * self.sign * self.book.open_qty

    @property
    def pnl(self) -> Decimal | None:
        """Net of fees and funding so far, before the costs of leaving."""
        if self.unrealised is None or self.avg_entry is None:
            return None
        return self.book.net_pnl + self.unrealised

    @property
    def r(self) -> Decimal | None:
        """``pnl`` in units of the risk at the first stop."""
        risk = self.book.initial_risk
        return self.pnl / risk if self.pnl is not None and risk else None

    @property
    def protected(self) -> bool:
        return self.trade.protected_at is not None and self.trade.naked_since is None

    def along_bar(self, price: Decimal | None) -> str:
        """Where ``price`` stands between stop (0) and target (100), in per cent."""
        span = self.trade.take_profit - self.trade.stop_loss
        if price is None or not span:
            return "50"
        share = (price - self.trade.stop_loss) / span
        return fmt.number(min(max(share, ZERO), Decimal(1)) * 100, 1)


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One live trade as the table and the card show it; ticking figures come from ``live``."""

    id: int
    version: int
    mode: str
    symbol: str
    is_long: bool
    leverage: str
    pending: bool
    qty: str
    entry: str
    stop: str
    target: str
    stop_distance: str
    target_distance: str
    entry_x: str
    protected: bool
    opened: datetime | None
    command: CommandNote | None


def trades_live(account: ExchangeAccount) -> list[Trade]:
    """Pending and open trades of ``account``, oldest first."""
    return list(
        Trade.objects.filter(account=account, state__in=LIVE_TRADES)
        .select_related("signal", "account")
        .order_by("id")
    )


def value_all(trades: Iterable[Trade], last: Mapping[str, Decimal]) -> list[Valued]:
    """Each trade with the last price of its symbol."""
    return [Valued(trade, last.get(trade.symbol)) for trade in trades]


def position_rows(
    valued: Iterable[Valued], commands: Mapping[int, CommandNote]
) -> list[PositionRow]:
    """Rows in the order given."""
    return [_row(item, commands.get(item.trade.pk)) for item in valued]


def places_of(trade: Trade) -> int:
    """Decimals of the prices of ``trade``."""
    return fmt.price_places(
        (trade.stop_loss, trade.take_profit, trade.initial_stop, trade.signal.entry_price)
    )


def _row(item: Valued, command: CommandNote | None) -> PositionRow:
    trade = item.trade
    entry = item.avg_entry or trade.signal.entry_price
    places = places_of(trade)
    return PositionRow(
        id=trade.pk,
        version=trade.version,
        mode=trade.account.mode,
        symbol=trade.symbol,
        is_long=item.sign > 0,
        leverage=f"{fmt.plain(trade.leverage)}x",
        pending=trade.state == TradeState.PENDING,
        qty=fmt.plain(item.book.open_qty or trade.planned_qty),
        entry=fmt.number(entry, places),
        stop=fmt.number(trade.stop_loss, places),
        target=fmt.number(trade.take_profit, places),
        stop_distance=_distance(entry, trade.stop_loss),
        target_distance=_distance(entry, trade.take_profit),
        entry_x=item.along_bar(entry),
        protected=item.protected,
        opened=trade.opened_market,
        command=command,
    )


def _distance(entry: Decimal | None, level: Decimal) -> str:
    return fmt.percent((level - entry) / entry if entry else None, signed=True)
