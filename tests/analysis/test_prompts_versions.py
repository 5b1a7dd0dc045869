"""Prompt versions: numbered, hashed, refused with the place of the fault, never made twice."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from analysis.answer.schema import ANSWER_SCHEMA
from analysis.chart import legend
from analysis.models import Prompt, PromptVersion
from analysis.prompts.template import PromptInvalid
from analysis.prompts.versions import (
    DEFAULT_PROMPT,
    SameTexts,
    prompt_default,
    prompt_digest,
    prompt_version_create,
)
from tests.factories.analysis import PromptFactory

USER = "{{ question_id }} {{ timeframe }} {{ table }}"

pytestmark = pytest.mark.django_db


def create(prompt: Prompt, system: str = "Read.", **changes: Any) -> PromptVersion:
    values: dict[str, Any] = {"user_text": USER, "note": "", "author": None}
    return prompt_version_create(prompt=prompt, system_text=system, **(values | changes))


def test_versions_of_a_line_are_numbered_and_know_where_they_come_from() -> None:
    prompt = PromptFactory.create()
    author = User.objects.create_user("author")
    first = create(prompt)
    second = create(prompt, "Read well.", author=author, note="Ask for more", parent=first)
    assert (first.number, second.number) == (1, 2)
    stored = PromptVersion.objects.get(pk=second.pk)
    assert (stored.parent, stored.author, stored.note) == (first, author, "Ask for more")
    assert stored.sha256 == prompt_digest("Read well.\n", USER + "\n")


def test_the_hash_covers_both_texts_and_their_border() -> None:
    assert prompt_digest("ab", "c") != prompt_digest("a", "bc")
    assert len(prompt_digest("", "")) == 64


def test_the_same_texts_are_no_new_version() -> None:
    prompt = PromptFactory.create()
    first = create(prompt)
    with pytest.raises(SameTexts, match="has the same texts already") as caught:
        create(prompt, "  Read.\r\n")
    assert caught.value.found == first
    assert create(PromptFactory.create()).number == 1


def test_line_ends_of_browsers_are_not_kept() -> None:
    made = create(PromptFactory.create(), "One.\r\nTwo.")
    assert made.system_text == "One.\nTwo.\n"


def test_nothing_invalid_is_stored() -> None:
    prompt = PromptFactory.create()
    with pytest.raises(PromptInvalid, match="unknown variable"):
        create(prompt, user_text=USER + "{{ balance }}")
    with pytest.raises(PromptInvalid, match="wants at most 200") as caught:
        create(prompt, note="n" * 201)
    assert caught.value.field == "note"
    assert not prompt.versions.exists()


def test_the_default_is_made_once() -> None:
    made = prompt_default()
    assert prompt_default() == made
    assert (made.prompt.name, made.number, made.author) == (DEFAULT_PROMPT, 1, None)
    assert PromptVersion.objects.count() == 1


def test_changed_default_texts_become_the_next_version() -> None:
    older = create(Prompt.objects.create(name=DEFAULT_PROMPT), "What was said before.")
    made = prompt_default()
    assert (made.number, made.parent) == (2, older)


def test_a_version_of_a_person_does_not_replace_the_default() -> None:
    made = prompt_default()
    author = User.objects.create_user("author")
    create(made.prompt, "Mine.", author=author, parent=made)
    assert prompt_default() == made


def test_the_default_names_every_sign_as_it_is_drawn() -> None:
    text = prompt_default().system_text
    for sign in ("hollow", "solid", "EMA20 is a solid line", "EMA50 a dashed line", "RSI14"):
        assert sign in text
    drawn = legend(1, 2, 2)
    for word in ("hollow = up", "solid = down", "EMA20 solid line", "EMA50 dashed line"):
        assert word in drawn
    assert re.search(r"triangle numbered 1 points down at the high", text)
    assert "triangle 1 at a bar's high, 2 at a bar's low" in drawn


def test_the_default_asks_for_fields_that_exist_in_their_order() -> None:
    text = prompt_default().system_text
    named = re.findall(r"`(\w+)`", text.split("# What counts")[0])
    fields = list(ANSWER_SCHEMA["properties"])
    assert set(named) <= set(fields)
    asked = [name for name in dict.fromkeys(named) if name != "conflict"]
    read_first = asked[: asked.index("observations")]
    assert read_first == fields[: fields.index("observations")]


def test_the_default_holds_no_price_no_confidence_and_no_haste() -> None:
    made = prompt_default()
    text = made.system_text + made.user_text
    assert not re.search(r"\d{4,}", text)
    assert not re.search(r"confiden|threshold|decisive|expert|leverage|urgent|must act", text, re.I)
    # Nothing that could pass for a price: all decimals are rubric steps, R and ATR.
    decimals = {float(found) for found in re.findall(r"\d+\.\d+", text)}
    assert decimals <= {0.25, 0.5, 0.75, 1.2, 1.5, 1.8, 0.7}
