"""A second pair of eyes on every stop: needs neither lease nor database.

It reads the file in which the trader says what must be protected, and the venue's positions. It
acts only on what the file lists: a position without a stop is left to the trader for three
seconds, then gets its stop, and is closed where that is refused twice or does not help. A missing
answer is looked at again, never guessed; what nobody listed is never touched.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from typing import Protocol

import structlog

from exchange.choices import LinkState
from exchange.domain import ZERO, OrderRequest, OrderType, PositionReport, TimeInForce
from exchange.errors import ExchangeError, ExchangeHalted, OrderRejected
from exchange.ports import Clock, ExchangeClient
from trading.choices import EventLevel, OrderRole
from trading.domain.protocol import UNJUDGED, Levels, StopAnswer, StopHistory, check_stop
from trading.execution.identifiers import new_order_link_id
from trading.execution.protection_file import (
    ProtectedTrade,
    Protection,
    ProtectionFile,
    ProtectionMissing,
    ProtectionUnreadable,
)

logger = structlog.get_logger(__name__)

POLL_S = 2.0
# While a listed position stands without its stop.
NAKED_POLL_S = 0.5
# How long a living trader may take to mend it itself.
GRACE_S = 3.0
SET_AGAIN_S = 1.0
# Seconds before a close is repeated, by the number of tries so far.
CLOSE_AGAIN_S = (0.0, 1.0, 2.0, 4.0, 8.0, 10.0)
# A listed trade that stayed flat for so long is over, whoever opens the symbol next.
OVER_AFTER_S = 60.0
SAY_AGAIN_S = 60.0
NEW_CLIENT_AFTER_S = 30.0
# Rejections of a stop after which a close would not get through either.
CLOSED_DOOR = frozenset({"halted", "not_sent"})


class WatchdogNotes(Protocol):
    """Where a watchdog says how it is and what it did; must never block or raise."""

    def state(self, state: LinkState, reason: str) -> None: ...

    def act(self, kind: str, level: EventLevel, text: str, trade: int) -> None: ...


@dataclass(slots=True)
class _Watch:
    """What is remembered of one listed trade; times are monotonic seconds. ``keep`` is how much of
    the position is not ours and stays; ``size`` has been read unchanged since ``size_since``."""

    history: StopHistory = field(default_factory=StopHistory)
    flat_since: float | None = None
    over: bool = False
    set_at: float = -inf
    attempts: int = 0
    keep: Decimal | None = None
    closes: int = 0
    closed_at: float = -inf
    size: Decimal = ZERO
    size_since: float = -inf
    said: dict[str, float] = field(default_factory=dict)

    @property
    def naked(self) -> bool:
        return self.history.missing_since_s is not None

    def covered(self) -> None:
        """A stop stands again: nothing of the emergency is left."""
        self.history, self.attempts = StopHistory(), 0
        self.keep, self.closes = None, 0
        self.said.clear()


class Watchdog:
    """Guards the listed trades of one account. ``round`` looks once, ``run`` repeats it.

    ``client_factory`` gives the venue's client with its keys: asked at the start, again after the
    venue refused the key, and after ``renew_client``.
    """

    def __init__(
        self,
        client_factory: Callable[[], ExchangeClient],
        file: ProtectionFile,
        clock: Clock,
        notes: WatchdogNotes,
    ) -> None:
        self._client_factory = client_factory
        self._file = file
        self._clock = clock
        self._notes = notes
        self._client: ExchangeClient | None = None
        self._client_at = -inf
        self._halted = False
        self._outdated = threading.Event()
        self._renewing = False
        self._known: Protection | None = None
        self._watches: dict[int, _Watch] = {}
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Rounds until ``stop``; an error ends a round, never the watchdog."""
        while not stop.is_set():
            try:
                pause = self.round()
            except Exception:
                logger.exception("watchdog's round failed", account=self._file.account_id)
                pause = POLL_S
            stop.wait(pause)
        if self._client is not None:
            self._client.close()

    def renew_client(self) -> None:
        """The account has another key or site: connect anew with the next look. From any thread."""
        self._outdated.set()

    def round(self) -> float:
        """Look once and act. Returns the seconds until the next look."""
        doubt = self._read_file()
        client, trouble = self._connected()
        trades = self._known.trades if self._known else ()
        self._watches = {one.trade: self._watches.get(one.trade, _Watch()) for one in trades}
        if trades and client is not None:
            trouble = self._guard_all(client, trades) or trouble
        naked = [one.symbol for one in trades if self._watches[one.trade].naked]
        self._report(doubt, trouble, naked, len(trades))
        return NAKED_POLL_S if naked else POLL_S

    def _read_file(self) -> str:
        """Take in what the trader wrote last; where that can't be read, what it wrote before
        stands. Returns why it could not, in words."""
        try:
            self._known = self._file.read()
        except ProtectionMissing as exc:
            # Before the first trader there is nothing to protect; after it, a file is missing.
            return str(exc) if self._known else ""
        except ProtectionUnreadable as exc:
            return str(exc)
        return ""

    def _connected(self) -> tuple[ExchangeClient | None, str]:
        """The venue's client, or why there is none. Keys may have been replaced, so a new one is
        made from time to time while the venue refuses this one."""
        now = self._clock.monotonic()
        if self._outdated.is_set():
            # Cleared before the key is read: one that is replaced meanwhile is heard of once more.
            self._outdated.clear()
            self._renewing, self._client_at = True, -inf
        wanted = self._client is None or self._halted or self._renewing
        pause = NEW_CLIENT_AFTER_S if self._client is not None else POLL_S
        if not wanted or now - self._client_at < pause:
            return self._client, "" if self._client else "not connected"
        self._client_at = now
        try:
            fresh = self._client_factory()
        except Exception as exc:
            logger.warning("no client for the watchdog", account=self._file.account_id, error=exc)
            return self._client, f"no connection to the venue can be made: {exc}"
        if self._client is not None:
            self._client.close()
        self._client, self._halted, self._renewing = fresh, False, False
        return fresh, ""

    def _guard_all(self, client: ExchangeClient, trades: tuple[ProtectedTrade, ...]) -> str:
        """Compare with the venue and mend. Returns why the venue could not be read."""
        try:
            positions = {report.symbol: report for report in client.positions() if report.qty > 0}
        except ExchangeError as exc:
            # An error is not an empty answer: clocks of the naked go on from the last good one.
            self._halted = isinstance(exc, ExchangeHalted)
            logger.warning(
                "positions could not be read", account=self._file.account_id, error=str(exc)
            )
            return f"positions can't be read: {exc}"
        self._halted = False
        for trade in trades:
            self._guard(client, trade, positions)
        return ""

    def _guard(
        self,
        client: ExchangeClient,
        trade: ProtectedTrade,
        positions: Mapping[str, PositionReport],
    ) -> None:
        watch, now = self._watches[trade.trade], self._clock.monotonic()
        report = positions.get(trade.symbol)
        if report is None or report.side is not trade.side:
            self._not_held(watch, now)
            return
        watch.flat_since = None
        if watch.over:
            return
        if report.stop_loss is not None:
            watch.covered()
            return
        if report.qty != watch.size:
            watch.size, watch.size_since = report.qty, now
        if self._must_close(trade, report, watch, now):
            self._close(client, trade, report.qty, watch)
        elif self._may_set(watch, now):
            self._set(client, trade, watch)

    @staticmethod
    def _not_held(watch: _Watch, now: float) -> None:
        watch.covered()
        if watch.flat_since is None:
            watch.flat_since = now
        watch.over = watch.over or now - watch.flat_since >= OVER_AFTER_S

    @staticmethod
    def _must_close(
        trade: ProtectedTrade, report: PositionReport, watch: _Watch, now: float
    ) -> bool:
        """Whether its stop is given up. After a time without answers of the venue it is tried
        once first."""
        check = check_stop(
            Levels(trade.stop_loss, trade.take_profit),
            Levels(report.stop_loss, report.take_profit),
            watch.history,
            now,
        )
        watch.history = check.history
        if watch.keep is not None:
            return True
        tried = watch.attempts > 0 or watch.history.spent
        return check.answer is StopAnswer.GIVE_UP and tried

    def _may_set(self, watch: _Watch, now: float) -> bool:
        """A trader that is gone mends nothing: only one that lives is given its time."""
        since = watch.history.missing_since_s
        missing_s = 0.0 if since is None else now - since
        alive = self._known is not None and _process_exists(self._known.pid)
        return (missing_s >= GRACE_S or not alive) and now - watch.set_at >= SET_AGAIN_S

    def _set(self, client: ExchangeClient, trade: ProtectedTrade, watch: _Watch) -> None:
        watch.set_at = self._clock.monotonic()
        watch.attempts += 1
        try:
            client.set_trading_stop(
                symbol=trade.symbol, stop_loss=trade.stop_loss, take_profit=trade.take_profit
            )
        except OrderRejected as exc:
            if exc.code not in UNJUDGED:
                watch.history = watch.history.refused()
            watch.attempts -= exc.code in CLOSED_DOOR
            self._say(watch, trade, "stop_refused", EventLevel.CRITICAL, f"stop refused, {exc}")
        except ExchangeError as exc:
            # Perhaps it was set: the next reading tells.
            self._say(
                watch, trade, "stop_refused", EventLevel.WARNING, f"no answer on its stop, {exc}"
            )
        else:
            self._say(
                watch, trade, "stop_restored", EventLevel.WARNING, "stop set again, it was missing"
            )

    def _close(
        self, client: ExchangeClient, trade: ProtectedTrade, size: Decimal, watch: _Watch
    ) -> None:
        """Send what is left of ours to market, again and again until it is gone.

        Only the difference to the position as it was read goes out, and only after the position
        was steady since the last try, so that a lost answer can't close what is not ours.
        """
        now = self._clock.monotonic()
        if watch.keep is None:
            watch.keep = max(ZERO, size - trade.qty)
        if size <= watch.keep:
            watch.over = True
            watch.covered()
            return
        pause = CLOSE_AGAIN_S[min(watch.closes, len(CLOSE_AGAIN_S) - 1)]
        if watch.closes and now - max(watch.closed_at, watch.size_since) < pause:
            return
        watch.closes, watch.closed_at = watch.closes + 1, now
        try:
            client.place_order(_closing(trade, size - watch.keep, whole=watch.keep == ZERO))
        except ExchangeError as exc:
            text = f"close failed, it is repeated: {exc}"
        else:
            text = "closed at market, it could not be protected"
        self._say(watch, trade, "trade_unprotected", EventLevel.CRITICAL, text)

    def _say(
        self, watch: _Watch, trade: ProtectedTrade, kind: str, level: EventLevel, text: str
    ) -> None:
        """Tell people, about the same kind of thing at once and then every minute."""
        now = self._clock.monotonic()
        if now - watch.said.get(kind, -inf) < SAY_AGAIN_S:
            return
        watch.said[kind] = now
        text = f"{trade.symbol}: watchdog: {text.rstrip('.')}."
        logger.error(text, account=self._file.account_id, trade=trade.trade)
        self._notes.act(kind, level, text, trade.trade)

    def _report(self, doubt: str, trouble: str, naked: list[str], guarded: int) -> None:
        """How the watchdog is, for the log on change and for the notes each time."""
        without = f"without a stop: {', '.join(naked)}" if naked else ""
        reason = "; ".join(part for part in (doubt, trouble, without) if part)
        state = LinkState.DEGRADED if reason else LinkState.OK
        if self._halted:
            state = LinkState.HALTED
        if reason != self._said:
            self._said = reason
            if reason:
                logger.error("watchdog is worried", account=self._file.account_id, reason=reason)
            else:
                logger.info("watchdog is calm", account=self._file.account_id, trades=guarded)
        self._notes.state(state, reason)


def _closing(trade: ProtectedTrade, qty: Decimal, *, whole: bool) -> OrderRequest:
    """A reduce-only market order; the close-all form where nothing may remain."""
    return OrderRequest(
        order_link_id=new_order_link_id(OrderRole.PROTECTION),
        symbol=trade.symbol,
        side=trade.side.opposite,
        order_type=OrderType.MARKET,
        qty=ZERO if whole else qty,
        time_in_force=TimeInForce.IOC,
        reduce_only=True,
        close_all=whole,
    )


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
