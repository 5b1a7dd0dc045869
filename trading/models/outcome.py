"""What would have become of signals that never traded, and the candles that tell."""

from __future__ import annotations

from django.db import models

from exchange.fields import AmountField
from trading.choices import CounterfactualState, ExitReason
from trading.models.cycle import Signal


class Counterfactual(models.Model):
    """The life a signal would have had if nothing had stopped it. Market time.

    ``stopped_by`` is the rule that rejected it, or ``refused``, ``expired`` or the rule that
    dropped it before sending. Results are per unit of risk, after fees and slippage.
    """

    signal = models.OneToOneField(Signal, on_delete=models.CASCADE, related_name="counterfactual")
    stopped_by = models.CharField(max_length=40)
    state = models.CharField(
        max_length=8, choices=CounterfactualState.choices, default=CounterfactualState.FOLLOWED
    )
    followed_to = models.DateTimeField(help_text="Close of the last candle looked at.")
    entry_time = models.DateTimeField(null=True)
    entry_price = AmountField(null=True)
    exit_time = models.DateTimeField(null=True)
    exit_price = AmountField(null=True)
    exit_reason = models.CharField(max_length=20, blank=True, choices=ExitReason.choices)
    r_multiple = AmountField(null=True)
    best_r = AmountField(null=True)
    worst_r = AmountField(null=True)
    note = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=("state",), name="counterfactual_state")]

    def __str__(self) -> str:
        return f"{self.signal}: {self.stopped_by}"


class MonitorCandle(models.Model):
    """A candle that exit rules ran on, kept where the market can't be asked for it for ever."""

    market = models.CharField(max_length=40, help_text="Which prices, such as bybit:global.")
    symbol = models.CharField(max_length=40)
    open_time = models.DateTimeField()
    seconds = models.PositiveIntegerField()
    open = AmountField()
    high = AmountField()
    low = AmountField()
    close = AmountField()
    volume = AmountField()

    class Meta:
        ordering = ("open_time",)
        constraints = [
            models.UniqueConstraint(
                fields=("market", "symbol", "seconds", "open_time"), name="one_monitor_candle"
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.open_time:%Y-%m-%d %H:%M}"
