"""A cycle, what it saw, what it proposed, and who approved it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from analysis.models import Analysis
from exchange.fields import AmountField
from exchange.models import ExchangeAccount
from trading.choices import (
    ApprovalDecision,
    CycleState,
    SignalState,
    StepStatus,
)
from trading.models.bot import Bot


class Cycle(models.Model):
    """One bot at one candle boundary. Only attempt 0 may trade."""

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="cycles")
    timeframe = models.CharField(max_length=4)
    boundary = models.DateTimeField(help_text="Close of the candle, market time.")
    attempt = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=9, choices=CycleState.choices, default=CycleState.DUE)
    reason = models.CharField(max_length=300, blank=True, help_text="Why skipped or failed.")
    claimed_by = models.CharField(max_length=60, blank=True)
    claimed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-boundary", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("bot", "timeframe", "boundary", "attempt"), name="one_cycle_per_boundary"
            )
        ]
        indexes = [models.Index(fields=("state", "created_at"), name="cycle_state")]

    def __str__(self) -> str:
        return f"{self.bot} {self.timeframe} {self.boundary:%Y-%m-%d %H:%M}"

    @property
    def observe_only(self) -> bool:
        return self.attempt > 0


class CycleStep(models.Model):
    """What one step of a cycle did, how long it took, and why it failed or was skipped."""

    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    status = models.CharField(max_length=7, choices=StepStatus.choices)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    summary = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("cycle", "number")
        constraints = [
            models.UniqueConstraint(fields=("cycle", "number"), name="one_row_per_cycle_step")
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}: {self.status}"


class Signal(models.Model):
    """What validation made of one symbol in one cycle, rejected or not, with every number.

    ``verdicts`` is a list of {rule, passed, value, limit, text} in the order they were asked; the
    first that failed is ``rule``. Times are market time but for ``created_at`` and ``expires_at``.
    """

    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, related_name="signals")
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="signals")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="signals")
    analysis = models.ForeignKey(
        Analysis, on_delete=models.PROTECT, null=True, related_name="signals"
    )
    symbol = models.CharField(max_length=40)
    direction = models.CharField(max_length=5)
    decided_at = models.DateTimeField()
    entry_price = AmountField(null=True)
    stop_loss = AmountField(null=True)
    take_profit = AmountField(null=True)
    worst_price = AmountField(null=True, help_text="Worst price the entry may fill at.")
    order_type = models.CharField(max_length=6, blank=True)
    time_in_force = models.CharField(max_length=3, blank=True)
    limit_price = AmountField(null=True)
    trigger_price = AmountField(null=True, help_text="Last price at which a breakout is sent.")
    qty = AmountField(null=True)
    leverage = AmountField(null=True)
    risk_amount = AmountField(null=True, help_text="USDT lost at the stop, costs included.")
    confidence = AmountField(null=True)
    confidence_parts = models.JSONField(default=dict)
    calibration = models.JSONField(
        default=dict, help_text="What trades of this confidence came to before, and how many."
    )
    rr_net = AmountField(null=True)
    atr = AmountField(null=True)
    rank = models.PositiveSmallIntegerField(null=True)
    verdicts = models.JSONField(default=list)
    rule = models.CharField(max_length=40, blank=True, help_text="First rule that failed.")
    sizing = models.JSONField(default=dict, help_text="The arithmetic, and in words.")
    state = models.CharField(max_length=9, choices=SignalState.choices)
    state_reason = models.CharField(max_length=300, blank=True)
    limits_version = models.PositiveIntegerField(default=0)
    payload_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("cycle", "symbol"), name="one_signal_per_symbol"),
            models.CheckConstraint(
                condition=models.Q(qty=None) | models.Q(qty__gt=0), name="signal_qty_positive"
            ),
        ]
        indexes = [
            models.Index(fields=("account", "state"), name="signal_account_state"),
            models.Index(fields=("account", "symbol", "decided_at"), name="signal_symbol_time"),
            # Covers all that the funnel counts: the rows themselves carry their verdicts.
            models.Index(
                fields=(
                    "account",
                    "decided_at",
                    "rule",
                    "state",
                    "symbol",
                    "bot",
                    "cycle",
                    "rr_net",
                    "confidence",
                ),
                name="signal_funnel",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.direction} {self.state}"


class Approval(models.Model):
    """One question to a person, answered once and bound to exactly one payload. Wall time."""

    signal = models.OneToOneField(Signal, on_delete=models.PROTECT, related_name="approval")
    payload_hash = models.CharField(max_length=64)
    decision = models.CharField(
        max_length=8, choices=ApprovalDecision.choices, default=ApprovalDecision.WAITING
    )
    channel = models.CharField(max_length=12, blank=True, help_text="console, rule.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=("decision", "expires_at"), name="approval_waiting")]

    def __str__(self) -> str:
        return f"{self.signal}: {self.decision}"
