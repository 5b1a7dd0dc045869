"""Make prompt versions: checked, hashed, and never changed afterwards."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Max

from analysis.models import Prompt, PromptVersion
from analysis.prompts.template import PromptInvalid, check_texts
from analysis.prompts.tokens import text_tokens

DEFAULT_PROMPT = "Chart reading"
LONGEST_NOTE = 200
# What the numbers beside a picture take, on the high side.
TABLE_TOKENS = 900
TEXTS = Path(__file__).parent / "texts"
# Of as many writers at the same moment each one gets its number in the end.
ATTEMPTS = 10


class SameTexts(PromptInvalid):
    """The line already has a version with these texts."""

    def __init__(self, found: PromptVersion) -> None:
        super().__init__(f"{found} has the same texts already", "user_text")
        self.found = found


def prompt_digest(system_text: str, user_text: str) -> str:
    """SHA-256 over both texts, as 64 hex digits. The length keeps their border in it."""
    system, user = system_text.encode(), user_text.encode()
    return hashlib.sha256(b"%d\n%b%b" % (len(system), system, user)).hexdigest()


def prompt_default() -> PromptVersion:
    """The version with the texts that come with the program, made at its first use.

    Texts that change with the program become a new version; what was asked under the old one
    keeps its own.
    """
    system_text, user_text = _text("system.txt"), _text("user.txt")
    prompt, _ = Prompt.objects.get_or_create(
        name=DEFAULT_PROMPT, defaults={"description": "Comes with the program."}
    )
    found = _same(prompt, prompt_digest(system_text, user_text))
    if found is not None:
        return found
    try:
        return prompt_version_create(
            prompt=prompt,
            system_text=system_text,
            user_text=user_text,
            note="Comes with the program",
            author=None,
            parent=prompt.versions.filter(author=None).order_by("-number").first(),
        )
    except SameTexts as error:
        # Another process made it in between.
        return error.found


def default_prompt_tokens() -> int:
    """Estimate of the texts of one question with the default prompt, table included."""
    return question_tokens(_text("system.txt"), _text("user.txt"))


def question_tokens(system_text: str, user_text: str) -> int:
    """Estimate of one question with these texts, table included."""
    return text_tokens(system_text) + text_tokens(user_text) + TABLE_TOKENS


def prompt_texts_check(prompt: Prompt, system_text: str, user_text: str) -> None:
    """Raise ``PromptInvalid`` where these texts can't become the next version of a line."""
    system_text, user_text = _normal(system_text), _normal(user_text)
    check_texts(system_text, user_text)
    found = _same(prompt, prompt_digest(system_text, user_text))
    if found is not None:
        raise SameTexts(found)


def prompt_version_create(
    *,
    prompt: Prompt,
    system_text: str,
    user_text: str,
    note: str,
    author: AbstractBaseUser | None,
    parent: PromptVersion | None = None,
) -> PromptVersion:
    """Store the next version of a line. Raises ``PromptInvalid`` saying what is wrong and where."""
    _check_note(note)
    for attempt in range(ATTEMPTS):
        prompt_texts_check(prompt, system_text, user_text)
        try:
            with transaction.atomic():
                return PromptVersion.objects.create(
                    prompt=prompt,
                    number=_next_number(prompt),
                    system_text=_normal(system_text),
                    user_text=_normal(user_text),
                    sha256=prompt_digest(_normal(system_text), _normal(user_text)),
                    note=note,
                    author_id=author.pk if author else None,
                    parent=parent,
                )
        except IntegrityError:
            # Another writer took the number.
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _next_number(prompt: Prompt) -> int:
    newest: int | None = prompt.versions.aggregate(newest=Max("number"))["newest"]
    return (newest or 0) + 1


def _check_note(note: str) -> None:
    if len(note) > LONGEST_NOTE:
        raise PromptInvalid(f"{len(note)} characters, wants at most {LONGEST_NOTE}", "note")


def _same(prompt: Prompt, digest: str) -> PromptVersion | None:
    return prompt.versions.filter(sha256=digest).order_by("number").first()


def _normal(text: str) -> str:
    """Browsers send line ends of their own and people leave blank ends; neither is a new text."""
    return text.replace("\r\n", "\n").strip() + "\n"


def _text(name: str) -> str:
    return _normal((TEXTS / name).read_text(encoding="utf-8"))
