"""What the trader of the state machine knows of switches and money, and asks the product about.

``trading``, ``bot_running``, ``waits_for`` and ``starts`` are rows: they survive a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import ZERO, Side
from exchange.errors import ExchangeUnavailable
from tests.crash.model_books import ModelBooks
from tests.crash.model_money import DAILY_LIMIT
from tests.crash.model_rows import Row, Signal
from tests.crash.model_venue import SYMBOL
from tests.trading.domain import made
from trading.choices import (
    BotState,
    CancelReason,
    ExitReason,
    KillLevel,
    OrderRole,
    OrderState,
    TradeState,
    TradingStateName,
)
from trading.domain.order import LIVE, WORKING, WorkingEntry, take_back
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.risk import gate, money_rules

SETTINGS = made.settings(max_daily_loss=DAILY_LIMIT)
STATES = (TradingStateName.ACTIVE, TradingStateName.REDUCING, TradingStateName.HALTED)
STATE_OF = {KillLevel.REDUCE: 1, KillLevel.HALT: 2, KillLevel.FLATTEN: 2}
# The only rules of the account that the machine plays; it has no slots, groups or cooldowns.
PLAYED = ("trading_state", "bot_state", "daily_loss")
CANCEL_AGAIN_S = 2.0
EXIT_RATE, ENTRY_RATE = Decimal("0.00105"), Decimal("0.00055")
IN_FLIGHT = (OrderState.CREATED, OrderState.SUBMITTED, OrderState.UNKNOWN)


@dataclass
class ModelSwitches(ModelBooks):
    """``press`` and ``rearm`` are a person's, ``strikes`` happen when the trader gets to a point,
    ``refusals`` are the names of rules that have held back an entry."""

    trading: TradingStateName = TradingStateName.ACTIVE
    bot_running: bool = True
    waits_for: set[KillLevel] = field(default_factory=set)
    starts: dict[date, Decimal] = field(default_factory=dict)
    strikes: dict[str, Callable[[], None]] = field(default_factory=dict)
    refusals: set[str] = field(default_factory=set)

    def press(self, level: KillLevel) -> None:
        """The kill switch: entries off first, then the wishes."""
        if level is KillLevel.PAUSE:
            self.bot_running = False
        else:
            self.trading = STATES[max(STATES.index(self.trading), STATE_OF[level])]
        self.waits_for.add(level)
        for row in self._live_entries():
            row.unwanted = row.unwanted or row.state in IN_FLIGHT
        self._wish()

    def rearm(self) -> bool:
        """One step back, unless the kill still waits; whether it was granted."""
        if self.waits_for or not self.alive:
            return False
        self.bot_running = True
        self.trading = STATES[max(0, STATES.index(self.trading) - 1)]
        return True

    def _switches(self) -> None:
        """Carry a kill on, and take back what must not fill any more."""
        if self.waits_for:
            self._wish()
            self.waits_for = {level for level in self.waits_for if self._is_open(level)}
        halted = self.trading is TradingStateName.HALTED
        for row in self._live_entries():
            if row.state not in WORKING:
                continue
            known = row.state is not OrderState.UNKNOWN
            asked = CancelReason.KILL_SWITCH if row.unwanted or not self.bot_running else None
            signal = next(one for one in self.signals if one.number == row.signal)
            entry = WorkingEntry(
                Side.BUY, signal.entry, signal.stop, signal.target, None, asked=asked, known=known
            )
            again = self.venue.now - row.asked_back >= CANCEL_AGAIN_S or known != row.asked_known
            if take_back(entry, None, self.venue.time(), halted=halted) and again:
                row.asked_back, row.asked_known = self.venue.now, known
                self._take_back(row)

    def _take_back(self, row: Row) -> None:
        raise NotImplementedError

    def _wish(self) -> None:
        if self.waits_for - {KillLevel.REDUCE}:
            for row in self._live_entries():
                row.unwanted = True
        if KillLevel.FLATTEN not in self.waits_for:
            return
        for trade in self.trades:
            over = trade.state not in (TradeState.PENDING, TradeState.OPEN)
            if not over and (trade.close_wanted is None or trade.target_qty > 0):
                trade.close(ExitReason.KILL_SWITCH)

    def _is_open(self, level: KillLevel) -> bool:
        if any(row.unwanted for row in self._live_entries()):
            return True
        return level is KillLevel.FLATTEN and self._live() is not None

    def _live_entries(self) -> list[Row]:
        return [
            row for row in self.rows.values() if row.role is OrderRole.ENTRY and row.state in LIVE
        ]

    def switched_off(self) -> bool:
        """The last look before an entry leaves."""
        return self._refused_by(self._portfolio(ZERO, ZERO), None) is not None

    def refusal(self, signal: Signal) -> str | None:
        """The account's rule that refuses the signal now; money that can't be read is a no."""
        try:
            today = self.venue.time().date()
            if today not in self.starts:
                self.starts[today] = self.venue.day_start()
            portfolio = self._portfolio(self.venue.balance(), self.starts[today])
        except ExchangeUnavailable:
            return "data"
        return self._refused_by(portfolio, _exposure(signal))

    def _portfolio(self, wallet: Decimal, start: Decimal) -> Portfolio:
        return Portfolio(
            time=self.venue.time(),
            wallet=wallet,
            equity=wallet,
            day_start_equity=start,
            transfers_today=ZERO,
            entries_today=0,
            trading_state=self.trading,
            bot_state=BotState.RUNNING if self.bot_running else BotState.PAUSED,
        )

    def _refused_by(self, portfolio: Portfolio, exposure: Exposure | None) -> str | None:
        verdicts = gate(SYMBOL, portfolio, SETTINGS)
        if exposure is None:
            verdicts = tuple(one for one in verdicts if one.rule != "daily_loss")
        else:
            verdicts += money_rules(exposure, portfolio, SETTINGS)
        failed = [v.rule for v in verdicts if v.rule in PLAYED and not v.passed]
        self.refusals |= set(failed)
        return failed[0] if failed else None


def _exposure(signal: Signal) -> Exposure:
    return Exposure(
        symbol=SYMBOL,
        direction=Direction.LONG,
        qty=signal.qty,
        price=signal.entry,
        stop_loss=signal.stop,
        exit_cost_rate=EXIT_RATE,
        margin=ZERO,
        working=True,
        entry_cost_rate=ENTRY_RATE,
    )
