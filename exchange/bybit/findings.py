"""What an examination found: lines for people, each with what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from exchange.errors import ExchangeError


class Level(StrEnum):
    """A ``PROBLEM`` stops an account from being connected or from trading."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. ``check`` names what was looked at; ``what_to_do`` is empty where all is well."""

    check: str
    level: Level
    text: str
    what_to_do: str = ""

    @classmethod
    def of(cls, row: dict[str, Any]) -> Finding:
        """A finding as ``as_json`` told it."""
        return cls(row["check"], Level(row["level"]), row["text"], row["what_to_do"])

    def as_json(self) -> dict[str, str]:
        return {
            "check": self.check,
            "level": str(self.level),
            "text": self.text,
            "what_to_do": self.what_to_do,
        }


def fine(check: str, text: str) -> Finding:
    return Finding(check, Level.OK, text)


def warn(check: str, text: str, what_to_do: str) -> Finding:
    return Finding(check, Level.WARNING, text, what_to_do)


def problem(check: str, text: str, what_to_do: str) -> Finding:
    return Finding(check, Level.PROBLEM, text, what_to_do)


def asked(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What ``look`` finds; a venue that does not answer it is a finding too."""
    try:
        return list(look())
    except ExchangeError as error:
        return [problem(check, f"Bybit could not be asked: {error}", "Examine again in a minute.")]
