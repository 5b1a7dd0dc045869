"""Kinds of analyst."""

from __future__ import annotations

from django.db.models import TextChoices


class AnalystKind(TextChoices):
    TECHNICAL = "technical", "Technical rules"
    RECORDED = "recorded", "Answers from record"


def analyst_kinds() -> list[tuple[str, str]]:
    """Choices as a callable, so that a label never causes a migration."""
    return list(AnalystKind.choices)
