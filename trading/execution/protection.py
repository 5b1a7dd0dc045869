"""No position without its stop: read back, set again, or close.

The stop travels inside the entry, so it is on the venue with the first fill. This module reads
it back every two seconds, sets it again where it is missing or differs, and closes the position
after two refusals or five seconds in which it was seen missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from math import inf
from typing import Any

import structlog
from django.db import transaction

from exchange.domain import ZERO, PositionReport, Side
from exchange.errors import ExchangeError, ExchangeUnavailable
from exchange.fault_points import fault_point
from trading.choices import EventLevel, ExitReason
from trading.domain.exits import MoveStop, overtaken
from trading.domain.protocol import (
    Levels,
    StopAnswer,
    StopBounds,
    StopHistory,
    check_stop,
)
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.executor import cancel_rest, protect
from trading.models import StopMove, Trade
from trading.selectors import RULES, quote_or_none, trade_book

logger = structlog.get_logger(__name__)

READ_BACK_EVERY_S = 2.0
# Pause between two attempts to set a stop, so that a venue that shows it late is not flooded.
SET_AGAIN_S = 1.0
# While a position without a stop can't be closed, people are told again.
SAY_AGAIN_S = 60.0
APP_RULE = "app"


@dataclass(slots=True)
class _Watch:
    """What a protector remembers of one trade: the history of the levels that were wanted; when
    its position was read, and when people were told that it is closed (monotonic seconds)."""

    wanted: Levels
    history: StopHistory
    read_at: float = -inf
    told_at: float = -inf


class Protector:
    """Checks the open trades of one desk. What it remembers begins anew with each trader."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._watches: dict[int, _Watch] = {}

    def read_back(self) -> None:
        """Let the next check read every position, however lately that was done."""
        for watch in self._watches.values():
            watch.read_at = -inf

    def check(self, trades: Sequence[Trade]) -> None:
        """Read back the positions when any trade is due, and mend what is missing."""
        now = self._desk.clock.monotonic()
        self._watches = {trade.pk: self._watch(trade) for trade in trades}
        self._say_again(trades, now)
        due = [trade for trade in trades if self._is_due(self._watches[trade.pk], now)]
        if not due:
            return
        if any(trade.protected_at is None for trade in due):
            fault_point("K13")
        try:
            reports = self._desk.positions.read()
        except ExchangeError as exc:
            # An error is not an empty answer: what we knew stands until the next read.
            logger.warning("positions could not be read", error=str(exc))
            return
        for trade in due:
            report = reports.get(trade.symbol)
            if report is not None and report.side == trade.side:
                self._watches[trade.pk].read_at = now
                self._check_one(trade, report, self._watches[trade.pk])

    def _watch(self, trade: Trade) -> _Watch:
        wanted = Levels(trade.stop_loss, trade.take_profit)
        watch = self._watches.get(trade.pk)
        if watch is None:
            return _Watch(wanted, StopHistory(confirmed=_stood(trade)))
        if watch.wanted != wanted:
            watch.wanted = wanted
            watch.history = replace(watch.history, confirmed=False, refusals=0, moved=None)
        return watch

    @staticmethod
    def _is_due(watch: _Watch, now: float) -> bool:
        calm = watch.history.confirmed and watch.history.missing_since_s is None
        return now - watch.read_at >= (READ_BACK_EVERY_S if calm else SET_AGAIN_S)

    def _check_one(self, trade: Trade, report: PositionReport, watch: _Watch) -> None:
        seen = Levels(report.stop_loss, report.take_profit)
        now_s = self._desk.clock.monotonic()
        bounds = _bounds(trade) if watch.history.confirmed and seen != watch.wanted else None
        check = check_stop(watch.wanted, seen, watch.history, now_s, bounds)
        first = not watch.history.confirmed
        watch.history = check.history
        if seen.stop is None:
            self._note_naked(trade)
        if check.answer is StopAnswer.CONFIRMED:
            self._confirmed(trade, first)
        elif check.answer is StopAnswer.ADOPT:
            self._adopt(trade, seen, watch)
        elif check.answer is StopAnswer.GIVE_UP:
            self._give_up(trade, watch, check.why)
        elif check.answer is StopAnswer.SET_AGAIN:
            self._set_again(trade, watch, check.why)

    def _note_naked(self, trade: Trade) -> None:
        if trade.naked_since is None:
            trade.naked_since = self._covered_until(trade)
            Trade.objects.filter(pk=trade.pk).update(naked_since=trade.naked_since)

    def _covered_until(self, trade: Trade) -> datetime:
        """The last wall time at which the position had its stop for certain, at worst its first
        fill: how long it was naked is measured from there."""
        if trade.protected_at is not None:
            return trade.protected_at
        first = trade.executions.order_by("booked_at").first()
        return first.booked_at if first else self._desk.clock.now()

    def _confirmed(self, trade: Trade, first: bool) -> None:
        now = self._desk.clock.now()
        changes: dict[str, Any] = {"protected_at": now, "naked_since": None}
        if trade.naked_since is not None:
            naked_ms = int((now - trade.naked_since).total_seconds() * 1000)
            changes["longest_naked_ms"] = max(trade.longest_naked_ms, naked_ms)
        Trade.objects.filter(pk=trade.pk).update(**changes)
        trade.protected_at, trade.naked_since = now, None
        if first:
            _accept_unanswered(trade)

    def _adopt(self, trade: Trade, seen: Levels, watch: _Watch) -> None:
        """Somebody moved the stop in the venue's own app: it is ours now."""
        stop, target = seen.stop, seen.target
        if stop is None or target is None:
            raise ValueError(f"{trade}: levels that are not set can't be adopted")
        move = StopMove(
            trade=trade,
            rule=APP_RULE,
            old_stop=trade.stop_loss,
            new_stop=stop,
            old_target=trade.take_profit,
            new_target=target,
            answer="moved on the exchange",
            accepted=True,
            market_time=self._desk.market.now(),
        )
        with transaction.atomic():
            move.save()
            _store_levels(trade, stop, target, APP_RULE)
            record(
                "stop_adopted",
                f"{trade.symbol}: stop and target were moved on the exchange, to "
                f"{stop.normalize():f} and {target.normalize():f}; they are kept.",
                account=self._desk.account,
                level=EventLevel.NOTICE,
                data={"trade": trade.pk},
                market_time=move.market_time,
            )
        watch.wanted = seen
        self._confirmed(trade, first=False)

    def _set_again(self, trade: Trade, watch: _Watch, why: str) -> None:
        try:
            refusal = protect(self._desk, trade)
        except ExchangeUnavailable as exc:
            logger.warning("stop could not be set, it is repeated", trade=trade.pk, error=str(exc))
            return
        if not refusal:
            watch.history = watch.history.taken()
            record(
                "stop_restored",
                f"{trade.symbol}: stop set again, {why}.",
                account=self._desk.account,
                level=EventLevel.WARNING,
                data={"trade": trade.pk},
                market_time=self._desk.market.now(),
            )
            return
        if self._was_overtaken(trade):
            return
        watch.history = watch.history.refused()
        if watch.history.spent:
            self._give_up(trade, watch, f"its stop was refused twice: {refusal}")

    def _was_overtaken(self, trade: Trade) -> bool:
        """Whether price has passed a moved stop that the venue never got: the rules close such a
        trade at market. Behind an initial stop that is missing there is no rule, but a failure."""
        quote = quote_or_none(self._desk.market, trade.symbol)
        if quote is None or not trade.stop_rule:
            return False
        wish = MoveStop(trade.stop_rule, trade.stop_loss, {})
        late = overtaken(Side(trade.side), wish, quote.last)
        if late is not None:
            want_close(trade, late.reason)
        return late is not None

    def _give_up(self, trade: Trade, watch: _Watch, why: str) -> None:
        """Ask for a close at market; the exits of the loop send it until the trade is flat."""
        if want_close(trade, ExitReason.UNPROTECTED):
            self._alert(trade, watch, "trade_unprotected", f"closed at market, {why}")

    def _say_again(self, trades: Sequence[Trade], now: float) -> None:
        """Tell people every minute of positions that had to be closed and are still open, also
        while the venue can't be read."""
        for trade in trades:
            watch = self._watches[trade.pk]
            given_up = trade.close_wanted == ExitReason.UNPROTECTED
            if given_up and now - watch.told_at >= SAY_AGAIN_S:
                text = "could not be protected and is still not closed"
                self._alert(trade, watch, "trade_not_closed", text)

    def _alert(self, trade: Trade, watch: _Watch, kind: str, text: str) -> None:
        watch.told_at = self._desk.clock.monotonic()
        record(
            kind,
            f"{trade.symbol}: {text}.",
            account=self._desk.account,
            level=EventLevel.CRITICAL,
            data={"trade": trade.pk},
            market_time=self._desk.market.now(),
        )


