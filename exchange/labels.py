"""Stored states with a label each: plain string enums, so that pure code may use them too."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self


class Labelled(StrEnum):
    """Members are written ``NAME = "stored value", "Label for people"``."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """Pairs for a model field; handed over as a callable, so that a new label never causes a
        migration."""
        return [(member.value, member.label) for member in cls]


class Numbered(IntEnum):
    """The same for steps of a scale: ``NAME = 1, "Label for people"``."""

    label: str

    def __new__(cls, value: int, label: str = "") -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    @classmethod
    def choices(cls) -> list[tuple[int, str]]:
        """As ``Labelled.choices``."""
        return [(member.value, member.label) for member in cls]
