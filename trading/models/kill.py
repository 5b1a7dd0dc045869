"""A use of the kill switch, and everything it has to see done."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from exchange.models import ExchangeAccount
from trading.choices import KillLevel, KillStepKind
from trading.models.order import Order
from trading.models.trade import Trade


class KillRun(models.Model):
    """One press of the kill switch, for one account or (null) for all. Wall time.

    It is done when no step is open, which only reports of the venue can bring about.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="kill_runs"
    )
    level = models.PositiveSmallIntegerField(choices=KillLevel.choices)
    drill = models.BooleanField(default=False, help_text="An exercise on paper.")
    reason = models.CharField(max_length=200)
    channel = models.CharField(max_length=12, help_text="console, admin, command.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    pressed_at = models.DateTimeField(help_text="When the request came in.")
    committed_at = models.DateTimeField(help_text="When entries were off for good.")
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_level_display()}: {self.account or 'everything'}"


class KillStep(models.Model):
    """One thing a kill waits for; open until ``done_at``."""

    run = models.ForeignKey(KillRun, on_delete=models.CASCADE, related_name="steps")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT)
    kind = models.CharField(max_length=12, choices=KillStepKind.choices)
    symbol = models.CharField(max_length=40, blank=True)
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, null=True, blank=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = [
            # Whoever presses and every trader note what is to be seen done, each thing once.
            models.UniqueConstraint(fields=("run", "order"), name="one_kill_step_per_order"),
            models.UniqueConstraint(fields=("run", "trade"), name="one_kill_step_per_trade"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.symbol}".strip()
