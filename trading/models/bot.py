"""Who trades, within which limits, and whether trading is allowed at all."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from analysis.models import AnalystProfile, PromptVersion
from exchange.domain import TIMEFRAMES
from exchange.fields import AmountField
from exchange.models import ExchangeAccount
from trading.choices import (
    AiFallback,
    Autonomy,
    BotState,
    RiskProfile,
    TradingStateName,
)
from trading.domain.caps import CAPS, cap_refusal
from trading.domain.invalid import SettingsInvalid
from trading.domain.protection_json import protections_of
from trading.domain.tighter import tighter_of


def timeframes() -> list[tuple[str, str]]:
    return [(name, name) for name in TIMEFRAMES]


class Bot(models.Model):
    """One strategy on one account: symbols, timeframe, analyst and how far it may go alone."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="bots")
    name = models.CharField(max_length=60, unique=True)
    timeframe = models.CharField(max_length=4, choices=timeframes, default="1h")
    symbols = models.JSONField(default=list, help_text='For example ["BTCUSDT", "ETHUSDT"].')
    analyst_profile = models.ForeignKey(AnalystProfile, on_delete=models.PROTECT)
    prompt_version = models.ForeignKey(
        PromptVersion, on_delete=models.PROTECT, null=True, blank=True
    )
    autonomy = models.CharField(max_length=8, choices=Autonomy.choices, default=Autonomy.APPROVE)
    capital_share = AmountField(default=1, help_text="Share of the wallet, 0 to 1.")
    exit_settings = models.JSONField(
        default=dict, blank=True, help_text="Frozen into each trade at its entry."
    )
    tighter_limits = models.JSONField(
        default=dict, blank=True, help_text="Limits stricter than the account's."
    )
    entry_settings = models.JSONField(
        default=dict, blank=True, help_text="How entries are sized and placed; empty for defaults."
    )
    ai_daily_cap = AmountField(
        null=True, blank=True, help_text="US dollars of AI cost a day; empty for the account's."
    )
    ai_fallback = models.CharField(
        max_length=9,
        choices=AiFallback.choices,
        default=AiFallback.STOP,
        help_text="When the AI budget is spent or its server fails.",
    )
    ai_cost_accepted = AmountField(
        null=True,
        blank=True,
        help_text="AI cost per month, as a share of equity, that a person has agreed to.",
    )
    state = models.CharField(max_length=8, choices=BotState.choices, default=BotState.PAUSED)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(capital_share__gt=0, capital_share__lte=1),
                name="bot_capital_share",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        symbols = self.symbols
        if not isinstance(symbols, list) or not all(isinstance(s, str) for s in symbols):
            raise ValidationError({"symbols": 'Write a list of symbols, for example ["BTCUSDT"].'})
        if not symbols:
            raise ValidationError({"symbols": "A bot needs at least one symbol."})
        if len(set(symbols)) != len(symbols):
            raise ValidationError({"symbols": "A symbol stands in the list twice."})
        try:
            tighter_of(self.tighter_limits)
        except SettingsInvalid as exc:
            raise ValidationError({"tighter_limits": f"{exc}."}) from exc


class RiskLimits(models.Model):
    """Limits of an account. Every change is a new version; shares and fractions are 0 to 1."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="risk_limits"
    )
    version = models.PositiveIntegerField()
    profile = models.CharField(max_length=12, choices=RiskProfile.choices)
    min_confidence = AmountField()
    min_rr_net = AmountField()
    risk_per_trade = AmountField(help_text="Of the sizing base, lost at the stop.")
    max_slots = models.PositiveSmallIntegerField()
    max_same_direction = models.PositiveSmallIntegerField()
    max_entries_per_day = models.PositiveSmallIntegerField()
    max_open_risk = AmountField(help_text="Of equity.")
    max_same_direction_risk = AmountField(help_text="Of equity.")
    max_daily_loss = AmountField(help_text="Of equity at 00:00 UTC.")
    max_weekly_loss = AmountField(help_text="Of equity on Monday 00:00 UTC.")
    max_drawdown = AmountField(help_text="Of the highest equity since the peak was last re-based.")
    half_size_losses = models.PositiveSmallIntegerField(
        default=4, help_text="Losses in a row after which size is halved; 0: never."
    )
    pause_losses = models.PositiveSmallIntegerField(
        default=6, help_text="Losses in a row after which entries pause for 24 hours; 0: never."
    )
    max_per_group = models.PositiveSmallIntegerField(
        default=1, help_text="Positions in one group of symbols; 0: any number."
    )
    weekend_half_size = models.BooleanField(
        default=True, help_text="Half size for all but majors, Friday 22:00 to Sunday 22:00 UTC."
    )
    max_position_notional = AmountField(help_text="Multiple of equity.")
    max_gross_exposure = AmountField(help_text="Multiple of equity.")
    max_leverage = AmountField()
    filters = models.JSONField(
        default=dict, blank=True, help_text="Market filters that differ from the defaults."
    )
    protections = models.JSONField(
        default=list, blank=True, help_text="Pauses after losses, each with its look-back."
    )
    ai_daily_cap = AmountField(
        null=True,
        blank=True,
        help_text="US dollars of AI cost a day; empty for the lower of 1 and 0.1 % of equity.",
    )
    note = models.CharField(max_length=200, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("account", "-version")
        verbose_name_plural = "risk limits"
        constraints = [
            models.UniqueConstraint(fields=("account", "version"), name="risk_limits_version")
        ]

    def __str__(self) -> str:
        return f"{self.account}: limits v{self.version} ({self.profile})"

    def clean(self) -> None:
        """Refuse what is beyond a hard cap, and protections that can't be read."""
        found: dict[str, str] = {}
        for name in CAPS:
            value = getattr(self, name)
            refusal = "" if value is None else cap_refusal(name, value)
            if refusal:
                found[name] = refusal
        try:
            protections_of(self.protections, timedelta(days=1))
        except SettingsInvalid as exc:
            found["protections"] = f"{exc}."
        if found:
            raise ValidationError(found)


class TradingState(models.Model):
    """Whether entries are allowed. Account null is the state of the whole installation."""

    account = models.OneToOneField(
        ExchangeAccount,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="trading_state",
    )
    state = models.CharField(
        max_length=8, choices=TradingStateName.choices, default=TradingStateName.ACTIVE
    )
    reason = models.CharField(max_length=200, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            # A null is distinct from a null in a unique column, so the global row is pinned here.
            models.UniqueConstraint(
                models.expressions.Value(1),
                condition=models.Q(account=None),
                name="one_global_trading_state",
            )
        ]

    def __str__(self) -> str:
        return f"{self.account or 'everything'}: {self.state}"
