"""Money in the database."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

from exchange.domain import quantise

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

SQLITE_DIGITS = 15


if TYPE_CHECKING:
    DecimalBase = models.DecimalField[Any, Any]
else:
    DecimalBase = models.DecimalField


class AmountField(DecimalBase):
    """A Decimal with 8 places.

    SQLite keeps decimals as floats, which hold 15 significant digits: more are refused there
    instead of being rounded silently. More than 8 places are refused everywhere.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = 24
        kwargs["decimal_places"] = 8
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        if isinstance(value, Decimal):
            self._refuse_loss(value, connection.vendor)
        return super().get_db_prep_value(value, connection, prepared)

    def _refuse_loss(self, value: Decimal, vendor: str) -> None:
        if not value.is_finite():
            raise ValidationError(f"{self.name}: {value} is not a finite amount")
        if value != quantise(value):
            raise ValidationError(f"{self.name}: {value} has more than 8 decimal places")
        digits = len(value.normalize().as_tuple().digits)
        if vendor == "sqlite" and digits > SQLITE_DIGITS:
            raise ValidationError(
                f"{self.name}: {value} has {digits} significant digits; SQLite keeps "
                f"{SQLITE_DIGITS}. Use a smaller amount, or PostgreSQL (DATABASE_URL)."
            )
