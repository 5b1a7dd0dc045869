"""What a reader takes from the words of a question: its id and the numbers of its table."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"-?\d+(?:\.\d+)?"
_ROW = re.compile(
    rf"^[^\w\n-]*(-\d+|0)\b[^\d\n-]*({_NUMBER}(?:[ \t|,;]+{_NUMBER}){{3,}})", re.MULTILINE
)
_QUESTION_ID = re.compile(r"question(?:[_ ]id)?\W{0,6}([A-Z0-9]{6})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One bar of the table: its offset from the newest (0, -1, ...) and its four prices."""

    bar: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class Words:
    """Numbers are None where the text does not have them."""

    question_id: str
    rows: tuple[Row, ...]
    atr: float | None
    ema_fast: float | None
    ema_slow: float | None

    @property
    def last_close(self) -> float | None:
        return self.rows[-1].close if self.rows else None


def words_of(text: str) -> Words:
    """Read a question's text."""
    found = _QUESTION_ID.search(text)
    rows = []
    for match in _ROW.finditer(text):
        numbers = [float(number) for number in re.findall(_NUMBER, match[2])]
        rows.append(Row(int(match[1]), *numbers[:4]))
    rows.sort(key=lambda row: row.bar)
    return Words(
        question_id=found[1] if found else "",
        rows=tuple(rows),
        atr=_named(text, r"ATR\W?\(?14\)?"),
        ema_fast=_named(text, r"EMA\W?\(?20\)?"),
        ema_slow=_named(text, r"EMA\W?\(?50\)?"),
    )


def _named(text: str, name: str) -> float | None:
    found = re.search(rf"{name}[^\d\n-]{{0,20}}({_NUMBER})", text)
    return float(found[1]) if found else None
