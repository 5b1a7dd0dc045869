"""Kinds of analyst."""

from __future__ import annotations

from exchange.labels import Labelled


class AnalystKind(Labelled):
    TECHNICAL = "technical", "Technical rules"
    RECORDED = "recorded", "Answers from record"
