from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from analysis.errors import AnalysisInvalid
from analysis.eye_test.questions import (
    CARD_SCHEMA,
    READING_SCHEMA,
    parse_fields,
    recall_schema,
)

READING: dict[str, Any] = {
    "chart_id": "AB23",
    "last_close": 101.5,
    "ema20": 100.25,
    "ema50": 99,
    "rsi": 55.1,
    "close_vs_ema20": "above",
    "ema20_vs_ema50": "above",
    "rsi_zone": "50 to 70",
    "volume": "below",
    "higher_marker": "1",
    "last_bar": "hollow",
    "trend": "up",
    "bars_since_high": 3,
    "bars_since_low": 70,
    "support": None,
    "resistance": 104.2,
}


def test_numbers_come_as_decimals() -> None:
    fields = parse_fields(json.dumps(READING), READING_SCHEMA)
    assert fields["last_close"] == Decimal("101.5")
    assert fields["support"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"trend": "sideways"},
        {"higher_marker": 1},
        {"ema20": "100.25"},
        {"ema20": None},
        {"bars_since_high": 3.5},
        {"support": "none"},
        {"size": 5},
    ],
)
def test_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(AnalysisInvalid):
        parse_fields(json.dumps({**READING, **change}), READING_SCHEMA)


def test_a_missing_field_and_a_list_are_refused() -> None:
    less = {name: value for name, value in READING.items() if name != "trend"}
    for text in (json.dumps(less), "[]", "Here you are."):
        with pytest.raises(AnalysisInvalid):
            parse_fields(text, READING_SCHEMA)


def test_cards_and_recall() -> None:
    assert parse_fields('{"numbers": ["12345"]}', CARD_SCHEMA) == {"numbers": ["12345"]}
    with pytest.raises(AnalysisInvalid):
        parse_fields('{"numbers": [12345]}', CARD_SCHEMA)
    schema = recall_schema(["BTCUSDT", "ETHUSDT"])
    with pytest.raises(AnalysisInvalid):
        parse_fields('{"asset": "DOGEUSDT", "month": "2024-01"}', schema)
