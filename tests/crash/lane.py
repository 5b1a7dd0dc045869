"""One account of a crash matrix: let it trade, strike at a named point, see it recover."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from tests.crash.installation import NeverCame
from tests.crash.oracle import Oracle
from tests.crash.stage import Part, Stage

if TYPE_CHECKING:
    from exchange.models import ExchangeAccount
    from trading.models import Bot, Trade

T = TypeVar("T")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
READY_S = 40.0
DEATH_S = 30.0
# The books must agree this long after a kill.
SETTLE_S = 30.0
PROOF_S = 45.0
MAX_GAP_S = 5.0
POLL_S = 0.05
SIGNALS = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CYCLE_LEFT = timedelta(seconds=12)
NOTIONAL = Decimal(60)
# Limits of entries, as a share of the last price.
AT_ONCE, RESTING = Decimal("1.004"), Decimal("0.997")

WORKER_POINTS = ("K1", "K2", "K5")
ENTRY_POINTS = ("K8", "K9", "K10", "K11", "K12", "K13")
OTHER_POINTS = ("K14", "K15", "K16")
# An order may be unknown afterwards, and the proof that it is absent takes 30 s.
UNPROVEN_POINTS = ("K9", "K10", "K11", "K15")
MARKET_EXITS = ("stop_loss", "take_profit", "tightened_stop", "breakeven")
POINTS = (*WORKER_POINTS, *ENTRY_POINTS, *OTHER_POINTS)


@dataclass(slots=True)
class Result:
    """What one kill showed. ``settled_s`` counts from the death to books that agree."""

    point: str
    gap_s: float = 0.0
    settled_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    # False where the market closed the trade before the strike: nothing was shown either way.
    played: bool = True


class Lane:
    """Cases one after the other on one account, whose processes the lane starts and loses."""

    def __init__(self, stage: Stage, account: ExchangeAccount, uid: str, seed: int) -> None:
        self._stage, self._account = stage, account
        self._oracle = Oracle(stage.venue, uid)
        self._random = random.Random(seed)
        role = "trader" if stage.apart else "everything"
        self._trader = Part(stage.warm, role, account.pk)
        self._struck: int | None = None
        self._target: Trade | None = None
        self._bot = self._new_bot("1h")

    def case(self, point: str) -> Result:
        """Strike once at ``point``."""
        if point in WORKER_POINTS and self._stage.apart:
            with self._stage.worker_turn:
                return self._case(point, self._stage.worker)
        return self._case(point, self._trader)

    def _case(self, point: str, victim: Part) -> Result:
        result = Result(point)
        order = victim.faults / point
        try:
            self._keep_running(victim)
            self._oracle.look()
            began_ms = int(time.time() * 1000)
            act = self._prepared(point)
            self._until_sure()
            order.write_text("kill", encoding="ascii")
            self._struck = act()
            victim.until_killed(DEATH_S)
            died = time.monotonic()
            self._keep_running(victim)
            limit = PROOF_S if point in UNPROVEN_POINTS else SETTLE_S
            result.failures += self._until_settled(died + limit)
            result.settled_s = time.monotonic() - died
            result.failures += self._afterwards(point)
            self._flatten()
            result.gap_s = self._oracle.worst_gap_s(began_ms)
        except NeverCame as exc:
            result.played = not self._market_was_first()
            fate = self._fate(self._struck) if self._struck else ""
            result.failures.append(f"{exc}; {fate}; {self._newest_command()}")
        finally:
            order.unlink(missing_ok=True)
            self._struck = self._target = None
        if result.gap_s > MAX_GAP_S:
            result.failures.append(f"a position stood without a stop for {result.gap_s:.1f} s")
        result.failures = [f"{point}: {text}" for text in result.failures]
        return result

    def stop(self) -> None:
        """End the trader of this lane in order."""
        self._trader.stop()

    # What happens, and where it strikes.

    def _prepared(self, point: str) -> Callable[[], int | None]:
        """Bring about what the point needs; returns what leads to it."""
        if point in WORKER_POINTS:
            return self._cycle
        if point in ENTRY_POINTS:
            return self._signal
        trade = self._target = self._opened()
        if point == "K14":
            return lambda: self._command("move_stop", trade, self._levels(trade))
        if point == "K15":
            return lambda: self._command("close", trade, {})
        return lambda: self._command("reconcile", None, {})

    def _signal(self, *, symbol: str = "", resting: bool = False) -> int:
        """An approved signal that can be filled at once, or that waits for a lower price; returns
        its id."""
        from tests.factories import AnalysisFactory, CycleFactory, SignalFactory
        from trading.models import Signal
        from trading.payload import payload_hash

        symbol = symbol or self._random.choice(self._free_symbols())
        rules = self._stage.venue.rules(symbol)
        tick = Decimal(rules["priceFilter"]["tickSize"])
        step = Decimal(rules["lotSizeFilter"]["qtyStep"])
        last = Decimal(self._stage.venue.last(symbol))
        limit = _multiple(last * (RESTING if resting else AT_ONCE), tick, ROUND_CEILING)
        now = datetime.now(UTC)
        profile = self._bot.analyst_profile
        prices = {
            "entry_price": limit if resting else last,
            "stop_loss": _multiple(last * Decimal("0.97"), tick, ROUND_FLOOR),
            "take_profit": _multiple(last * Decimal("1.06"), tick, ROUND_CEILING),
        }
        analysis = AnalysisFactory.create(
            symbol=symbol, candle_time=now, profile=profile, input_hash=uuid.uuid4().hex, **prices
        )
        row = SignalFactory.create(
            cycle=CycleFactory.create(bot=self._bot, boundary=now, attempt=1),
            symbol=symbol,
            analysis=analysis,
            decided_at=now,
            worst_price=limit,
            limit_price=limit,
            qty=max(_multiple(NOTIONAL / last, step, ROUND_CEILING), step),
            risk_amount=Decimal(3),
            atr=last / 100,
            state="claimed",
            limits_version=2,
            time_in_force="gtc" if resting else "ioc",
            **prices,
        )
        digest = payload_hash(Signal.objects.get(pk=row.pk))
        Signal.objects.filter(pk=row.pk).update(payload_hash=digest, state="approved")
        return int(row.pk)

    def _opened(self) -> Trade:
        """An open trade with its stop read back. A signal may meet a passing doubt and be dropped:
        then another one is sent."""
        from trading.models import Signal, Trade

        for _ in range(SIGNALS):
            self._until_sure()
            number = self._struck = self._signal()
            guarded = Trade.objects.filter(signal_id=number, state="open", protected_at__gt=EPOCH)
            dropped = Signal.objects.filter(pk=number, state="dropped")
            _until(lambda: guarded.exists() or dropped.exists(), READY_S)  # noqa: B023
            if trade := guarded.first():
                return trade
        raise NeverCame("no trade came of it")

    def _market_was_first(self) -> bool:
        """Whether stop or target closed the trade that was to be acted on."""
        if self._target is None:
            return False
        self._target.refresh_from_db()
        return self._target.exit_reason in MARKET_EXITS

    def _until_sure(self) -> None:
        """Wait until the trader doubts nothing: entries are dropped as long as it does."""
        from trading.models import Lease

        _until(lambda: not Lease.objects.get(account=self._account).doubts, READY_S)

    def _newest_command(self) -> str:
        """What became of the newest command, for the report of a failure."""
        from trading.models import Command, Trade

        row = Command.objects.filter(account=self._account).order_by("-id").first()
        if row is None:
            return "no command"
        trade = Trade.objects.filter(pk=row.target).first()
        ended = f"; trade {trade.state} {trade.exit_reason}" if trade else ""
        return f"{row.kind} {row.state} {row.answer}{ended}"

    def _fate(self, number: int) -> str:
        """What became of a signal, for the report of a failure."""
        from trading.models import Lease, Order, Signal

        row, lease = Signal.objects.get(pk=number), Lease.objects.get(account=self._account)
        order = Order.objects.filter(signal=row, role="e").first()
        sent = f"entry {order.state} {order.reject_reason}" if order else "no entry"
        trader = f"trader {lease.status} {lease.doubts}"
        return f"signal {row.state} {row.state_reason}, {sent}, {trader}"

    def _levels(self, trade: Trade) -> dict[str, Any]:
        tick = Decimal(self._stage.venue.rules(trade.symbol)["priceFilter"]["tickSize"])
        stop = _multiple(trade.stop_loss * Decimal("1.002"), tick, ROUND_FLOOR)
        return {"stop_loss": str(stop), "take_profit": str(trade.take_profit)}

    def _cycle(self) -> None:
        """A due cycle of a bot of its own, over all symbols, and a hint to the worker."""
        from trading.models import Cycle
        from trading.tasks import enqueue_cycle

        self._bot.state = "paused"
        self._bot.save(update_fields=["state"])
        self._bot = self._new_bot(_timeframe())
        enqueue_cycle(
            Cycle.objects.create(
                bot=self._bot, timeframe=self._bot.timeframe, boundary=self._boundary()
            ).pk
        )

    def _boundary(self) -> datetime:
        from exchange.candles import floor_time
        from exchange.domain import TIMEFRAMES

        return floor_time(datetime.now(UTC), TIMEFRAMES[self._bot.timeframe])

    def _command(self, kind: str, trade: Trade | None, payload: dict[str, Any]) -> None:
        from trading.choices import CommandKind
        from trading.services import command_request

        command_request(
            account=self._account,
            kind=CommandKind(kind),
            idempotency_key=uuid.uuid4().hex,
            actor=None,
            target=trade.pk if trade else 0,
            payload=payload,
        )

    # Processes.

    def _keep_running(self, victim: Part) -> None:
        """Start what is not running, and wait until the trader has the account."""
        from trading.models import Lease

        victim.keep_running()
        pid = self._trader.keep_running()
        ready = Lease.objects.filter(account=self._account, pid=pid, reconciled=True)
        if not _until(ready.exists, READY_S):
            row = Lease.objects.get(account=self._account)
            raise NeverCame(f"the trader does not reconcile: {row.status}, {row.doubts}")

    # What must hold.

    def _until_settled(self, deadline: float) -> list[str]:
        while True:
            self._oracle.look()
            found = self._oracle.unsettled(self._account)
            if not found or time.monotonic() > deadline:
                return [f"not settled: {text}" for text in found]
            time.sleep(POLL_S)

    def _afterwards(self, point: str) -> list[str]:
        from trading.models import Cycle, Event, Order

        entries = Order.objects.filter(account=self._account, role="e")
        found = self._oracle.broken(dict(entries.values_list("order_link_id", "signal_id")))
        if point in WORKER_POINTS:
            cycles = Cycle.objects.filter(bot=self._bot, attempt=0)
            if not _until(cycles.filter(state__in=("completed", "skipped")).exists, SETTLE_S):
                found.append(f"the cycle is {cycles.get().state}: {cycles.get().reason}")
            if cycles.get().signals.count() != len(SYMBOLS):
                found.append(f"{cycles.get().signals.count()} signals of {len(SYMBOLS)} symbols")
        alarms = Event.objects.filter(account=self._account, level="critical")
        return found + [f"alarm: {text}" for text in alarms.values_list("text", flat=True)]

    def _flatten(self) -> None:
        """Close what is open, so that the next case finds free symbols."""
        self._command("flatten", None, {})
        deadline = time.monotonic() + PROOF_S
        while time.monotonic() < deadline:
            self._oracle.look()
            if not self._oracle.positions() and not self._oracle.unsettled(self._account):
                return
            time.sleep(POLL_S)
        raise NeverCame(f"not flat: {self._oracle.positions()}")

    def _free_symbols(self) -> list[str]:
        from trading.models import Trade

        live = Trade.objects.filter(account=self._account, state__in=("pending", "open"))
        return sorted(set(SYMBOLS) - set(live.values_list("symbol", flat=True)))

    def _new_bot(self, timeframe: str) -> Bot:
        from analysis.choices import AnalystKind
        from analysis.models import AnalystProfile
        from trading.choices import Autonomy, BotState
        from trading.services import bot_create

        name = f"bot {uuid.uuid4().hex[:8]}"
        # A profile of its own: the same question to the same analyst is not asked twice.
        profile = AnalystProfile.objects.create(name=name, kind=AnalystKind.TECHNICAL)
        return bot_create(
            account=self._account,
            name=name,
            timeframe=timeframe,
            symbols=SYMBOLS,
            analyst_profile=profile,
            autonomy=Autonomy.AUTO,
            state=BotState.RUNNING,
        )


def _timeframe() -> str:
    """The one whose newest candle leaves a cycle the most time to begin; waits where none leaves
    enough, because a cycle that is late is refused."""
    from exchange.candles import floor_time
    from exchange.domain import TIMEFRAMES

    while True:
        now = datetime.now(UTC)
        left = {name: floor_time(now, span) + span / 3 - now for name, span in TIMEFRAMES.items()}
        best = max(left, key=lambda name: left[name])
        if left[best] >= CYCLE_LEFT:
            return best
        time.sleep(1)


def _until(look: Callable[[], T], seconds: float) -> T:
    """The first truthy answer, or the last one when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(POLL_S)


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding=rounding) * step
