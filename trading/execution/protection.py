"""No position without its stop: read back, set again, or close.

The stop travels inside the entry, so it is on the venue with the first fill. This module reads
it back, counts the time in which it was seen missing, sets it again, and after two refusals or
five seconds closes the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import structlog
from django.db import transaction

from exchange.domain import PositionReport
from exchange.errors import ExchangeError, ExchangeUnavailable
from trading.choices import EventLevel, ExitReason
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.executor import protect
from trading.models import StopMove, Trade

logger = structlog.get_logger(__name__)

READ_BACK_EVERY = timedelta(seconds=2)
NAKED_LIMIT = timedelta(seconds=5)
MAX_REFUSALS = 2


class Protector:
    """Checks the open trades of one desk; counts refusals in memory, for as long as it lives."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._refusals: dict[int, int] = {}

    def check(self, trades: Sequence[Trade]) -> None:
        """Read back the positions when any trade is due, and mend what is missing."""
        now = self._desk.clock.now()
        due = [
            trade
            for trade in trades
            if trade.protected_at is None
            or trade.naked_since is not None
            or now - trade.protected_at >= READ_BACK_EVERY
        ]
        if not due:
            return
        try:
            reports = {report.symbol: report for report in self._desk.client.positions()}
        except ExchangeError as exc:
            # An error is not an empty answer: what we knew stands until the next read.
            logger.warning("positions could not be read", error=str(exc))
            return
        for trade in due:
            report = reports.get(trade.symbol)
            if report is not None and report.qty > 0:
                self._check_one(trade, report)

    def _check_one(self, trade: Trade, report: PositionReport) -> None:
        now = self._desk.clock.now()
        if report.stop_loss == trade.stop_loss and report.take_profit == trade.take_profit:
            self._confirmed(trade)
            return
        if report.stop_loss is not None:
            # A stop stands, though not at our level: covered, and set again below.
            self._set_again(trade, "level differs")
            return
        if trade.naked_since is None:
            trade.naked_since = trade.protected_at or now
            Trade.objects.filter(pk=trade.pk).update(naked_since=trade.naked_since)
        if now - trade.naked_since >= NAKED_LIMIT:
            self._give_up(trade, "no stop for 5 s")
            return
        self._set_again(trade, "missing")

    def _confirmed(self, trade: Trade) -> None:
        now = self._desk.clock.now()
        changes: dict[str, Any] = {"protected_at": now, "naked_since": None}
        if trade.naked_since is not None:
            naked_ms = int((now - trade.naked_since).total_seconds() * 1000)
            changes["longest_naked_ms"] = max(trade.longest_naked_ms, naked_ms)
        Trade.objects.filter(pk=trade.pk).update(**changes)
        trade.protected_at, trade.naked_since = now, None
        self._refusals.pop(trade.pk, None)

    def _set_again(self, trade: Trade, why: str) -> None:
        try:
            refusal = protect(self._desk, trade)
        except ExchangeUnavailable as exc:
            logger.warning("stop could not be set, it is repeated", trade=trade.pk, error=str(exc))
            return
        if not refusal:
            record(
                "stop_restored",
                f"{trade.symbol}: stop set again ({why}).",
                account=self._desk.account,
                level=EventLevel.WARNING,
                data={"trade": trade.pk},
                market_time=self._desk.market.now(),
            )
            return
        self._refusals[trade.pk] = self._refusals.get(trade.pk, 0) + 1
        if self._refusals[trade.pk] >= MAX_REFUSALS:
            self._give_up(trade, f"stop refused twice: {refusal}")

    def _give_up(self, trade: Trade, why: str) -> None:
        """Ask for a close at market; the exits of the loop send it."""
        want_close(trade, ExitReason.UNPROTECTED)
        record(
            "trade_unprotected",
            f"{trade.symbol}: closed at market, {why}.",
            account=self._desk.account,
            level=EventLevel.CRITICAL,
            data={"trade": trade.pk},
            market_time=self._desk.market.now(),
        )


def want_close(trade: Trade, reason: ExitReason) -> None:
    """Note that the trade must be closed. The first reason stays; the exits repeat until flat."""
    if trade.close_wanted and trade.target_qty == 0:
        return
    trade.close_wanted, trade.target_qty = reason, 0
    Trade.objects.filter(pk=trade.pk).update(close_wanted=reason, target_qty=0)


def move_stop(desk: Desk, trade: Trade, move: StopMove) -> bool:
    """Store the wish, set the new levels on the venue, store its answer. True when taken.

    After a refusal the old levels stand. Without an answer, or after a crash in between, the
    wish stands and the next read-back sets it again.
    """
    move.answer, move.accepted = "sent", False
    _store_levels(trade, move.new_stop, move.new_target, move.rule)
    move.save()
    try:
        refusal = protect(desk, trade)
    except ExchangeUnavailable as exc:
        move.answer = f"no answer, repeated until read back: {exc}"[:200]
        move.save(update_fields=["answer"])
        return False
    move.answer, move.accepted = (refusal or "set")[:200], not refusal
    with transaction.atomic():
        if refusal:
            _store_levels(trade, move.old_stop, move.old_target, "")
        move.save(update_fields=["answer", "accepted"])
        record(
            "stop_moved" if move.accepted else "stop_refused",
            f"{trade.symbol}: stop {move.old_stop.normalize():f} to "
            f"{move.new_stop.normalize():f} ({move.rule}): {move.answer}.",
            account=desk.account,
            level=EventLevel.INFO if move.accepted else EventLevel.WARNING,
            data={"trade": trade.pk},
            market_time=move.market_time,
        )
    return move.accepted


def _store_levels(trade: Trade, stop: Decimal, target: Decimal, rule: str) -> None:
    """Levels as we want them; ``protected_at`` None asks the next round to read them back."""
    trade.stop_loss, trade.take_profit = stop, target
    trade.stop_rule = rule or _rule_before(trade)
    trade.version += 1
    trade.protected_at = None
    trade.save(update_fields=["stop_loss", "take_profit", "stop_rule", "version", "protected_at"])


def _rule_before(trade: Trade) -> str:
    """The rule of the newest move the venue took; empty for the initial stop."""
    newest = trade.stop_moves.filter(accepted=True).order_by("-id").first()
    return newest.rule if newest else ""
