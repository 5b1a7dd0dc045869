"""Kinds of analyst."""

from __future__ import annotations

from exchange.labels import Labelled


class AnalystKind(Labelled):
    TECHNICAL = "technical", "Technical rules"
