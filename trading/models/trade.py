"""A trade from its entry order to its close, the moves of its stop, and the money around it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from exchange.fields import AmountField
from exchange.models import ExchangeAccount
from trading.choices import (
    CancelReason,
    CashflowKind,
    ExitReason,
    TradeState,
)
from trading.models.bot import Bot
from trading.models.cycle import Signal


class Trade(models.Model):
    """One round trip: opens at its first fill, is protected from then, closes when flat.

    ``entry_value``, ``exit_value`` are sums of price x quantity in USDT. ``protected_at`` is the
    wall time at which the stop was last read back; ``naked_since`` the wall time since which no
    confirmed stop covers the position. ``*_market`` fields are market time; ``closed_market`` is
    that of the newest exit, also of one that left a part open.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="trades")
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="trades")
    signal = models.OneToOneField(Signal, on_delete=models.PROTECT, related_name="trade")
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4, help_text="buy: long; sell: short.")
    state = models.CharField(max_length=9, choices=TradeState.choices, default=TradeState.PENDING)
    version = models.PositiveIntegerField(default=0, help_text="Counts changes; guards commands.")
    planned_qty = AmountField()
    planned_risk = AmountField()
    entry_qty = AmountField(default=0)
    entry_value = AmountField(default=0)
    exit_qty = AmountField(default=0)
    exit_value = AmountField(default=0)
    released_qty = AmountField(
        default=0, help_text="Handed over, or gone without a trace: not ours any more."
    )
    fees = AmountField(default=0)
    funding = AmountField(default=0, help_text="Greater than 0 is paid.")
    initial_stop = AmountField()
    initial_target = AmountField()
    stop_loss = AmountField(help_text="As we want it to stand on the venue.")
    take_profit = AmountField(help_text="As we want it to stand on the venue.")
    stop_rule = models.CharField(max_length=20, blank=True, help_text="Rule that set the stop.")
    leverage = AmountField()
    atr = AmountField()
    exit_settings = models.JSONField(default=dict)
    invalidation = models.JSONField(
        default=dict, blank=True, help_text="What proves the idea wrong, as its analysis said."
    )
    created_market = models.DateTimeField()
    opened_market = models.DateTimeField(null=True)
    closed_market = models.DateTimeField(null=True)
    managed_until = models.DateTimeField(null=True, help_text="Close of the last candle managed.")
    protected_at = models.DateTimeField(null=True)
    naked_since = models.DateTimeField(null=True)
    longest_naked_ms = models.PositiveIntegerField(default=0)
    close_wanted = models.CharField(
        max_length=20, blank=True, choices=ExitReason.choices, help_text="Why it must shrink."
    )
    target_qty = AmountField(null=True, help_text="Quantity it must shrink to; 0 closes it.")
    exit_reason = models.CharField(max_length=20, blank=True, choices=ExitReason.choices)
    cancel_reason = models.CharField(max_length=20, blank=True, choices=CancelReason.choices)
    net_pnl = AmountField(null=True)
    r_multiple = AmountField(null=True)
    best_price = AmountField(null=True, help_text="Most favourable price while it was open.")
    worst_price = AmountField(null=True, help_text="Least favourable price while it was open.")
    entry_slippage = AmountField(
        null=True, help_text="USDT; greater than 0: worse than the price of the signal."
    )
    exit_slippage = AmountField(
        null=True, help_text="USDT; greater than 0: worse than the stop, target or quote."
    )
    unverifiable = models.BooleanField(
        default=False, help_text="Prices were missing while it was open: out of statistics."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("account", "symbol"),
                condition=models.Q(state__in=(TradeState.PENDING, TradeState.OPEN)),
                name="one_live_trade_per_symbol",
            )
        ]
        indexes = [
            models.Index(fields=("account", "state"), name="trade_account_state"),
            models.Index(fields=("account", "closed_market"), name="trade_account_closed"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {'long' if self.side == 'buy' else 'short'} {self.state}"


class StopMove(models.Model):
    """A change of stop or target: the rule, its numbers, and the venue's answer. Append only."""

    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="stop_moves")
    rule = models.CharField(max_length=20)
    old_stop = AmountField()
    new_stop = AmountField()
    old_target = AmountField()
    new_target = AmountField()
    numbers = models.JSONField(default=dict)
    answer = models.CharField(max_length=200, blank=True)
    accepted = models.BooleanField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    market_time = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.trade}: {self.old_stop} to {self.new_stop} ({self.rule})"


class Cashflow(models.Model):
    """Funding and transfers of an account, booked once. ``amount`` changes the wallet (USDT)."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="cashflows")
    entry_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=CashflowKind.choices)
    symbol = models.CharField(max_length=40, blank=True)
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, null=True, related_name="cashflows")
    amount = AmountField()
    time = models.DateTimeField(help_text="Market time.")

    class Meta:
        ordering = ("time", "id")
        constraints = [
            models.UniqueConstraint(fields=("account", "entry_id"), name="cashflow_booked_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} USDT"


class EquityPoint(models.Model):
    """Wallet and equity of an account at one instant of market time."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="equity_points"
    )
    time = models.DateTimeField(help_text="Market time.")
    wallet = AmountField()
    equity = AmountField()
    unit_value = AmountField(
        null=True, help_text="Equity per unit, 1 at the start; transfers do not move it."
    )

    class Meta:
        ordering = ("account", "time")
        constraints = [models.UniqueConstraint(fields=("account", "time"), name="one_equity_point")]

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M}: {self.equity} USDT"