def _stood(trade: Trade) -> bool:
    """Whether the wanted levels have been read back since they were last changed."""
    if trade.protected_at is None:
        return False
    newest = trade.stop_moves.order_by("-id").first()
    return newest is None or (newest.accepted and newest.created_at <= trade.protected_at)


def _bounds(trade: Trade) -> StopBounds:
    """Where a stop of somebody else is acceptable: as far from the entry as one of ours may be."""
    avg_entry = trade_book(trade).avg_entry
    moves = trade.stop_moves.values_list("old_stop", "new_stop")
    return StopBounds(
        side=Side(trade.side),
        avg_entry=avg_entry,
        max_distance=min(RULES.max_stop_share * avg_entry, RULES.max_stop_atr * trade.atr),
        own=frozenset({trade.initial_stop, *(stop for pair in moves for stop in pair)})
        - {trade.stop_loss},
    )


def want_close(trade: Trade, reason: ExitReason) -> bool:
    """Note that the trade must be closed; the exits repeat until it is flat. False when that was
    wanted already: the first reason stays."""
    if trade.close_wanted and trade.target_qty == 0:
        return False
    trade.close_wanted, trade.target_qty = reason, ZERO
    Trade.objects.filter(pk=trade.pk).update(close_wanted=reason, target_qty=ZERO)
    return True


