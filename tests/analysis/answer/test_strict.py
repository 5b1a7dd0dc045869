from __future__ import annotations

import json
from decimal import Decimal
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer.strict import MAX_BYTES, decimal_number, strict_json
from analysis.errors import AnalysisInvalid


def code_of(text: str) -> str:
    with pytest.raises(AnalysisInvalid) as caught:
        strict_json(text)
    assert str(caught.value).endswith(".")
    return caught.value.code


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("1.50", "1.50"),
        ("-41", "-41"),
        ("1e2", "100"),
        ("1E-8", "0.00000001"),
        ("12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"),
    ],
)
def test_numbers_are_exact_decimals(literal: str, value: str) -> None:
    found = strict_json(literal)
    assert type(found) is Decimal
    assert found == Decimal(value)


@pytest.mark.parametrize(
    ("literal", "code"),
    [
        ("NaN", "number_form"),
        ("Infinity", "number_form"),
        ("-Infinity", "number_form"),
        ("1e400", "number_size"),
        ("1e9", "number_size"),
        ("1e-9", "number_size"),
        ("1e0000000000000000000000000000000000000000001", "number_size"),
        ("1" * 41, "number_size"),
        ("0." + "1" * 40, "number_size"),
        ("6_0", "not_json"),
        ("６", "not_json"),
        ("1６", "not_json"),
        ("01", "not_json"),
        ("-01", "not_json"),
        ("+1", "not_json"),
        (".5", "not_json"),
        ("1.", "not_json"),
        ("0x10", "not_json"),
        ("- 1", "not_json"),
        ("nan", "not_json"),
        ("True", "not_json"),
    ],
)
def test_odd_numbers_are_refused_wherever_they_stand(literal: str, code: str) -> None:
    assert code_of(literal) == code
    assert code_of(f'{{"a": {literal}}}') == code
    assert code_of(f'{{"a": [1, {literal}]}}') == code


@pytest.mark.parametrize("literal", ["6_0", "１", "1６", "٣", "01", "+1", ".5", "1.", "", "1\n"])
def test_a_number_is_checked_whatever_decoder_passes_it(literal: str) -> None:
    with pytest.raises(AnalysisInvalid) as caught:
        decimal_number(literal)
    assert caught.value.code == "number_form"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_json"),
        ("no trade today", "not_json"),
        ("```json\n{}\n```", "not_json"),
        ("Here it is: {}", "not_json"),
        ("{} Good luck!", "not_json"),
        ("{}{}", "not_json"),
        ('{"a": 1', "not_json"),
        ('{"a": "b', "not_json"),
        ('{"a": 1,}', "not_json"),
        ("{'a': 1}", "not_json"),
        ('{"a": 1} // done', "not_json"),
        ('{"a": "\n"}', "not_json"),
        ('{"a": "\\x41"}', "not_json"),
        ("\ufeff{}", "not_json"),
        ("\u00a0{}", "not_json"),
        ('{"a": 1, "a": 1}', "duplicate_field"),
        ('{"a": 1, "\\u0061": 2}', "duplicate_field"),
        ('[{"a": {"b": 1, "b": 2}}]', "duplicate_field"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ('["\\ude00\\ud83d"]', "surrogate"),
        ('"\ud800"', "surrogate"),
        ("[" * 7 + "]" * 7, "too_deep"),
        ('{"a":' * 7 + "1" + "}" * 7, "too_deep"),
        ("[" * 30_000, "too_deep"),
        ('"' + "a" * MAX_BYTES + '"', "too_large"),
        ('"' + "é" * (MAX_BYTES // 2) + '"', "too_large"),
    ],
)
def test_odd_texts_are_refused(text: str, code: str) -> None:
    assert code_of(text) == code


def test_brackets_inside_texts_are_not_depth() -> None:
    assert strict_json('["[[[[[[[[", "\\"{{{{{{{{"]') == ["[[[[[[[[", '"{{{{{{{{']


def test_the_deepest_and_longest_allowed_text_is_read() -> None:
    assert strict_json("[" * 6 + "]" * 6) == [[[[[[]]]]]]
    assert strict_json('"' + "a" * (MAX_BYTES - 2) + '"') == "a" * (MAX_BYTES - 2)


def test_paired_surrogates_are_one_character() -> None:
    assert strict_json('"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize("piece", ['\\"', '"', '"\\', "[]", "\\", "{", '"a":', "1e", "-"])
def test_hostile_texts_take_no_long_time(piece: str) -> None:
    text = (piece * MAX_BYTES)[: MAX_BYTES - 1]
    started = perf_counter()
    with pytest.raises(AnalysisInvalid):
        strict_json(text)
    assert perf_counter() - started < 1


ATOMS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=9)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def read(text: str) -> tuple[Any, str]:
    """The decoded value and no code, or nothing and the code of the refusal."""
    try:
        return strict_json(text), ""
    except AnalysisInvalid as error:
        return None, error.code


@given(VALUES)
def test_what_is_taken_means_what_the_standard_decoder_reads(value: Any) -> None:
    found, code = read(json.dumps(value))
    assert found == value if not code else code in {"too_deep", "surrogate"}


@given(st.text(alphabet='{}[]",:0123456789eE+-._truefalsnNI \\u', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    _, code = read(text)
    assert code or json.loads(text) is not ...
