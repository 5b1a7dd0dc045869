"""How many tokens a text will be, without asking anyone."""

from __future__ import annotations

import re

# Common tokenisers keep a word of up to about six letters whole, cut numbers after three digits
# and count signs and line ends one by one. Letters outside ASCII are counted one by one too.
LETTERS_PER_TOKEN = 6
DIGITS_PER_TOKEN = 3
_PARTS = re.compile(r"(?P<word>[A-Za-z]+)|(?P<number>[0-9]+)|(?P<space>[ \t]+)|(?P<sign>.|\n)")


def text_tokens(text: str) -> int:
    """An estimate on the high side of the tokens of ``text``."""
    return sum(_tokens_of(part) for part in _PARTS.finditer(text))


def _tokens_of(part: re.Match[str]) -> int:
    length = len(part.group())
    if part.lastgroup == "word":
        return -(-length // LETTERS_PER_TOKEN)
    if part.lastgroup == "number":
        return -(-length // DIGITS_PER_TOKEN)
    # One space belongs to the word behind it; more of them are a token of their own.
    return 1 if part.lastgroup == "sign" or length > 1 else 0
