"""What models cost, per purse and day."""

from __future__ import annotations

from django.db import models

from exchange.domain import ZERO
from exchange.fields import AmountField


class Spend(models.Model):
    """US dollars spent or promised on a UTC day by one purse, such as "bot:12" or "account:3".

    Changed only by comparing ``version``, so that of two writers at once one counts again.
    """

    key = models.CharField(max_length=40)
    day = models.DateField()
    amount = AmountField(default=ZERO)
    calls = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-day", "key")
        verbose_name_plural = "spending"
        constraints = [models.UniqueConstraint(fields=("key", "day"), name="spend_per_day")]

    def __str__(self) -> str:
        return f"{self.key} {self.day}: {self.amount}"
