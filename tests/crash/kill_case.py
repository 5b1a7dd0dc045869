"""One press of the kill switch under load, judged by the simulator's ledger.

A feeder approves a signal for every symbol that is free, as fast as it can make them; some fill at
once, some wait for a lower price, and what came of them is closed again, so that entries never end.
In the middle of it the switch is pressed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.crash.installation import NeverCame
from tests.crash.lane import SYMBOLS, Lane

if TYPE_CHECKING:
    from trading.choices import KillLevel
    from trading.models import KillRun, Order

ENTRY_LATE_MS = 200
SETTLE_S = 2.0
FLATTEN_S = 3.0
DONE_S = 60.0
LOAD_S = (0.6, 2.2)
AFTER_S = 0.8
RESTING_SHARE, CLOSING_SHARE = 0.5, 0.1
CREATE = "/v5/order/create"


@dataclass(slots=True)
class Press:
    """What one press showed. Milliseconds count from the commit; None where there was nothing."""

    level: int
    everywhere: bool
    signals: int = 0
    entries: int = 0
    last_entry_ms: int | None = None
    settled_s: list[float] = field(default_factory=list)
    open_then: int = 0
    flat_s: float | None = None
    gap_s: float = 0.0
    done_s: float = 0.0
    words: str = ""
    failures: list[str] = field(default_factory=list)


class KillLane(Lane):
    """Presses one after the other on one account with its trader."""

    def press(self, level: KillLevel) -> Press:
        """Load, press, wait until all is seen done, judge, arm again."""
        everywhere = self._random.random() < 0.5
        found = Press(int(level), everywhere)
        self._keep_running(self._trader)
        self._until_sure()
        self._oracle.look()
        began_ms = int(time.time() * 1000)
        try:
            with self._load(found):
                time.sleep(self._random.uniform(*LOAD_S))
                run = self._press(level, everywhere=everywhere)
                time.sleep(AFTER_S)
            self._until_done(run, found)
            self._judge(run, found, began_ms)
        except NeverCame as exc:
            found.failures.append(str(exc))
        self._arm(level, everywhere=everywhere)
        return found

    @contextmanager
    def _load(self, found: Press) -> Iterator[None]:
        """Approve signals and close trades as fast as it goes, until the end of the block."""
        from django.db import connections

        over = threading.Event()

        def feed() -> None:
            while not over.is_set():
                self._feed_one(found)
            connections.close_all()

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield
        finally:
            over.set()
            feeder.join()

    def _feed_one(self, found: Press) -> None:
        from trading.models import Signal, Trade

        symbol = self._random.choice(SYMBOLS)
        mine = {"account": self._account, "symbol": symbol}
        if Signal.objects.filter(**mine, state__in=("approved", "claimed")).exists():
            return
        trade = Trade.objects.filter(**mine, state__in=("pending", "open")).first()
        if trade is None:
            self._signal(symbol=symbol, resting=self._random.random() < RESTING_SHARE)
            found.signals += 1
        elif self._random.random() < CLOSING_SHARE:
            self._command("close", trade, {})

    def _press(self, level: KillLevel, *, everywhere: bool) -> KillRun:
        from django.utils import timezone

        from trading.kill import kill_press

        return kill_press(
            account=None if everywhere else self._account,
            level=level,
            reason="measured",
            actor=None,
            channel="command",
            pressed_at=timezone.now(),
        )

    def _until_done(self, run: KillRun, found: Press) -> None:
        from django.utils import timezone

        from trading.kill_progress import kill_words

        deadline = time.monotonic() + DONE_S
        while run.done_at is None:
            if time.monotonic() > deadline:
                raise NeverCame(f"never done: {kill_words(run, timezone.now())}")
            time.sleep(0.05)
            run.refresh_from_db()
        found.words = kill_words(run, run.done_at)
        found.done_s = (run.done_at - run.committed_at).total_seconds()

    def _judge(self, run: KillRun, found: Press, began_ms: int) -> None:
        self._oracle.look()
        commit_ms = _ms(run.committed_at)
        self._judge_posts(found, began_ms, commit_ms)
        self._judge_in_flight(run, found)
        self._judge_positions(found, commit_ms)
        found.gap_s = self._oracle.worst_gap_s(began_ms)
        if found.gap_s > 0:
            found.failures.append(f"a position stood without a stop for {found.gap_s:.3f} s")

    def _judge_posts(self, found: Press, began_ms: int, commit_ms: int) -> None:
        posted = [
            int(row["ms"])
            for row in self._oracle.rows
            if row["kind"] == "request"
            and row["path"] == CREATE
            and int(row["ms"]) >= began_ms
            and str(row["params"].get("orderLinkId", "")).endswith("-e")
        ]
        found.entries = len(posted)
        after = [ms - commit_ms for ms in posted if ms > commit_ms]
        found.last_entry_ms = max(after, default=None)
        if found.last_entry_ms is not None and found.last_entry_ms > ENTRY_LATE_MS:
            found.failures.append(f"an entry left {found.last_entry_ms} ms after the commit")

    def _judge_in_flight(self, run: KillRun, found: Press) -> None:
        """From when an entry was known, or the commit, to its end in the ledger."""
        ended = {
            row["orderLinkId"]: int(row["ms"])
            for row in self._oracle.rows
            if row["kind"] == "order" and row["status"] in ("Filled", "Cancelled", "Rejected")
        }
        for step in run.steps.filter(kind="cancel", account=self._account).select_related("order"):
            order = step.order
            if order is None or order.acknowledged_at is None:
                continue
            since = max(_ms(order.acknowledged_at), _ms(run.committed_at))
            took_s = max(0, self._end_of(order, ended) - since) / 1000
            found.settled_s.append(took_s)
            if took_s > SETTLE_S:
                found.failures.append(f"{order.order_link_id} was out for {took_s:.2f} s")

    @staticmethod
    def _end_of(order: Order, ended: dict[str, int]) -> int:
        if order.order_link_id not in ended:
            raise NeverCame(f"{order.order_link_id} is {order.state} and open in the ledger")
        return ended[order.order_link_id]

    def _judge_positions(self, found: Press, commit_ms: int) -> None:
        """Levels 1 to 3 keep every position, level 4 none."""
        from trading.choices import KillLevel

        before = [row for row in self._oracle.rows if int(row["ms"]) <= commit_ms]
        found.open_then = len(_held(before))
        if found.level != KillLevel.FLATTEN:
            return
        still = self._oracle.positions()
        if still:
            found.failures.append(f"called flat with {still} open")
        moves = [int(row["ms"]) for row in self._oracle.rows if row["kind"] == "position"]
        if found.open_then or found.settled_s:
            found.flat_s = max(0, max(moves, default=commit_ms) - commit_ms) / 1000
            if found.flat_s > FLATTEN_S:
                found.failures.append(f"flat only after {found.flat_s:.2f} s")

    def _arm(self, level: KillLevel, *, everywhere: bool) -> None:
        """The normal way back: two steps or one; then an empty book for the next press."""
        from trading.choices import BotState, KillLevel, TradingStateName
        from trading.rearming import rearm, trading_state_held
        from trading.services import bot_set_state

        if level is KillLevel.PAUSE:
            bot_set_state(bot=self._bot, state=BotState.RUNNING, actor=None)
        account = None if everywhere else self._account
        while trading_state_held(account) is not TradingStateName.ACTIVE:
            rearm(account=account, actor=None, reason="measured")
        if level is not KillLevel.FLATTEN:
            self._flatten()


def _held(rows: list[dict[str, Any]]) -> dict[str, str]:
    sizes = {row["symbol"]: row["size"] for row in rows if row["kind"] == "position"}
    return {symbol: size for symbol, size in sizes.items() if float(size)}


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
