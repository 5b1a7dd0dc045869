"""One line of what speaks for or against an account."""

from __future__ import annotations

from dataclasses import dataclass

GOOD, WARNING, BAD, NONE = "passed", "warning", "failed", "none"


@dataclass(frozen=True, slots=True)
class Check:
    """One line. ``outcome``: passed, warning, failed, or none where nothing is to be judged;
    ``details`` are further sentences."""

    name: str
    outcome: str
    text: str
    details: tuple[str, ...] = ()
