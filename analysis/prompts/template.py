"""The language of prompts: text with ``{{ name }}`` where a documented variable goes.

There is nothing else: no conditions, no loops, no code. A single brace is plain text, so a prompt
may show what JSON looks like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

OPENING = "{{"
CLOSING = "}}"
LONGEST_TEXT = 20_000


class PromptInvalid(Exception):
    """A text that may not become a prompt version.

    ``field`` names the text (``system_text``, ``user_text`` or ``note``); ``line`` and ``column``
    count from 1 and are 0 where the fault has no place.
    """

    def __init__(self, message: str, field: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return (
            f"line {self.line}, column {self.column}: {self.message}" if self.line else self.message
        )


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that a user text may ask for. ``block`` values are fenced as data on lines of their
    own; the others are a word or two within a line."""

    name: str
    meaning: str
    example: str
    required: bool = False
    block: bool = False


VARIABLES = (
    Variable(
        "question_id",
        "Six characters that belong to this question and stand in the text only. The answer has "
        "to repeat them, so an answer to another question is noticed.",
        "7KQ2MD",
        required=True,
    ),
    Variable("timeframe", "How long one bar is.", "1h", required=True),
    Variable("bars", "How many bars the picture shows.", "80"),
    Variable("horizon_bars", "For how many bars ahead a plan has to hold.", "24"),
    Variable("directions", "Which directions may be answered.", "long, short, none"),
    Variable(
        "table",
        "The newest bars, indicators, levels and costs as a table with | between the columns, "
        "in the units of the picture.",
        "bar|open|high|low|close|volume|order",
        required=True,
        block=True,
    ),
    Variable(
        "position",
        "The open position, if there is one: side, entry, stop, target, invalidation and bars "
        "held, without profit or loss. Otherwise empty.",
        "long from 101.20, stop 99.85, held 6 bars",
        block=True,
    ),
    Variable(
        "notes",
        "Text of other people or programs. It is shown to the model as data only. Often empty.",
        "",
        block=True,
    ),
)
BY_NAME = {variable.name: variable for variable in VARIABLES}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of plain text, or the name of a variable; ``start`` is its place in the text."""

    start: int
    text: str
    is_variable: bool


def pieces(text: str, field: str) -> Iterator[Piece]:
    """Cut a text into plain pieces and variables. Raises ``PromptInvalid`` where it can't be."""
    at = 0
    while at < len(text):
        opening = text.find(OPENING, at)
        plain = text[at:] if opening < 0 else text[at:opening]
        stray = plain.find(CLOSING)
        if stray >= 0:
            raise _fault(
                f"{CLOSING} without {OPENING} before it; put a space between two braces that are "
                "meant as text",
                field,
                text,
                at + stray,
            )
        if plain:
            yield Piece(at, plain, is_variable=False)
        if opening < 0:
            return
        closing = text.find(CLOSING, opening)
        inside = text[opening + len(OPENING) : closing]
        if closing < 0 or OPENING in inside or "\n" in inside:
            raise _fault(f"{OPENING} is not closed by {CLOSING} on its line", field, text, opening)
        yield Piece(opening, _name(inside, field, text, opening), is_variable=True)
        at = closing + len(CLOSING)


def _name(inside: str, field: str, text: str, start: int) -> str:
    name = inside.strip()
    if name not in BY_NAME:
        known = ", ".join(BY_NAME)
        raise _fault(f"unknown variable {name!r}; known are {known}", field, text, start)
    return name


def check_texts(system_text: str, user_text: str) -> None:
    """Raise ``PromptInvalid`` for the first thing that is wrong with a pair of texts."""
    for field, text in (("system_text", system_text), ("user_text", user_text)):
        _check_length(text, field)
    for piece in pieces(system_text, "system_text"):
        if piece.is_variable:
            raise _fault(
                f"the system text is the same for every chart: {piece.text} belongs into the user "
                "text",
                "system_text",
                system_text,
                piece.start,
            )
    used = {piece.text for piece in pieces(user_text, "user_text") if piece.is_variable}
    missing = [each.name for each in VARIABLES if each.required and each.name not in used]
    if missing:
        wanted = ", ".join(f"{OPENING} {name} {CLOSING}" for name in missing)
        raise PromptInvalid(f"missing: {wanted}", "user_text")


def _check_length(text: str, field: str) -> None:
    if not text.strip():
        raise PromptInvalid("wants a text", field)
    if len(text) > LONGEST_TEXT:
        raise _fault(
            f"{len(text)} characters; at most {LONGEST_TEXT} may be sent", field, text, LONGEST_TEXT
        )


def _fault(message: str, field: str, text: str, at: int) -> PromptInvalid:
    before = text[:at]
    line = before.count("\n") + 1
    return PromptInvalid(message, field, line, at - before.rfind("\n"))
