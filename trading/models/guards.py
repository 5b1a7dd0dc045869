"""What stops entries besides limits: groups of symbols, blackouts, and the peak of equity."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from exchange.fields import AmountField
from exchange.models import ExchangeAccount
from trading.choices import BlackoutAction, BlackoutKind
from trading.domain.blackouts import BlackoutTimes, blackout_problem


class SymbolGroup(models.Model):
    """Symbols that tend to move together and count as one bet."""

    name = models.CharField(max_length=40, unique=True)
    symbols = models.JSONField(default=list, help_text='For example ["BTCUSDT", "ETHUSDT"].')

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if not isinstance(self.symbols, list) or not all(isinstance(s, str) for s in self.symbols):
            raise ValidationError({"symbols": 'Write a list of symbols, for example ["BTCUSDT"].'})


class Blackout(models.Model):
    """A named window in market time in which less or nothing is traded.

    ``once``: from ``starts_at`` to ``ends_at``. ``weekly``: from ``weekday`` (0 is Monday) and
    ``clock`` on for ``minutes``. ``ics``: the events of the calendar in ``calendar``.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="blackouts"
    )
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=6, choices=BlackoutKind.choices)
    action = models.CharField(
        max_length=10, choices=BlackoutAction.choices, default=BlackoutAction.NO_ENTRIES
    )
    symbols = models.JSONField(default=list, blank=True, help_text="Empty: all symbols.")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    weekday = models.PositiveSmallIntegerField(null=True, blank=True, help_text="0 is Monday.")
    clock = models.TimeField(null=True, blank=True, help_text="UTC.")
    minutes = models.PositiveIntegerField(null=True, blank=True)
    calendar = models.TextField(blank=True, help_text="An iCalendar file (ICS).")
    source = models.CharField(max_length=80, blank=True, help_text="Where it came from.")
    source_key = models.CharField(
        max_length=120, null=True, blank=True, unique=True, help_text="Its id there."
    )
    is_active = models.BooleanField(default=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if not self.name.strip():
            raise ValidationError({"name": "A blackout needs a name."})
        if self.kind not in set(BlackoutKind):
            return
        times = BlackoutTimes(
            kind=BlackoutKind(self.kind),
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            weekday=self.weekday,
            clock=self.clock,
            minutes=self.minutes,
            calendar=self.calendar,
        )
        field, problem = blackout_problem(times, self.symbols)
        if problem:
            raise ValidationError({field: problem})


class PeakBase(models.Model):
    """From when on the peak of an account's equity is counted. Append only."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="peak_bases"
    )
    time = models.DateTimeField(help_text="Market time.")
    unit_value = AmountField(default=1, help_text="Equity per unit then: the new peak.")
    reason = models.CharField(max_length=200)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.account}: peak counted from {self.time:%Y-%m-%d %H:%M}"
