"""JSON without the leniency of the standard decoder.

A number is a ``Decimal`` or nothing. What breaks a rule is refused; nothing is repaired.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

from analysis.errors import AnalysisInvalid

MAX_BYTES = 64 * 1024
MAX_DEPTH = 6
MAX_DIGITS = 40
MAX_EXPONENT = 8

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE]([+-]?[0-9]+))?")
# A string runs to its closing quote or the end of the text, so each character is read once.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def strict_json(text: str) -> Any:
    """Decode one JSON value. Raises ``AnalysisInvalid`` with a sentence that names the rule and
    repeats nothing of the text."""
    _refuse_oversized(text)
    _refuse_surrogates(text)
    _refuse_deep(text)
    try:
        value = json.loads(
            text,
            parse_float=decimal_number,
            parse_int=decimal_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        raise AnalysisInvalid(
            "The answer must be exactly one complete JSON object, with no text or code fence "
            "around it.",
            "not_json",
        ) from error
    for decoded in _strings(value):
        _refuse_surrogates(decoded)
    return value


def _refuse_oversized(text: str) -> None:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise AnalysisInvalid(
            f"The answer is longer than {MAX_BYTES // 1024} kilobytes.", "too_large"
        )


def _refuse_surrogates(text: str) -> None:
    if _SURROGATE.search(text):
        raise AnalysisInvalid("A text holds half of a character (a lone surrogate).", "surrogate")


def _refuse_deep(text: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        bracket = match.group()
        if bracket in "[{":
            depth += 1
        elif bracket in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise AnalysisInvalid(
                f"The answer is nested deeper than {MAX_DEPTH} levels.", "too_deep"
            )


def decimal_number(literal: str) -> Decimal:
    """The exact value of a number as JSON writes it.

    The form is checked here too, since a decoder in plain Python passes digits of any script.
    """
    match = _NUMBER.fullmatch(literal)
    if match is None:
        raise AnalysisInvalid("A number is not written as JSON writes numbers.", "number_form")
    digits = sum(character.isdigit() for character in literal)
    if digits > MAX_DIGITS:
        raise AnalysisInvalid(f"A number has more than {MAX_DIGITS} digits.", "number_size")
    if abs(int(match.group(4) or "0")) > MAX_EXPONENT:
        raise AnalysisInvalid(
            f"A number has an exponent beyond {MAX_EXPONENT}: write it out.", "number_size"
        )
    return Decimal(literal)


def _refuse_constant(literal: str) -> NoReturn:
    raise AnalysisInvalid("NaN and Infinity are not numbers.", "number_form")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise AnalysisInvalid("A field appears twice.", "duplicate_field")
    return found


def _strings(value: Any) -> Iterator[str]:
    """Every text in a decoded value, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
