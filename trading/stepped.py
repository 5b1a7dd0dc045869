"""The stepped driver: the same rows, services and trader as live, one thread, no waiting.

Market time moves from one monitor candle to the next, and only when all work of the instant is
done, so a run gives the same trades however fast the machine is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.domain import TIMEFRAMES
from exchange.errors import CandlesUnavailable
from exchange.market.clock import SteppedClock
from exchange.market.session import session_move
from exchange.models import ExchangeAccount, PaperAccount
from exchange.ports import MarketData
from trading.choices import BotState, CancelReason, ExitReason
from trading.cycle.run import cycle_run
from trading.cycle.schedule import cycle_due
from trading.errors import ActionRefused
from trading.execution.agreement import disagreements
from trading.execution.desk import Desk
from trading.execution.executor import want_cancel
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.execution.protection import want_close
from trading.execution.unseen import unverifiable_mark
from trading.models import Bot, Trade
from trading.selectors import LIVE_TRADES
from trading.wallet_check import wallet_checks_run
from trading.wiring import WALL, client_for, cycle_ports, ledger_reader, stepped_market_for

MAX_ROUNDS = 20
NO_WAIT = timedelta(0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stepped run has come."""

    now: datetime
    start: datetime
    end: datetime

    @property
    def share(self) -> float:
        return (self.now - self.start) / (self.end - self.start)


class SteppedDriver:
    """Runs the account's running bots from its session's clock to ``end``."""

    def __init__(self, account: ExchangeAccount, end: datetime) -> None:
        session = account.market_session
        paper = PaperAccount.objects.filter(account=account).first()
        if session.speed != 0:
            raise ActionRefused(
                f"{account} runs by itself at {session.speed}x; it can't be stepped"
            )
        self.account, self.end = account, end
        # A killed run leaves the venue ahead of the session; nothing is traded twice.
        self.start = max(session.reserved_until, paper.advanced_to if paper else session.start)
        self.clock = SteppedClock(self.start)
        self.market: MarketData = stepped_market_for(account, self.clock)
        self.desk = Desk(
            account=account,
            client=client_for(account, self.market),
            market=self.market,
            clock=WALL,
            lease=AccountLease(account, WALL),
        )
        self.trader = Trader(self.desk)
        self._bots = list(
            Bot.objects.filter(account=account, state=BotState.RUNNING).select_related(
                "account__market_session", "analyst_profile", "prompt_version__prompt"
            )
        )
        self._interval = min(self.market.monitor_interval(symbol) for symbol in session.symbols)

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> list[str]:
        """Step to the end and close what is open there. Returns the differences between our
        tables and the venue's ledger (none, if all is well)."""
        if not self.desk.lease.acquire():
            raise ActionRefused(f"another trader holds {self.account}; stop it first")
        try:
            self.trader.start()
            while self.clock.now() < self.end:
                self._instant()
                if on_progress is not None:
                    on_progress(Progress(self.clock.now(), self.start, self.end))
            self.trader.shut_down()
            wallet_checks_run(
                self.account,
                ledger_reader(self.account),
                market_now=self.clock.now(),
                wall_now=WALL.now(),
            )
            unverifiable_mark(self.account, self.market, set(), since=self.start)
            return disagreements(self.desk)
        finally:
            session_move(session=self.account.market_session, moment=self.clock.now())
            self.desk.lease.release()

    def _instant(self) -> None:
        """Move on by one candle, let fills and rules happen, then decide."""
        self.clock.move_to(min(self.clock.now() + self._interval, self.end))
        self._settle()
        last = self.clock.now() + self._interval >= self.end
        if last:
            self._close_all()
        else:
            self._cycles()
        self._settle()

    def _settle(self) -> None:
        for _ in range(MAX_ROUNDS):
            if not self.trader.step():
                break
        if self.trader.deaf:
            raise CandlesUnavailable(
                f"the market has no prices at {self.clock.now():%Y-%m-%d %H:%M}"
            )

    def _cycles(self) -> None:
        for bot in self._bots:
            if self.clock.now().timestamp() % TIMEFRAMES[bot.timeframe].total_seconds():
                continue
            cycle = cycle_due(bot, self.clock.now(), NO_WAIT)
            if cycle is not None:
                session_move(session=self.account.market_session, moment=self.clock.now())
                cycle_run(cycle.pk, cycle_ports(bot, self.market))

    def _close_all(self) -> None:
        """One candle before the end, so that the last one can fill the closes."""
        for trade in Trade.objects.filter(account=self.account, state__in=LIVE_TRADES):
            want_cancel(trade, CancelReason.EXPIRED)
            want_close(trade, ExitReason.END_OF_DATA)
