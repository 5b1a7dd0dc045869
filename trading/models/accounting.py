"""The daily comparison of our books with the venue's wallet."""

from __future__ import annotations

from django.db import models

from exchange.fields import AmountField
from exchange.models import ExchangeAccount
from trading.choices import WalletCheckState


class WalletCheck(models.Model):
    """One UTC day of one account: what we booked against what the venue's log says.

    Amounts are USDT. ``findings`` names each entry that differs: {what, id, ours, venue}.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="wallet_checks"
    )
    day = models.DateField()
    state = models.CharField(max_length=7, choices=WalletCheckState.choices)
    booked = AmountField(help_text="Change of the wallet by our books.")
    reported = AmountField(null=True, help_text="Change of the wallet by the venue's log.")
    difference = AmountField(null=True)
    findings = models.JSONField(default=list)
    checked_at = models.DateTimeField()

    class Meta:
        ordering = ("-day", "account")
        constraints = [
            models.UniqueConstraint(fields=("account", "day"), name="one_wallet_check_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.day}: {self.state}"
