"""The one screen a start prints, and the lines that follow when something happens first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from config.demo import OPERATOR
from exchange.choices import Mode
from exchange.domain import TIMEFRAMES
from exchange.models import MarketSession
from trading.choices import BotState, CycleState, ExitReason, TradeState
from trading.models import Bot, Cycle, Trade

WATCH_INTERVAL_S = 1.0

Write = Callable[[str], None]


def screen(*, address: str, data_folder: str, password: str | None) -> str:
    """What it is, where it is, how to sign in, what will happen."""
    sign_in = f"{OPERATOR}, password {password}  (shown only this once)"
    if password is None:
        sign_in = (
            f"{OPERATOR}  (new password: .venv/bin/python manage.py changepassword {OPERATOR})"
        )
    lines = [
        "",
        "  Autotrader: an analyst proposes trades, code checks and sizes them, you watch.",
        "",
        f"  Console   {address}",
        f"  Sign in   {sign_in}",
        f"  Data      {data_folder}",
        *_markets(),
        *_first_cycle(),
        "  Stop      Ctrl-C; the next start goes on where this one ended",
        "",
    ]
    return "\n".join(lines)


def _markets() -> list[str]:
    """Markets that run by themselves; the replays of an installation may be many."""
    running = MarketSession.objects.filter(account__is_active=True, speed__gt=0)
    return [f"  Market    {_market(session)}" for session in running.select_related("account")]


def _market(session: MarketSession) -> str:
    account = session.account
    if Mode(account.mode) in (Mode.SIM, Mode.REPLAY):
        return f"{account}: no real money, {session.speed}x real time"
    if account.mode == Mode.PAPER:
        return f"{account}: live prices of {account.region}, simulated fills, no real money"
    return f"{account}: Bybit's own play money, {len(session.symbols)} symbols"


def _first_cycle() -> list[str]:
    bots = Bot.objects.filter(state=BotState.RUNNING).select_related("account__market_session")
    waits = [
        TIMEFRAMES[bot.timeframe].total_seconds() / bot.account.market_session.speed
        for bot in bots
        if bot.account.market_session.speed
    ]
    if not waits:
        return ["  Cycles    none: no bot is running"]
    return [f"  Cycles    the first one within {_span(min(waits))}, announced here"]


def _span(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 180 else f"{round(seconds / 60)} min"


class FirstThings(threading.Thread):
    """Says once each that a cycle completed and that a trade closed since the start."""

    def __init__(self, *, address: str, write: Write) -> None:
        super().__init__(name="first-things", daemon=True)
        self._address = address
        self._write = write
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Say nothing more."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        try:
            waited = [
                ("First cycle completed", "cycles", _not_yet(Cycle, CycleState.COMPLETED)),
                ("First trade closed", "trades", _not_yet(Trade, TradeState.CLOSED)),
            ]
            while waited and not self._stopped.wait(WATCH_INTERVAL_S):
                waited = [item for item in waited if not self._said(*item)]
        except DatabaseError:
            # These lines are a courtesy; who needs the database says so.
            return
        finally:
            connection.close()

    def _said(self, what: str, page: str, rows: QuerySet[Any]) -> bool:
        row = rows.order_by("pk").first()
        if row is None:
            return False
        now = timezone.now()
        told = f"{row}{_result(row)}"
        self._write(f"  {now:%H:%M:%S}  {what}: {told}  {self._address}{page}/{row.pk}/")
        return True


def _result(row: Cycle | Trade) -> str:
    """What a trade made and why it closed; nothing for a cycle."""
    if not isinstance(row, Trade):
        return ""
    reason = ExitReason(row.exit_reason).label if row.exit_reason else "unknown"
    amount = f"{row.net_pnl:+.2f}".replace("-", "\N{MINUS SIGN}")
    return f", {amount} USDT, {reason.lower()}"


def _not_yet(model: type[Cycle] | type[Trade], done: str) -> QuerySet[Any]:
    """Rows in state ``done`` that are not in it now."""
    unfinished = list(model.objects.exclude(state=done).values_list("pk", flat=True))
    newest = model.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return model.objects.filter(Q(pk__in=unfinished) | Q(pk__gt=newest), state=done)
