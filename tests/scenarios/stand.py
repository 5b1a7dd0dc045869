"""A connected demo account and its trader on a simulated Bybit: HTTP, sockets, pybit, tables.

Nothing between the trader and the exchange is replaced. Only the trader's own clock may leap, so
that proofs that take half a minute do not hold up the tests.
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any, TypeVar

from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.crash.prepare import loosen
from tests.factories import AnalysisFactory, BotFactory, CycleFactory, SignalFactory
from tests.simulators.bybit.ledger import entries_by_link_id, naked_gaps, positions_at
from tests.simulators.bybit.server import SimServer
from trading.choices import CommandKind, TradeState
from trading.connection import Application, account_connect
from trading.execution.desk import Desk
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.models import Command, Event, Lease, Order, RiskLimits, Signal, Trade
from trading.payload import payload_hash
from trading.services import command_request
from trading.wiring import WALL, forget_markets, open_venue

T = TypeVar("T")
SYMBOL = "BTCUSDT"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SECRET = "sim-secret"
QTY = Decimal("0.010")
GAP_LIMIT_S = 5.0
ROUND_S = 0.02
PATIENCE_S = 15.0
# Short enough that the lease is renewed between two leaps.
LEAP_S = 5.0


@contextmanager
def calm_exchange(settings: Settings, tmp_path: Path) -> Iterator[SimServer]:
    """An exchange in calm markets, to which every account of ``settings`` goes."""
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    settings.REDIS_URL = None
    tmp_path.chmod(0o700)
    forget_markets()
    with SimServer(seed=11, volatility=0.2) as running:
        settings.BYBIT_REST_URL = running.url
        settings.BYBIT_WS_PUBLIC_URL = running.ws_url
        settings.BYBIT_WS_PRIVATE_URL = running.ws_url
        running.exchange.set_key(ips=["127.0.0.1"])
        yield running
    forget_markets()


class LeapingClock:
    """Wall time that a test may push forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> datetime:
        return WALL.now() + timedelta(seconds=self._ahead_s)

    def monotonic(self) -> float:
        return WALL.monotonic() + self._ahead_s

    def leap(self, seconds: float) -> None:
        self._ahead_s += seconds


def connect() -> ExchangeAccount:
    """The demo account as the wizard makes it, with limits under which hardly anything is
    refused."""
    account = account_connect(
        Application(
            name="Demo", mode=Mode.DEMO, symbols=SYMBOLS, api_key="sim-key", api_secret=SECRET
        ),
        actor=None,
    )
    loosen(account)
    RiskLimits.objects.filter(account=account).update(risk_per_trade=Decimal("0.02"))
    return account


