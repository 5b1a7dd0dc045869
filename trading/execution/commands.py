"""Commands of operators, claimed and carried out by the trader."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation

import structlog
from django.db import transaction

from exchange.domain import quantise
from trading.choices import (
    CancelReason,
    CommandKind,
    CommandState,
    ExitReason,
    TradeState,
)
from trading.domain.order import LIVE
from trading.errors import ActionRefused
from trading.events import record
from trading.execution.applying import apply_exits
from trading.execution.desk import Desk
from trading.execution.executor import want_cancel
from trading.execution.protection import move_stop, want_close
from trading.execution.settling import hand_over
from trading.models import Command, StopMove, Trade
from trading.selectors import LIVE_TRADES, trade_book

logger = structlog.get_logger(__name__)

PLUG_WAIT_S = 45.0
# Commands that stay open until the venue shows their effect.
WAITS_FOR_VENUE = frozenset({CommandKind.CLOSE, CommandKind.REDUCE, CommandKind.FLATTEN})


class CommandRunner:
    """Carries out the commands of one desk, each once, in the order they came."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._wishes: set[str] = set()
        self._perform: dict[str, Callable[[Command], str]] = {
            CommandKind.CLOSE: self._close,
            CommandKind.REDUCE: self._reduce,
            CommandKind.MOVE_STOP: self._move_stop,
            CommandKind.APPLY_EXITS: self._apply_exits,
            CommandKind.CANCEL: self._cancel,
            CommandKind.FLATTEN: self._flatten,
            CommandKind.RESYNC: self._resync,
            CommandKind.RECONCILE: self._reconcile,
            CommandKind.RELEASE: self._release,
            CommandKind.PLUG: self._plug,
        }

    def take(self, wish: str) -> bool:
        """Whether a command asked the loop for ``wish`` since the last call: ``reconcile``,
        ``repair`` or ``read_back``."""
        asked = wish in self._wishes
        self._wishes.discard(wish)
        return asked

    def run(self) -> bool:
        """Claim and carry out what waits, then finish what the venue has shown. True when a
        command was carried out or finished; one that waits for the venue is neither."""
        waiting = Command.objects.filter(
            account=self._desk.account,
            state__in=(CommandState.REQUESTED, CommandState.CLAIMED, CommandState.SENT),
        )
        moved = False
        for command in list(waiting.order_by("id")):
            if command.state == CommandState.SENT:
                moved |= self._follow(command)
            else:
                # One that is claimed lost its trader before the answer; the wish is repeated.
                self._run_one(command)
                moved = True
        return moved

    def _run_one(self, command: Command) -> None:
        now = self._desk.clock.now()
        Command.objects.filter(pk=command.pk).update(state=CommandState.CLAIMED, claimed_at=now)
        try:
            answer = self._perform[command.kind](command)
        except ActionRefused as exc:
            self._finish(command, CommandState.REFUSED, str(exc))
            return
        except Exception as exc:
            # A command is repeated until it has an answer: one that breaks must not break every
            # trader that comes after this one.
            logger.exception("command failed", command=command.pk)
            self._finish(command, CommandState.FAILED, f"{type(exc).__name__}: {exc}")
            return
        if command.kind in WAITS_FOR_VENUE or command.kind == CommandKind.PLUG:
            Command.objects.filter(pk=command.pk).update(state=CommandState.SENT, answer=answer)
        else:
            self._finish(command, CommandState.DONE, answer)

    def _follow(self, command: Command) -> bool:
        """A close is done when the venue shows it, not when it was asked for."""
        if command.kind not in WAITS_FOR_VENUE:
            return False
        trades = Trade.objects.filter(account=self._desk.account, state__in=LIVE_TRADES)
        if command.target:
            trades = trades.filter(pk=command.target)
        if trades.exclude(close_wanted="").exists():
            return False
        self._finish(command, CommandState.DONE, "confirmed by the exchange")
        return True

    def _finish(self, command: Command, state: CommandState, answer: str) -> None:
        with transaction.atomic():
            Command.objects.filter(pk=command.pk).update(
                state=state, answer=answer[:300], finished_at=self._desk.clock.now()
            )
            record(
                "command_finished",
                f"{command.get_kind_display()}: {state.label.lower()}, {answer.rstrip('.')}.",
                account=self._desk.account,
                data={"command": command.pk, "trade": command.target},
                market_time=self._desk.market.now(),
            )

    def _trade(self, command: Command, *states: TradeState) -> Trade:
        trade = Trade.objects.filter(account=self._desk.account, pk=command.target).first()
        if trade is None:
            raise ActionRefused(f"this account has no trade {command.target}")
        if trade.state not in states:
            raise ActionRefused(f"the trade is {TradeState(trade.state).label.lower()}")
        if command.expected_version is not None and command.expected_version != trade.version:
            raise ActionRefused("the trade has changed since you looked; look again")
        return trade

    def _close(self, command: Command) -> str:
        # A close is right whatever has changed since: the version is not asked.
        command.expected_version = None
        until = command.payload.get("until")
        if until and self._desk.market.now() > datetime.fromisoformat(until):
            raise ActionRefused("the signal behind it is older than a bar")
        trade = self._trade(command, TradeState.OPEN, TradeState.PENDING)
        # An entry may fill while it is taken back; then the trade is closed like any other.
        want_cancel(trade, CancelReason.MANUAL)
        want_close(trade, ExitReason(command.payload.get("reason", ExitReason.MANUAL)))
        return "closing"

    def _reduce(self, command: Command) -> str:
        trade = self._trade(command, TradeState.OPEN)
        target = _amount(command, "qty")
        if not 0 < target < trade_book(trade).open_qty:
            raise ActionRefused("the quantity to keep must be above 0 and below what is open")
        instrument = self._desk.market.instrument(trade.symbol)
        if instrument.floor_qty(target) != target:
            raise ActionRefused(f"the quantity must be a multiple of {instrument.qty_step}")
        if trade.close_wanted and trade.target_qty == 0:
            raise ActionRefused("the trade is being closed")
        Trade.objects.filter(pk=trade.pk).update(close_wanted=ExitReason.MANUAL, target_qty=target)
        return f"reducing to {target}"

    def _move_stop(self, command: Command) -> str:
        trade = self._trade(command, TradeState.OPEN)
        move = StopMove(
            trade=trade,
            rule="manual",
            old_stop=trade.stop_loss,
            new_stop=_amount(command, "stop_loss"),
            old_target=trade.take_profit,
            new_target=_amount(command, "take_profit"),
            numbers={},
            actor=command.actor,
            market_time=self._desk.market.now(),
        )
        if not move_stop(self._desk, trade, move):
            raise ActionRefused(f"the exchange did not take it: {move.answer}")
        return "set"

    def _apply_exits(self, command: Command) -> str:
        return apply_exits(self._desk, self._trade(command, TradeState.OPEN), command)

    def _cancel(self, command: Command) -> str:
        trade = self._trade(command, TradeState.PENDING, TradeState.OPEN)
        reason = CancelReason(command.payload.get("reason", CancelReason.MANUAL))
        return f"{want_cancel(trade, reason)} entries asked back"

    def _flatten(self, command: Command) -> str:
        live = list(Trade.objects.filter(account=self._desk.account, state__in=LIVE_TRADES))
        entries = sum(want_cancel(trade, CancelReason.KILL_SWITCH) for trade in live)
        for trade in live:
            want_close(trade, ExitReason.KILL_SWITCH)
        return f"closing {len(live)} trades, {entries} entries asked back"

    def _resync(self, command: Command) -> str:
        self._wishes.add("read_back")
        return "stops are read back"

    def _reconcile(self, command: Command) -> str:
        if command.payload.get("wallet"):
            self._desk.wallet_asked.set()
            return "comparing the wallet with the exchange's log"
        self._wishes.add("reconcile")
        if not command.payload.get("repair"):
            return "comparing with the exchange"
        self._wishes.add("repair")
        return "comparing with the exchange and mending what is proved"

    def _release(self, command: Command) -> str:
        trade = self._trade(command, TradeState.OPEN)
        if trade.orders.filter(state__in=LIVE).exists():
            raise ActionRefused("an order of the trade is working; cancel it first")
        open_qty = trade_book(trade).open_qty
        with transaction.atomic():
            hand_over(trade, open_qty, self._desk.market.now())
        self._wishes.add("reconcile")
        return f"{open_qty.normalize():f} {trade.symbol} handed over; stop and target stay there"

    def _plug(self, command: Command) -> str:
        if not self._desk.account.uses_paper_ledger:
            raise ActionRefused("only simulated venues have a plug to pull")
        plug = self._desk.plug
        plug.armed, plug.command_id = True, command.pk
        plug.deadline = self._desk.clock.monotonic() + PLUG_WAIT_S
        return "the trader dies at its next order"


def _amount(command: Command, name: str) -> Decimal:
    try:
        value = Decimal(str(command.payload[name]))
    except (KeyError, InvalidOperation) as exc:
        raise ActionRefused(f"{name} must be a number") from exc
    if not value.is_finite() or value < 0 or value != quantise(value):
        raise ActionRefused(f"{name} must be a number from 0 with at most 8 decimal places")
    return value