def want_reduce(trade: Trade, reason: ExitReason, target: Decimal) -> None:
    """Note that the trade must shrink to ``target``; the exits repeat until it has. A wish to
    close or to shrink that is there already stays."""
    if trade.close_wanted:
        return
    trade.close_wanted, trade.target_qty = reason, target
    Trade.objects.filter(pk=trade.pk).update(close_wanted=reason, target_qty=target)


def move_stop(desk: Desk, trade: Trade, move: StopMove) -> bool:
    """Store the wish, set the new levels on the venue, store its answer. True when taken.

    After a refusal the old levels stand. Without an answer, or after a crash in between, the
    wish stands and the next read-back sets it again. What is left of the entry is taken back first.
    """
    cancel_rest(desk, trade)
    move.answer, move.accepted = "sent", False
    with transaction.atomic():
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
    """Levels as we want them; the next read-back compares them with the venue's."""
    trade.stop_loss, trade.take_profit = stop, target
    trade.stop_rule = rule or _rule_before(trade)
    trade.version += 1
    trade.save(update_fields=["stop_loss", "take_profit", "stop_rule", "version"])


def _rule_before(trade: Trade) -> str:
    """The rule of the newest move the venue took; empty for the initial stop."""
    newest = trade.stop_moves.filter(accepted=True).order_by("-id").first()
    return newest.rule if newest else ""


def _accept_unanswered(trade: Trade) -> None:
    """Levels were read back: if their move never got its answer, this is it."""
    newest = trade.stop_moves.order_by("-id").first()
    if newest is None or newest.accepted:
        return
    if (newest.new_stop, newest.new_target) == (trade.stop_loss, trade.take_profit):
        trade.stop_moves.filter(pk=newest.pk).update(accepted=True, answer="read back")
