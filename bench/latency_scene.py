"""One account that trades at the simulated exchange, asked to enter and to close, one at a time.

An interval ends when the exchange's ledger has the POST, which is after the exchange has carried it
out; its clock and ours are the machine's, compared to the millisecond.
"""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from tests.crash.installation import NeverCame
from tests.crash.stage import Part, Stage

if TYPE_CHECKING:
    from exchange.models import ExchangeAccount
    from trading.models import Approval, Bot, Order, Trade

T = TypeVar("T")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
READY_S = 60.0
SETTLE_S = 3.0
PAUSE_S = (0.2, 0.4)
POLL_S = 0.03
NOTIONAL = Decimal(60)


class Scene:
    """The account, its bot and its trader; ``enter`` and ``close`` return milliseconds."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self.account = _account()
        self._bot = _bot(self.account)
        self._trader = Part(stage.warm, "trader", self.account.pk)
        self._symbols = itertools.cycle(SYMBOLS)
        self._random = random.Random(seed)
        self._read = 0

    def open(self) -> None:
        """Start the trader and wait until it may send entries. Raises ``NeverCame``."""
        from trading.models import Lease

        pid = self._trader.keep_running()
        ready = Lease.objects.filter(account=self.account, pid=pid, status="running")
        until("a trader that is reconciled", ready.exists)
        # The first doubts, of clock, modes and prices, end within its first rounds.
        time.sleep(SETTLE_S)
        until("a trader that may enter", ready.exists)

    def stop(self) -> None:
        """End the trader in order."""
        self._trader.stop()

    def enter(self) -> tuple[float, Trade]:
        """Approve a signal; how long until its entry had been POSTed, and the open trade."""
        from django.db import transaction

        from trading.services import approval_decide

        approval = self._waiting()
        self._pause()
        with transaction.atomic():
            approval_decide(approval=approval, approve=True, actor=None, channel="rule")
            # What follows is the commit itself, which counts.
            asked = time.time()
        trade = until(
            lambda: f"an open trade of {self._fate(approval)}", lambda: self._opened(approval)
        )
        return self._arrived_ms(trade.orders.get(role="e")) - asked * 1000, trade

    def close(self, trade: Trade) -> float:
        """Ask for a close; how long until the reduce-only order had been POSTed."""
        from django.db import transaction

        from trading.choices import CommandKind
        from trading.models import Trade as Trades
        from trading.services import command_request

        with transaction.atomic():
            command_request(
                account=self.account,
                kind=CommandKind.CLOSE,
                idempotency_key=uuid.uuid4().hex,
                actor=None,
                target=trade.pk,
            )
            asked = time.time()
        gone = Trades.objects.filter(pk=trade.pk, state="closed")
        until(f"the close of {trade}", gone.exists)
        return self._arrived_ms(trade.orders.filter(role="x").order_by("pk")[0]) - asked * 1000

    def _pause(self) -> None:
        """Long enough for the exchange's order limits, and not in step with the trader's rounds."""
        time.sleep(self._random.uniform(*PAUSE_S))

    def _opened(self, approval: Approval) -> Trade | None:
        from trading.models import Trade

        rows = Trade.objects.filter(signal_id=approval.signal_id, state="open")
        return rows.exclude(protected_at=None).first()

    def _fate(self, approval: Approval) -> str:
        from trading.models import Event

        approval.signal.refresh_from_db()
        newest = Event.objects.order_by("-pk").values_list("text", flat=True)[:4]
        return f"a signal that is {approval.signal.state}: {' '.join(newest)}"

    def _arrived_ms(self, order: Order) -> int:
        rows = self._stage.venue.rows(self._read)
        self._read = int(rows[-1]["n"]) if rows else self._read
        for row in rows:
            posted = row["kind"] == "request" and row["path"] == "/v5/order/create"
            if posted and row["params"].get("orderLinkId") == order.order_link_id:
                return int(row["ms"])
        raise NeverCame(f"the ledger has no POST of {order.order_link_id}")

    def _waiting(self) -> Approval:
        """A signal that a person is asked about and whose order would fill at once."""
        from tests.factories import AnalysisFactory, ApprovalFactory, CycleFactory, SignalFactory
        from trading.models import Signal
        from trading.payload import payload_hash

        symbol = next(self._symbols)
        rules = self._stage.venue.rules(symbol)
        tick = Decimal(rules["priceFilter"]["tickSize"])
        step = Decimal(rules["lotSizeFilter"]["qtyStep"])
        last = Decimal(self._stage.venue.last(symbol))
        limit = _multiple(last * Decimal("1.004"), tick, ROUND_CEILING)
        now = datetime.now(UTC)
        prices: dict[str, Any] = {
            "entry_price": last,
            "stop_loss": _multiple(last * Decimal("0.97"), tick, ROUND_FLOOR),
            "take_profit": _multiple(last * Decimal("1.06"), tick, ROUND_CEILING),
        }
        signal = SignalFactory.create(
            cycle=CycleFactory.create(bot=self._bot, boundary=now, attempt=1),
            symbol=symbol,
            analysis=AnalysisFactory.create(
                symbol=symbol,
                candle_time=now,
                profile=self._bot.analyst_profile,
                input_hash=uuid.uuid4().hex,
                **prices,
            ),
            decided_at=now,
            worst_price=limit,
            limit_price=limit,
            qty=max(_multiple(NOTIONAL / last, step, ROUND_CEILING), step),
            risk_amount=Decimal(3),
            atr=last / 100,
            state="waiting",
            limits_version=2,
            **prices,
        )
        # The hash is over the numbers as the database gives them back.
        stored = Signal.objects.get(pk=signal.pk)
        stored.payload_hash = payload_hash(stored)
        stored.save(update_fields=["payload_hash"])
        approval: Approval = ApprovalFactory.create(
            signal=stored, expires_at=now + timedelta(minutes=5)
        )
        return approval


def until(what: str | Callable[[], str], look: Callable[[], T | None]) -> T:
    """The first truthy answer. Raises ``NeverCame`` naming ``what``."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        answer = look()
        if answer:
            return answer
        time.sleep(POLL_S)
    raise NeverCame(f"there never was {what if isinstance(what, str) else what()}")


def _account() -> ExchangeAccount:
    """With limits under which next to nothing is refused."""
    from exchange.choices import Mode
    from tests.crash.prepare import loosen
    from trading.choices import RiskProfile
    from trading.connection import Application, account_connect

    wish = Application(
        name="Bench latency",
        mode=Mode.DEMO,
        symbols=SYMBOLS,
        profile=RiskProfile.CLASSIC,
        api_key="sim-key",
        api_secret="sim-secret",
    )
    account = account_connect(wish, actor=None)
    loosen(account)
    return account


def _bot(account: ExchangeAccount) -> Bot:
    """It decides nothing itself: its signals are made by the bench."""
    from analysis.services import profile_technical
    from trading.choices import Autonomy, BotState
    from trading.services import bot_create

    return bot_create(
        account=account,
        name="Bench latency bot",
        timeframe="1d",
        symbols=SYMBOLS,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.OBSERVE,
        state=BotState.RUNNING,
    )


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding=rounding) * step
