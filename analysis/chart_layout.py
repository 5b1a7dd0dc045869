"""Geometry, colours and type of the chart, for every scale."""

from __future__ import annotations

# Raised whenever the same inputs would give another picture, id, marker or factor.
RENDERER_VERSION = "1"
