"""Read single fields of a decoded answer: exact types and bounds, else ``AnalysisInvalid``.

Complaints name the field and the rule; they repeat nothing the model wrote.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from analysis.errors import AnalysisInvalid

Option = TypeVar("Option", bound=StrEnum)
Item = TypeVar("Item")

SHORT_TEXT = 160
LONG_TEXT = 200
ID_TEXT = 16
# Drawn prices lie near 50 to 200; this only keeps arithmetic within exact decimals.
MAX_PRICE = Decimal(1_000_000)
MAX_BARS_BACK = 100
SCORES = frozenset(Decimal(step) / 4 for step in range(5))
# Control, format (bidirectional overrides, zero width), surrogate, private, unassigned
# characters and line separators: nothing a plain sentence needs.
REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def refuse(code: str, sentence: str) -> NoReturn:
    raise AnalysisInvalid(sentence, code)


class Fields:
    """The named fields of one JSON object, each read once by its kind.

    Raises ``AnalysisInvalid`` when ``source`` is no object or when its names are not exactly
    ``names``: a field nobody asked for (quantity, leverage, approval) refuses the answer.
    """

    def __init__(self, source: Any, names: Mapping[str, Any], where: str = "") -> None:
        self._where = where
        if not isinstance(source, dict):
            refuse("type", f"{where or 'The answer'} must be an object.")
        missing = [name for name in names if name not in source]
        if missing:
            refuse("missing_field", f"{self._name(missing[0])} is missing.")
        unknown = [name for name in source if name not in names]
        if unknown:
            refuse(
                "unknown_field",
                f"{where or 'The answer'} holds {len(unknown)} field(s) that were not asked for.",
            )
        self._source: dict[str, Any] = source

    def _name(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name

    def text(self, name: str, longest: int) -> str:
        return _text(self._source[name], self._name(name), longest)

    def number(self, name: str) -> Decimal:
        value = self._source[name]
        if not isinstance(value, Decimal):
            refuse("type", f"{self._name(name)} must be a number.")
        return value

    def price(self, name: str) -> Decimal:
        value = self.number(name)
        if not 0 < value < MAX_PRICE:
            refuse("price_range", f"{self._name(name)} must be a price above 0 in index units.")
        return value

    def score(self, name: str) -> Decimal:
        value = self.number(name)
        if value not in SCORES:
            refuse("score", f"{self._name(name)} must be 0, 0.25, 0.5, 0.75 or 1.")
        return value

    def probability(self, name: str) -> Decimal:
        value = self.number(name)
        if not 0 <= value <= 1:
            refuse("probability", f"{self._name(name)} must lie between 0 and 1.")
        return value

    def integer(self, name: str, lowest: int, highest: int) -> int:
        value = self.number(name)
        # Written with a point or an exponent it is not an integer, whatever its value.
        if value.as_tuple().exponent != 0:
            refuse("type", f"{self._name(name)} must be an integer.")
        if not lowest <= value <= highest:
            refuse("integer_range", f"{self._name(name)} must lie from {lowest} to {highest}.")
        return int(value)

    def bar(self, name: str) -> int:
        return self.integer(name, -MAX_BARS_BACK, 0)

    def choice(self, name: str, options: type[Option]) -> Option:
        value = self._source[name]
        known = [option for option in options if isinstance(value, str) and option.value == value]
        if not known:
            allowed = ", ".join(option.value for option in options)
            refuse("unknown_value", f"{self._name(name)} must be one of: {allowed}.")
        return known[0]

    def optional(self, name: str, read: Callable[[str], Item]) -> Item | None:
        """None for JSON null, else what ``read`` makes of the field."""
        return None if self._source[name] is None else read(name)

    def items(self, name: str, fewest: int, most: int) -> list[Any]:
        value = self._source[name]
        if not isinstance(value, list):
            refuse("type", f"{self._name(name)} must be a list.")
        if not fewest <= len(value) <= most:
            refuse("list_length", f"{self._name(name)} must have {fewest} to {most} entries.")
        return value

    def texts(self, name: str, fewest: int, most: int) -> tuple[str, ...]:
        return tuple(
            _text(item, f"{self._name(name)}[{index}]", SHORT_TEXT)
            for index, item in enumerate(self.items(name, fewest, most))
        )


def _text(value: Any, name: str, longest: int) -> str:
    if not isinstance(value, str):
        refuse("type", f"{name} must be a text.")
    if not value.strip():
        refuse("text_empty", f"{name} must not be empty.")
    if len(value) > longest:
        refuse("text_length", f"{name} must have at most {longest} characters.")
    if any(unicodedata.category(character) in REFUSED_CATEGORIES for character in value):
        refuse(
            "text_characters",
            f"{name} holds a control, invisible or direction-changing character.",
        )
    return value
