"""What an eye test speaks for: everything that decides how a profile reads a chart."""

from __future__ import annotations

import hashlib

from analysis.answer.schema import SCHEMA_VERSION
from analysis.chart_layout import RENDERER_VERSION
from analysis.models import AnalystProfile, PromptVersion
from analysis.profiles import server_of


def reading_identity(profile: AnalystProfile, prompt_version: PromptVersion) -> str:
    """SHA-256 as 64 hex digits. Prices, limits and keys are no part of it: they change what a
    reading costs, not what is read."""
    parts = (
        profile.model,
        server_of(profile),
        profile.api_style,
        profile.image_family,
        profile.image_detail,
        profile.reasoning_effort,
        prompt_version.sha256,
        SCHEMA_VERSION,
        RENDERER_VERSION,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
