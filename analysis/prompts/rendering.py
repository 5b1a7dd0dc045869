"""From a prompt version and the facts of one question to the texts that are sent."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from analysis.domain import AnalysisInput, ChartFacts
from analysis.models import PromptVersion
from analysis.prompts.numbers import numbers_table
from analysis.prompts.template import BY_NAME, Piece, pieces
from analysis.prompts.tokens import text_tokens

# How far ahead a plan has to hold.
HORIZON_BARS = 24
LONGEST_BLOCK = 8_000
LONGEST_WORD = 60
CUT = " [cut]"
# Unicode classes that are not text: controls, invisible format signs (right-to-left overrides
# among them), surrogates and private characters.
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")


@dataclass(frozen=True, slots=True)
class PromptContext:
    """The values of one question; ``analysis.prompts.template.VARIABLES`` says what each means."""

    timeframe: str
    bars: int
    horizon_bars: int
    question_id: str
    table: str
    directions: str = "long, short, none"
    position: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """Both texts exactly as they are sent; ``tokens`` estimates them on the high side."""

    system: str
    user: str
    tokens: int


def chart_context(given: AnalysisInput, facts: ChartFacts) -> PromptContext:
    """What a question about the chart of ``given`` says, the table of its numbers included."""
    return PromptContext(
        timeframe=given.timeframe,
        bars=facts.bars,
        horizon_bars=HORIZON_BARS,
        question_id=facts.question_id,
        table=numbers_table(given, facts),
    )


def prompt_render(version: PromptVersion, context: PromptContext) -> RenderedPrompt:
    """Put the values into the texts. Raises ``PromptInvalid`` for a text that can't be read."""
    system = version.system_text
    parts = list(pieces(version.user_text, "user_text"))
    user = "".join(
        _value(piece, context) if piece.is_variable else piece.text
        for piece in _tidied(parts, context)
    )
    return RenderedPrompt(system=system, user=user, tokens=text_tokens(system) + text_tokens(user))


def _tidied(parts: list[Piece], context: PromptContext) -> list[Piece]:
    """The pieces without empty blocks; such a block takes its line with it, and the blank line
    behind it where there is one before it too."""
    kept: list[Piece] = []
    dropped = False
    for piece in parts:
        text = piece.text
        if dropped and not piece.is_variable:
            alone = not kept or kept[-1].text.endswith("\n\n")
            text = text.removeprefix("\n\n" if alone and text.startswith("\n\n") else "\n")
        dropped = piece.is_variable and BY_NAME[text].block and not _value(piece, context)
        if text and not dropped:
            kept.append(Piece(piece.start, text, piece.is_variable))
    return kept


def _value(piece: Piece, context: PromptContext) -> str:
    value = str(getattr(context, piece.text))
    if BY_NAME[piece.text].block:
        return fenced(piece.text, value)
    return escaped(" ".join(value.split()), LONGEST_WORD)


def fenced(name: str, text: str) -> str:
    """``text`` as data between marks that it cannot close itself; empty stays empty."""
    inside = escaped(text.strip(), LONGEST_BLOCK)
    return f'<data name="{name}">\n{inside}\n</data>' if inside else ""


def escaped(text: str, longest: int) -> str:
    """Text in which nothing can be taken for a mark, without invisible characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    seen = "".join(
        sign for sign in lines if sign == "\n" or unicodedata.category(sign) not in INVISIBLE
    )
    if len(seen) > longest:
        seen = seen[: longest - len(CUT)] + CUT
    return seen.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
