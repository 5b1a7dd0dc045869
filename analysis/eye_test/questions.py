"""The examination's own questions: what the production answer does not show.

Each has a small strict form. Their texts hold nothing that the picture is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from analysis.answer.schema import record
from analysis.answer.strict import strict_json
from analysis.errors import AnalysisInvalid
from analysis.eye_test.truth import RSI_ZONES

READING_NAME = "chart_exam"
CARD_NAME = "number_card"
RECALL_NAME = "recall_probe"

SYSTEM = """You are examined on reading pictures. Answer from the picture alone, in the form \
that is asked for and nothing else. What can't be read is null where the form allows it.

On a chart, every candle is one bar: hollow means that it closed up, solid that it closed down. \
The solid line is EMA20, the dashed line EMA50; their newest values are printed in the second \
header line, RSI14 and the volume ratio over their panels. Bars count back from the newest, \
which is 0: the labels under the chart say how many bars before the newest a bar lies. A numbered \
triangle points at a price: 1 at the high of a bar, 2 at the low of a bar."""

READING_USER = """Read this chart.
- trend: whether the newest close lies clearly above (up) or below (down) the oldest one drawn, \
or near it (flat)
- support and resistance: a price at which at least two lows, or two highs, turned; null when \
there is none
- rsi_zone, volume: from the printed values; volume is above or below its average
- bars_since_high, bars_since_low: how many bars ago the highest and the lowest price were drawn"""

CARD_USER = """The picture holds numbers of five digits in numbered lines. List every number in \
reading order, line by line from the left."""

RECALL_USER = """The chart shows one real market, anonymised. Say which of the listed ones it is \
and the month of its newest bar (YYYY-MM), as well as you can."""

_NUMBER = {"type": "number"}
_INTEGER = {"type": "integer"}
_TEXT = {"type": "string"}
_PRICE_OR_NULL = {"anyOf": [_NUMBER, {"type": "null"}]}
_SIDE = {"type": "string", "enum": ["above", "below"]}


def _one_of(words: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


READING_SCHEMA = record(
    {
        "chart_id": _TEXT,
        "last_close": _NUMBER,
        "ema20": _NUMBER,
        "ema50": _NUMBER,
        "rsi": _NUMBER,
        "close_vs_ema20": _SIDE,
        "ema20_vs_ema50": _SIDE,
        "rsi_zone": _one_of(RSI_ZONES),
        "volume": _SIDE,
        "higher_marker": _one_of(("1", "2")),
        "last_bar": _one_of(("hollow", "solid")),
        "trend": _one_of(("up", "down", "flat")),
        "bars_since_high": _INTEGER,
        "bars_since_low": _INTEGER,
        "support": _PRICE_OR_NULL,
        "resistance": _PRICE_OR_NULL,
    }
)
CARD_SCHEMA = record({"numbers": {"type": "array", "items": _TEXT}})


def recall_schema(assets: Sequence[str]) -> dict[str, Any]:
    """The form of the recall probe among ``assets``."""
    return record({"asset": _one_of(assets), "month": _TEXT})


def parse_fields(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields. Raises ``AnalysisInvalid`` for anything but the asked-for form."""
    value = strict_json(text)
    wanted = schema["properties"]
    if not isinstance(value, dict) or set(value) != set(wanted):
        raise AnalysisInvalid("The answer must have exactly the fields asked for.", "fields")
    for name, kind in wanted.items():
        if not _fits(value[name], kind):
            raise AnalysisInvalid(f"{name} does not have the form asked for.", "field")
    return value


def _fits(value: Any, kind: Mapping[str, Any]) -> bool:
    if "anyOf" in kind:
        return any(_fits(value, each) for each in kind["anyOf"])
    if "enum" in kind:
        return value in kind["enum"]
    if kind["type"] == "array":
        return isinstance(value, list) and all(_fits(each, kind["items"]) for each in value)
    if kind["type"] == "string":
        return isinstance(value, str)
    if kind["type"] == "null":
        return value is None
    # strict_json knows numbers as decimals only.
    whole = kind["type"] == "integer"
    return _is_number(value) and (not whole or value == value.to_integral_value())


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal)
