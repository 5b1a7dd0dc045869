"""Prompt texts take documented variables only, and a fault is named with its place."""

from __future__ import annotations

import pytest

from analysis.prompts.template import VARIABLES, PromptInvalid, check_texts, pieces

GOOD = "Question {{ question_id }}\n{{ timeframe }}\n{{ table }}"
REQUIRED = {"question_id", "timeframe", "table"}


def variables_of(user: str) -> set[str]:
    return {piece.text for piece in pieces(user, "user_text") if piece.is_variable}


def refused(system: str, user: str) -> PromptInvalid:
    with pytest.raises(PromptInvalid) as caught:
        check_texts(system, user)
    return caught.value


def test_a_text_with_what_is_required_is_taken() -> None:
    check_texts("Read.", GOOD)
    assert variables_of(GOOD) == REQUIRED


def test_single_braces_are_text() -> None:
    user = GOOD + '\n{"a": 1}'
    check_texts('Such as {"a": {"b": 1} }.', user)
    assert variables_of(user) == REQUIRED


@pytest.mark.parametrize(
    ("user", "line", "column", "words"),
    [
        (GOOD + "\nnow {{ wallet }}", 4, 5, "unknown variable 'wallet'"),
        (GOOD + "\n\n  {{ bars", 5, 3, "{{ is not closed by }}"),
        (GOOD + "\n{{ bars\n}}", 4, 1, "{{ is not closed by }} on its line"),
        (GOOD + "\n{{ bars {{ table }}", 4, 1, "{{ is not closed by }}"),
        (GOOD + '\n{"a":{"b":1}}', 4, 12, "}} without {{"),
        (GOOD + "\n{{}}", 4, 1, "unknown variable ''"),
        (GOOD + "\n{{ table|safe }}", 4, 1, "unknown variable 'table|safe'"),
        ("{{ table }}", 0, 0, "missing: {{ question_id }}, {{ timeframe }}"),
        ("  \n", 0, 0, "wants a text"),
        (GOOD + "x" * 20_000, 3, 19_958, "at most 20000"),
    ],
)
def test_a_fault_of_the_user_text_has_its_place(
    user: str, line: int, column: int, words: str
) -> None:
    fault = refused("Read.", user)
    assert (fault.field, fault.line, fault.column) == ("user_text", line, column)
    assert words in fault.message


def test_the_system_text_takes_no_variables() -> None:
    fault = refused("Read.\nThis is {{ timeframe }}.", GOOD)
    assert (fault.field, fault.line, fault.column) == ("system_text", 2, 9)
    assert "belongs into the user text" in fault.message


def test_a_place_is_part_of_the_sentence() -> None:
    assert str(refused("Read.", GOOD + "{{ x }}")).startswith("line 3, column 12: unknown")


def test_every_variable_is_documented() -> None:
    assert all(variable.meaning for variable in VARIABLES)
    assert {each.name for each in VARIABLES if each.required} == {
        "question_id",
        "timeframe",
        "table",
    }
