"""Orders as we intend and know them, and the fills that happened."""

from __future__ import annotations

from django.db import models

from exchange.fields import AmountField
from exchange.models import ExchangeAccount
from trading.choices import (
    CancelReason,
    ExitReason,
    OrderRole,
    OrderState,
)
from trading.models.cycle import Signal
from trading.models.trade import Trade


class Order(models.Model):
    """One intent, committed before it is sent, and at most one order on the venue, ever.

    ``*_at`` fields are wall time; ``created_market`` and ``expires_market`` are market time.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="orders")
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="orders")
    signal = models.ForeignKey(
        Signal, on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    order_link_id = models.CharField(max_length=36, unique=True)
    venue_order_id = models.CharField(max_length=40, blank=True)
    role = models.CharField(max_length=1, choices=OrderRole.choices)
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4)
    order_type = models.CharField(max_length=6)
    time_in_force = models.CharField(max_length=3)
    qty = AmountField(help_text="0 closes whatever is open.")
    price = AmountField(null=True)
    trigger_price = AmountField(null=True, help_text="Last price at which the venue sends it.")
    reference_price = AmountField(
        null=True, help_text="Last price when an exit was asked for; slippage is counted from it."
    )
    stop_loss = AmountField(null=True)
    take_profit = AmountField(null=True)
    reduce_only = models.BooleanField(default=False)
    close_all = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=OrderState.choices, default=OrderState.CREATED)
    filled_qty = AmountField(default=0)
    avg_price = AmountField(null=True)
    reject_reason = models.CharField(max_length=200, blank=True)
    cancel_reason = models.CharField(max_length=20, blank=True, choices=CancelReason.choices)
    exit_reason = models.CharField(max_length=20, blank=True, choices=ExitReason.choices)
    lease_token = models.PositiveBigIntegerField(default=0)
    created_market = models.DateTimeField()
    expires_market = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    unknown_since = models.DateTimeField(null=True)
    not_found_count = models.PositiveSmallIntegerField(default=0)
    last_lookup_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("signal",),
                condition=models.Q(role=OrderRole.ENTRY),
                name="one_entry_per_signal",
            ),
            models.UniqueConstraint(
                fields=("trade",),
                condition=models.Q(role=OrderRole.ENTRY),
                name="one_entry_per_trade",
            ),
            models.CheckConstraint(
                condition=models.Q(qty__gt=0) | models.Q(close_all=True), name="order_qty_positive"
            ),
        ]
        indexes = [models.Index(fields=("account", "state"), name="order_account_state")]

    def __str__(self) -> str:
        return f"{self.order_link_id} {self.side} {self.qty} {self.symbol}: {self.state}"


class Execution(models.Model):
    """A fill on the account, booked once. Append only. ``order`` is null for the venue's own
    orders (attached stop and target) and for other people's."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="executions"
    )
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, related_name="executions")
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, null=True, related_name="executions")
    exec_id = models.CharField(max_length=64)
    venue_order_id = models.CharField(max_length=40)
    order_link_id = models.CharField(max_length=36, blank=True)
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4)
    qty = AmountField()
    trade_qty = AmountField(
        null=True, help_text="What the trade counts of it where that is not all of it."
    )
    price = AmountField()
    fee = AmountField(help_text="Greater than 0 is paid.")
    is_maker = models.BooleanField()
    kind = models.CharField(max_length=12)
    time = models.DateTimeField(help_text="Market time.")
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("time", "id")
        constraints = [
            models.UniqueConstraint(fields=("account", "exec_id"), name="execution_booked_once"),
            models.CheckConstraint(condition=models.Q(qty__gt=0), name="execution_qty_positive"),
        ]
        indexes = [models.Index(fields=("account", "time"), name="execution_account_time")]

    def __str__(self) -> str:
        return f"{self.exec_id} {self.side} {self.qty} {self.symbol} at {self.price}"