class Stand:
    """``step`` plays the trader's loop by hand; ``until`` does so until something holds."""

    def __init__(self, server: SimServer) -> None:
        self.server = server
        self.venue = server.exchange
        # Symbols in which a test let somebody else hold a position without a stop.
        self.foreign: set[str] = set()
        self.account = connect()
        self.bot = BotFactory.create(account=self.account, symbols=list(SYMBOLS))
        self.clock = LeapingClock()
        self._live = open_venue(self.account)
        lease = AccountLease(self.account, self.clock)
        assert lease.acquire()
        self.desk = Desk(
            self.account, self._live.client, self._live.market, self.clock, lease, live=True
        )
        self.trader = Trader(self.desk)
        self.do_chores()
        self.trader.start()
        self.until(lambda: self.desk.reconciled and not self.desk.doubts)

    def close(self) -> None:
        """End streams and connections; nothing is tidied up on the exchange."""
        self.desk.lease.abandon()
        self._live.close()

    # The trader.

    def do_chores(self) -> None:
        """What a trader's second thread does every half minute or minute."""
        for _, chore in self._live.chores:
            chore()

    def step(self, seconds: float = 0.0) -> None:
        """Rounds for so long, at least one."""
        deadline = time.monotonic() + seconds
        while True:
            self.trader.step()
            if time.monotonic() >= deadline:
                return
            time.sleep(ROUND_S)

    def until(self, look: Callable[[], T], *, leaping: bool = False) -> T:
        """Rounds until ``look`` is truthy. With ``leaping`` the trader's clock runs ahead."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.trader.step()
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, self.told()
            if leaping:
                self.clock.leap(LEAP_S)
            time.sleep(ROUND_S)

    def leap(self, seconds: float) -> None:
        """The trader's clock runs ahead, with a round after each leap."""
        while seconds > 0:
            self.clock.leap(min(LEAP_S, seconds))
            self.trader.step()
            seconds -= LEAP_S

    # What people want.

    def signal(self, symbol: str = SYMBOL, qty: Decimal = QTY, **changes: Any) -> Signal:
        """An approved long that fills at once, its stop 3 % below, its target 6 % above."""
        last = self.last(symbol)
        now = WALL.now()
        limit = self.price(symbol, "1.004")
        prices = {
            "entry_price": last,
            "stop_loss": self.price(symbol, "0.97"),
            "take_profit": self.price(symbol, "1.06"),
        }
        analysis = AnalysisFactory.create(
            symbol=symbol, candle_time=now, input_hash=uuid.uuid4().hex, **prices
        )
        row = SignalFactory.create(
            cycle=CycleFactory.create(bot=self.bot, boundary=now, attempt=1),
            symbol=symbol,
            analysis=analysis,
            decided_at=now,
            qty=qty,
            limits_version=2,
            state="claimed",
            **{
                "worst_price": limit,
                "limit_price": limit,
                "risk_amount": qty * last * Decimal("0.035"),
                "atr": last / 100,
                **prices,
                **changes,
            },
        )
        digest = payload_hash(Signal.objects.get(pk=row.pk))
        Signal.objects.filter(pk=row.pk).update(payload_hash=digest, state="approved")
        return Signal.objects.get(pk=row.pk)

    def opened(self, symbol: str = SYMBOL, qty: Decimal = QTY) -> Trade:
        """An open trade whose stop has been read back."""
        signal = self.signal(symbol, qty)
        rows = Trade.objects.filter(signal=signal, state=TradeState.OPEN)
        self.until(rows.exclude(protected_at=None).exists)
        self.until(lambda: self.desk.reconciled)
        return rows.get()

    def command(self, kind: CommandKind, trade: Trade | None = None, **payload: Any) -> Command:
        """What the console's buttons write."""
        return command_request(
            account=self.account,
            kind=kind,
            idempotency_key=uuid.uuid4().hex,
            actor=None,
            target=trade.pk if trade else 0,
            payload=payload,
        )

    # The market and the exchange's own ledger.

    def last(self, symbol: str = SYMBOL) -> Decimal:
        return self.server.prices.last(symbol, self.server.clock.now_ms())

    def price(self, symbol: str, share: str) -> Decimal:
        """A valid price at that share of the last one; below it rounded down, above it up."""
        tick = next(r.tick_size for r in self.server.prices.symbols() if r.symbol == symbol)
        rounding = ROUND_FLOOR if Decimal(share) < 1 else ROUND_CEILING
        value = self.last(symbol) * Decimal(share) / tick
        return value.to_integral_value(rounding=rounding) * tick

    def position(self, symbol: str = SYMBOL) -> Decimal:
        """Signed size on the exchange."""
        return positions_at(self.venue.ledger.rows).get(symbol, Decimal(0))

    def stop_on_exchange(self, symbol: str = SYMBOL) -> Decimal | None:
        """The stop-loss that stands for the position; None while there is none."""
        rows = [row for row in self.venue.ledger.rows if row["kind"] == "stop"]
        newest = next((row for row in reversed(rows) if row["symbol"] == symbol), None)
        return Decimal(newest["stopLoss"]) if newest and newest["stopLoss"] else None

    def orders_since(self, row: int, symbol: str = SYMBOL) -> list[dict[str, Any]]:
        """Orders of ours that the exchange accepted after a row of its ledger."""
        return [
            one
            for one in self.venue.ledger.since(row)
            if (one["kind"], one.get("event")) == ("order", "accepted")
            and one["symbol"] == symbol
            and one["orderLinkId"]
        ]

    def broken_promises(self) -> list[str]:
        """What the exchange's ledger must never show."""
        rows, signal_of = (
            self.venue.ledger.rows,
            dict(Order.objects.filter(role="e").values_list("order_link_id", "signal_id")),
        )
        entries = entries_by_link_id(rows)
        found = [f"{link}: {len(sent)} orders" for link, sent in entries.items() if len(sent) > 1]
        signals = [signal_of.get(link) for link in entries]
        found += [f"signal {one} entered twice" for one in set(signals) if signals.count(one) > 1]
        return found

    def worst_gap_s(self, symbol: str = SYMBOL) -> float:
        """The longest time the position stood without a stop that covers it."""
        gaps = naked_gaps(self.venue.ledger.rows, self.server.clock.now_ms())
        return max((gap.length_ms / 1000 for gap in gaps if gap.symbol == symbol), default=0.0)

    # What people are told.

    def told(self, kind: str = "") -> list[str]:
        """Texts of events, oldest first."""
        rows = Event.objects.filter(account=self.account).order_by("id")
        return list((rows.filter(kind=kind) if kind else rows).values_list("text", flat=True))

    def doubts(self) -> str:
        """Why no entry leaves now, as the console has it."""
        return "; ".join(Lease.objects.get(account=self.account).doubts)

    def doctor(self) -> str:
        """What ``manage.py doctor`` prints, however it ends."""
        out = io.StringIO()
        try:
            call_command("doctor", account=self.account.pk, stdout=out)
        except CommandError as exc:
            out.write(str(exc))
        return out.getvalue()


def page(console: Client, name: str) -> str:
    """A page of the console as text."""
    return console.get(reverse(name)).content.decode()


def examined(console: Client, **changes: str) -> str:
    """What the wizard says of what was entered."""
    given = {
        "mode": "DEMO",
        "region": "bybit.com",
        "symbols": "BTCUSDT",
        "profile": "conservative",
        "api_key": "sim-key",
        "api_secret": SECRET,
    }
    answer = console.post(reverse("connect"), given | changes, follow=True)
    return str(answer.content.decode())
