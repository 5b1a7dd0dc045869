"""What an account holds and risks at one instant, as the rules see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import ZERO
from trading.choices import BotState, TradingStateName
from trading.domain.blackouts import BlackoutWindow
from trading.domain.track_record import TrackRecord


@dataclass(frozen=True, slots=True)
class Exposure:
    """A position, a working entry, or a signal that may become one.

    ``qty`` is what is open or may still be bought; ``price`` the average entry or the worst
    price of a working entry; ``exit_cost_rate`` the share of the stop price that closing takes;
    ``margin`` what the venue holds back for it; ``entry_cost_rate`` the share of ``price`` that
    the entry will still cost, 0 once it is paid. ``confidence`` is that of the signal behind a
    working entry.
    """

    symbol: str
    direction: Direction
    qty: Decimal
    price: Decimal
    stop_loss: Decimal
    exit_cost_rate: Decimal
    margin: Decimal
    working: bool
    entry_cost_rate: Decimal = ZERO
    bot_id: int = 0
    confidence: Decimal | None = None

    @property
    def notional(self) -> Decimal:
        return self.qty * self.price

    @property
    def exit_costs(self) -> Decimal:
        return self.qty * self.stop_loss * self.exit_cost_rate

    @property
    def risk(self) -> Decimal:
        """USDT lost if the stop is hit now, never below the costs that are still to pay."""
        distance = (self.price - self.stop_loss) * self.direction.sign
        entry_costs = self.notional * self.entry_cost_rate
        return max(ZERO, distance) * self.qty + entry_costs + self.exit_costs

    @property
    def pnl_at_stop(self) -> Decimal:
        """Net result if the stop is hit now; positive once the stop locks profit in."""
        return (self.stop_loss - self.price) * self.direction.sign * self.qty - self.exit_costs


@dataclass(frozen=True, slots=True)
class PastSignal:
    """A signal that was executed, refused by a person or expired."""

    symbol: str
    direction: Direction
    entry_price: Decimal
    time: datetime
    what: str


@dataclass(frozen=True, slots=True)
class StopOut:
    """A trade that its stop closed."""

    symbol: str
    direction: Direction
    time: datetime


@dataclass(frozen=True, slots=True)
class PastTrade:
    """A closed trade as the guards see it. ``net_pnl`` in USDT after fees and funding;
    ``equity_share`` is that of the wallet at its close."""

    symbol: str
    direction: Direction
    bot_id: int
    closed_at: datetime
    net_pnl: Decimal
    equity_share: Decimal
    stopped: bool


@dataclass(frozen=True, slots=True)
class PurseState:
    """What one purse has spent on models this UTC day, of how much, in US dollars. ``name`` is
    for sentences, such as "this bot"."""

    name: str
    spent: Decimal
    cap: Decimal


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Account, exposures and history at one instant. ``doubts`` are reasons why what we know may
    be wrong (unresolved order, unreconciled ledger, stale data): any of them stops entries.

    ``bot_id`` is the bot that asks and ``bot_trades`` the trades it has closed; ``groups`` names
    the group of each symbol that is in one; ``drawdown`` is the share of the highest equity that
    is lost now, transfers apart; ``past_trades`` are the newest closed ones, oldest first. The
    starts of day and week are equity at 00:00 UTC, today and on Monday; without the latter there
    is no weekly limit. ``bot_record`` is only read where the size depends on it.
    """

    time: datetime
    wallet: Decimal
    equity: Decimal
    day_start_equity: Decimal
    transfers_today: Decimal
    entries_today: int
    trading_state: TradingStateName
    state_reason: str = ""
    exposures: tuple[Exposure, ...] = ()
    waiting: tuple[Exposure, ...] = ()
    external_symbols: frozenset[str] = frozenset()
    past_signals: tuple[PastSignal, ...] = ()
    stop_outs: tuple[StopOut, ...] = ()
    doubts: tuple[str, ...] = ()
    bot_id: int = 0
    week_start_equity: Decimal | None = None
    transfers_this_week: Decimal = ZERO
    drawdown: Decimal = ZERO
    past_trades: tuple[PastTrade, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    blackouts: tuple[BlackoutWindow, ...] = ()
    bot_trades: int = 0
    bot_record: TrackRecord | None = None
    bot_state: BotState = BotState.RUNNING
    bot_entries_today: int = 0

    @property
    def committed(self) -> tuple[Exposure, ...]:
        """Everything that holds a slot."""
        return self.exposures + self.waiting

    @property
    def occupied(self) -> frozenset[str]:
        return frozenset(item.symbol for item in self.committed) | self.external_symbols

    @property
    def slots_used(self) -> int:
        return len({item.symbol for item in self.committed})

    def same_direction(self, direction: Direction) -> int:
        return len({item.symbol for item in self.committed if item.direction is direction})

    @property
    def open_risk(self) -> Decimal:
        return total_risk(self.committed)

    def direction_risk(self, direction: Direction) -> Decimal:
        return total_risk(item for item in self.committed if item.direction is direction)

    @property
    def gross_notional(self) -> Decimal:
        return sum((item.notional for item in self.committed), ZERO)

    @property
    def free_margin(self) -> Decimal:
        return self.wallet - sum((item.margin for item in self.committed), ZERO)

    def worst_day_result(self, new_risk: Decimal) -> Decimal:
        """Today's result if every stop is hit, every working entry fills and is stopped, and the
        new trade loses ``new_risk`` too."""
        return self._worst_wallet(new_risk) - self.day_start_equity - self.transfers_today

    def worst_week_result(self, new_risk: Decimal) -> Decimal | None:
        """The same since Monday 00:00 UTC; None where that start is not known."""
        if self.week_start_equity is None:
            return None
        return self._worst_wallet(new_risk) - self.week_start_equity - self.transfers_this_week

    def _worst_wallet(self, new_risk: Decimal) -> Decimal:
        at_stops = sum((item.pnl_at_stop for item in self.exposures if not item.working), ZERO)
        working = total_risk(item for item in self.committed if item.working)
        return self.wallet + at_stops - working - new_risk

    def own(self) -> tuple[Exposure, ...]:
        """What the asking bot holds of it."""
        return tuple(item for item in self.committed if item.bot_id == self.bot_id)

    def without(self, symbol: str) -> Portfolio:
        """The same portfolio once everything in ``symbol`` is gone."""
        return replace(
            self,
            exposures=tuple(item for item in self.exposures if item.symbol != symbol),
            waiting=tuple(item for item in self.waiting if item.symbol != symbol),
        )

    def entry_of(self, symbol: str) -> Exposure | None:
        """What the symbol's entry may still add; None without a working entry."""
        return next(
            (item for item in self.exposures if item.symbol == symbol and item.working), None
        )

    def without_entry(self, symbol: str) -> Portfolio:
        """The same portfolio after the symbol's entry was taken back; what it filled stays."""
        kept = (item for item in self.exposures if item.symbol != symbol or not item.working)
        return replace(self, exposures=tuple(kept))

    def with_signal(self, exposure: Exposure) -> Portfolio:
        """The same portfolio after ``exposure`` has taken a slot."""
        return replace(
            self,
            entries_today=self.entries_today + 1,
            bot_entries_today=self.bot_entries_today + 1,
            waiting=(*self.waiting, replace(exposure, bot_id=self.bot_id)),
        )


def total_risk(exposures: Iterable[Exposure]) -> Decimal:
    """Sum of what the exposures lose at their stops."""
    return sum((item.risk for item in exposures), ZERO)
