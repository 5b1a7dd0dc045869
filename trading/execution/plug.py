"""What an operator learns after pulling the plug: did recovery hold its promises?"""

from __future__ import annotations

from django.db import transaction

from exchange.errors import ExchangeError
from trading.choices import CommandKind, CommandState, EventLevel, OrderRole
from trading.events import record
from trading.execution.agreement import disagreements
from trading.execution.desk import Desk
from trading.models import Command, Order, Trade


def note_death(desk: Desk) -> None:
    """The one thing a dying trader leaves: when it died, and what was on its way."""
    now = desk.clock.now()
    Command.objects.filter(pk=desk.plug.command_id).update(
        payload={
            "died_at": now.isoformat(),
            "died": now.timestamp(),
            "in_flight": desk.plug.in_flight or "nothing",
        }
    )


def tell_recovery(desk: Desk) -> None:
    """After a start: tell the result of each pulled plug, measured against the venue's ledger."""
    pulled = Command.objects.filter(
        account=desk.account, kind=CommandKind.PLUG, state=CommandState.SENT
    )
    for command in pulled:
        _tell(desk, command)


def _tell(desk: Desk, command: Command) -> None:
    now = desk.clock.now()
    died = float(command.payload.get("died", now.timestamp()))
    recovered_s = round(now.timestamp() - died, 2)
    duplicates = duplicate_entries(desk)
    naked_ms = max(
        Trade.objects.filter(account=desk.account).values_list("longest_naked_ms", flat=True),
        default=0,
    )
    try:
        agree = desk.reconciled and not disagreements(desk)
    except ExchangeError:
        agree = False
    in_flight = command.payload.get("in_flight", "nothing")
    text = (
        f"Recovered in {recovered_s} s; in flight: {in_flight}; duplicate orders: {duplicates}; "
        f"longest time without a stop: {naked_ms} ms; ledgers "
        f"{'agree' if agree else 'DIFFER'}."
    )
    with transaction.atomic():
        Command.objects.filter(pk=command.pk).update(
            state=CommandState.DONE, answer=text, finished_at=now
        )
        record(
            "plug_result",
            text,
            account=desk.account,
            level=EventLevel.NOTICE if agree and not duplicates else EventLevel.CRITICAL,
            data={
                "command": command.pk,
                "recovered_s": recovered_s,
                "duplicate_orders": duplicates,
                "longest_naked_ms": naked_ms,
                "ledgers_agree": agree,
                "in_flight": in_flight,
            },
            market_time=desk.market.now(),
        )


def duplicate_entries(desk: Desk) -> int:
    """Entry orders that left beyond one per signal."""
    entries = Order.objects.filter(account=desk.account, role=OrderRole.ENTRY)
    signal_of = dict(entries.exclude(submitted_at=None).values_list("order_link_id", "signal_id"))
    return len(signal_of) - len(set(signal_of.values()))
