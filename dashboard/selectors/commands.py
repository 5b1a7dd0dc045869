"""What became of the wishes that operators sent to the trader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from dashboard import format as fmt
from exchange.models import ExchangeAccount
from trading.choices import CommandKind, CommandState
from trading.models import Command

UNFINISHED = (CommandState.REQUESTED, CommandState.CLAIMED, CommandState.SENT)
SHOWN_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class CommandNote:
    """A command with its state in words; ``working`` until its state is final."""

    id: int
    target: int
    kind: str
    state: str
    state_label: str
    answer: str
    working: bool
    created_at: datetime


def command_note(command: Command) -> CommandNote:
    """The command as pages show it."""
    return CommandNote(
        id=command.pk,
        target=command.target,
        kind=CommandKind(command.kind).label,
        state=command.state,
        state_label=CommandState(command.state).label,
        answer=fmt.one_stop(command.answer),
        working=command.state in UNFINISHED,
        created_at=command.created_at,
    )


def commands_shown(account: ExchangeAccount) -> list[CommandNote]:
    """Unfinished commands of ``account`` and those that finished within a minute, newest first."""
    recent = timezone.now() - SHOWN_FOR
    rows = Command.objects.filter(
        Q(state__in=UNFINISHED) | Q(finished_at__gte=recent), account=account
    ).order_by("-id")[:20]
    return [command_note(command) for command in rows]


def by_target(notes: Iterable[CommandNote]) -> dict[int, CommandNote]:
    """The newest note of each trade; ``notes`` come newest first."""
    found: dict[int, CommandNote] = {}
    for note in notes:
        if note.target:
            found.setdefault(note.target, note)
    return found
