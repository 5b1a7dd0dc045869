"""Commands to the trader, its lease, and the record of what happened and who did it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from exchange.models import ExchangeAccount
from trading.choices import (
    CommandKind,
    CommandState,
    EventLevel,
)


class Command(models.Model):
    """A wish of an operator. Everyone but the trader only writes rows; the trader claims them.

    ``target`` is a trade id (0: the account). ``expected_version`` is the trade's version the
    operator saw; a different one refuses the command. All times are wall time.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="commands")
    kind = models.CharField(max_length=12, choices=CommandKind.choices)
    target = models.PositiveBigIntegerField(default=0)
    payload = models.JSONField(default=dict)
    expected_version = models.PositiveIntegerField(null=True)
    idempotency_key = models.CharField(max_length=64, unique=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    state = models.CharField(
        max_length=9, choices=CommandState.choices, default=CommandState.REQUESTED
    )
    answer = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=("account", "state"), name="command_account_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.target}: {self.state}"


class Lease(models.Model):
    """The right to trade an account. ``token`` grows with every change of hands. Wall time."""

    account = models.OneToOneField(ExchangeAccount, on_delete=models.PROTECT, related_name="lease")
    token = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=120, blank=True, help_text="boot id/pid/start of process")
    host = models.CharField(max_length=120, blank=True)
    pid = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField()
    acquired_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    reconciled = models.BooleanField(default=False, help_text="Reconciled since it was acquired.")
    status = models.CharField(max_length=200, blank=True)
    doubts = models.JSONField(default=list, help_text="Why entries are off, in words.")
    external_symbols = models.JSONField(default=list, help_text="Positions that are not ours.")
    orphan_orders = models.JSONField(
        default=list, help_text="Working orders on the venue that nothing of ours explains."
    )
    compared_at = models.DateTimeField(
        null=True, help_text="Wall time at which ledger and exchange were last found to agree."
    )
    agreed_until = models.DateTimeField(
        null=True, help_text="Market time up to which ledger and exchange were found to agree."
    )

    def __str__(self) -> str:
        return f"{self.account}: token {self.token} held by {self.holder or 'nobody'}"


class Event(models.Model):
    """Something happened. Inserted last in its transaction, published after commit. Append only.

    ``data`` carries ids and numbers for the console; ``text`` is the sentence for people.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, null=True, related_name="events"
    )
    mode = models.CharField(max_length=8, blank=True)
    kind = models.CharField(max_length=40)
    level = models.CharField(max_length=8, choices=EventLevel.choices, default=EventLevel.INFO)
    text = models.CharField(max_length=300)
    data = models.JSONField(default=dict)
    market_time = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    processed = models.DateTimeField(null=True, help_text="When notifications took it.")

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=("account", "-id"), name="event_account"),
            models.Index(fields=("kind", "-id"), name="event_kind"),
        ]

    def __str__(self) -> str:
        return self.text


class OperatorAction(models.Model):
    """Who did what, when, to which row, and why. Append only."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=120)
    reason = models.CharField(max_length=300, blank=True)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.actor or 'system'}: {self.action} {self.target}"
