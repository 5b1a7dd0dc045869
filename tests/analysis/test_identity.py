"""An eye test speaks for what decides a reading, and for nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from analysis import identity
from analysis.choices import ApiStyle, ImageDetail, ImageFamily, ReasoningEffort
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, PromptVersion

PROMPT = PromptVersion(sha256="a" * 64)


def of(prompt: PromptVersion = PROMPT, **changes: Any) -> str:
    values: dict[str, Any] = {"name": "Reader", "model": "reader-1", "base_url": ""}
    return reading_identity(AnalystProfile(**(values | changes)), prompt)


def test_it_is_a_sha256() -> None:
    assert len(of()) == 64
    assert of() == of()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "reader-2"},
        {"base_url": "https://models.example/v1"},
        {"api_style": ApiStyle.CHAT},
        {"image_family": ImageFamily.PATCH},
        {"image_detail": ImageDetail.LOW},
        {"reasoning_effort": ReasoningEffort.HIGH},
    ],
    ids=str,
)
def test_what_decides_a_reading_changes_it(changes: dict[str, Any]) -> None:
    assert of(**changes) != of()


@pytest.mark.parametrize("name", ["SCHEMA_VERSION", "RENDERER_VERSION"])
def test_a_new_schema_or_renderer_changes_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = of()
    monkeypatch.setattr(identity, name, "next")
    assert of() != before


def test_a_new_prompt_changes_it() -> None:
    assert of(PromptVersion(sha256="b" * 64)) != of()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Other"},
        {"input_price": Decimal(9)},
        {"timeout_s": 9},
        {"version": 7},
        {"base_url": "https://api.openai.com/v1/"},
    ],
    ids=str,
)
def test_what_only_changes_cost_or_name_does_not(changes: dict[str, Any]) -> None:
    assert of(**changes) == of()
