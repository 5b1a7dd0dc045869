"""Reading single values of Bybit's answers, where absent is spelled in six ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from exchange.domain import ZERO
from exchange.errors import ExchangeUnavailable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ABSENT = frozenset({"", "UNKNOWN", "None", "none", "null"})
# Milliseconds of the year 5138; a larger stamp is told in nanoseconds.
LARGEST_MS = 10**14
NANOSECONDS_PER_MS = 10**6


class UnreadablePayload(ExchangeUnavailable):
    """An answer without a fact it must have, or with a word that nobody knows."""

    def __init__(self, source: str, field: str, value: object = None) -> None:
        super().__init__(f"Bybit's {source} can't be read: {field} is {str(value)[:80]!r}.")
        self.source = source
        self.field = field


def dec(value: object) -> Decimal | None:
    """The number, or None where Bybit has none. Raises ``ValueError`` for anything else."""
    if value is None or isinstance(value, bool) or str(value) in ABSENT:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"not a number: {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"not a number: {value!r}")
    return number


def ms(value: object) -> datetime | None:
    """The instant of a stamp in milliseconds; None for no stamp and for 0.

    Raises ``ValueError`` for what is no stamp.
    """
    if value is None or str(value) in ABSENT:
        return None
    count = int(str(value))
    if count > LARGEST_MS:
        count //= NANOSECONDS_PER_MS
    return EPOCH + timedelta(milliseconds=count) if count > 0 else None


def stamp(time: datetime) -> int:
    """Milliseconds since 1970, as Bybit counts time."""
    return (time - EPOCH) // timedelta(milliseconds=1)


def plain(number: Decimal) -> str:
    """A number as Bybit takes it: no exponent, no zeros at the end."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Row:
    """One object of an answer; what is asked for and can't be had raises with its name."""

    source: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, source: str, data: object) -> Row:
        if not isinstance(data, Mapping):
            raise UnreadablePayload(source, "the row", data)
        return cls(source, data)

    def refuse(self, name: str) -> UnreadablePayload:
        return UnreadablePayload(self.source, name, self.fields.get(name))

    def text(self, name: str) -> str:
        """The word, empty where Bybit has none."""
        value = self.fields.get(name)
        return "" if value is None or str(value) in ABSENT else str(value)

    def needed_text(self, name: str) -> str:
        if found := self.text(name):
            return found
        raise self.refuse(name)

    def number(self, name: str) -> Decimal | None:
        try:
            return dec(self.fields.get(name))
        except ValueError as error:
            raise self.refuse(name) from error

    def needed(self, name: str) -> Decimal:
        found = self.number(name)
        if found is None:
            raise self.refuse(name)
        return found

    def amount(self, name: str) -> Decimal:
        """The number, 0 where Bybit has none."""
        return self.number(name) or ZERO

    def level(self, name: str) -> Decimal | None:
        """A price, None where it is 0: Bybit's way to say that it is not set."""
        return self.number(name) or None

    def time(self, name: str) -> datetime | None:
        """An instant told in milliseconds or as ISO 8601 text (UTC where it names no zone)."""
        value = self.text(name)
        try:
            if "T" not in value:
                return ms(value)
            told = datetime.fromisoformat(value)
        except (ValueError, OverflowError) as error:
            raise self.refuse(name) from error
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    def needed_time(self, *names: str) -> datetime:
        """The first instant that is told under one of these names."""
        for name in names:
            if found := self.time(name):
                return found
        raise self.refuse(names[0])

    def whole(self, name: str) -> int:
        """A whole number, 0 where Bybit has none."""
        return int(self.amount(name))

    def flag(self, name: str) -> bool:
        return self.fields.get(name) in (True, 1, "1", "true", "True")

    def rows(self, name: str) -> list[Row]:
        """The objects of a list, which must be there even when it is empty."""
        value = self.fields.get(name)
        if not isinstance(value, list):
            raise self.refuse(name)
        return [Row.of(f"{self.source}.{name}", one) for one in value]

    def optional_rows(self, name: str) -> list[Row]:
        """The objects of a list that may be missing, or be told as JSON text."""
        value = self.fields.get(name)
        if isinstance(value, str) and value.startswith("["):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise self.refuse(name) from error
        return [Row.of(f"{self.source}.{name}", one) for one in value or [] if value != ""]
