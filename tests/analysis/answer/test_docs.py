from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from analysis.answer.schema import ANSWER_SCHEMA

ROOT = Path(settings.BASE_DIR)
RAISED = re.compile(
    r'refuse\(\s*"(\w+)"|AnalysisInvalid\([^()]*(?:\([^()]*\)[^()]*)*"(\w+)",?\s*\)'
)


def section(title: str) -> str:
    """The part of the page under one heading."""
    return (ROOT / "docs" / "answers.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]


def first_column(title: str) -> set[str]:
    rows = [row.split("|")[1] for row in section(title).splitlines() if row.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_page_explains_every_code_and_no_other() -> None:
    sources = (ROOT / "analysis" / "answer").glob("*.py")
    found = [match for path in sources for match in RAISED.findall(path.read_text())]
    assert {one or other for one, other in found} == first_column("Refusals")


def test_the_page_names_every_field() -> None:
    named = first_column("Fields")
    short = {f"invalidation{name}" for name in named if name.startswith("_")}
    assert set(ANSWER_SCHEMA["properties"]) == short | {n for n in named if n[0] != "_"}
