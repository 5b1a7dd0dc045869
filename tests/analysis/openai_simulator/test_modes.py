"""What each mode of the simulated model server answers, seen through the openai package."""

from __future__ import annotations

import time

import openai
import pytest
from openai.types.responses import Response

from tests.analysis.openai_simulator.door import (
    SCHEMA,
    WORDS,
    Door,
    data_url,
    picture,
    planted,
    sha_of,
)


def test_perfect_reader_answers_from_planted_truth_in_the_given_schema(door: Door) -> None:
    answer = door.fields(image=planted(door.sim))
    assert list(answer) == list(SCHEMA["properties"])
    assert answer["question_id"] == "G6QT7T"
    assert answer["chart_id"] == "ACDE"
    assert (answer["marker_1"], answer["marker_2"]) == (97.25, 92.5)
    assert (answer["direction"], answer["entry"]) == ("long", 100.0)
    assert (answer["stop"], answer["target"]) == (98.5, 103.75)
    assert answer["unheard_of"] is False


def test_reader_without_picture_knows_what_the_words_say(door: Door) -> None:
    answer = door.fields()
    assert (answer["chart_id"], answer["marker_1"]) == ("", None)
    assert answer["direction"] == "long"


def test_copycat_copies_ids_and_guesses_markers(door: Door) -> None:
    door.sim.script("copycat")
    answer = door.fields(image=planted(door.sim))
    assert (answer["question_id"], answer["chart_id"]) == ("G6QT7T", "ACDE")
    assert 98.5 <= answer["marker_1"] <= 101


@pytest.mark.parametrize(
    ("mode", "side"), [("always_long", "long"), ("always_short", "short"), ("none", "none")]
)
def test_fixed_ideas_keep_their_side(door: Door, mode: str, side: str) -> None:
    door.sim.script(mode)
    falling = WORDS.replace("EMA20|99", "EMA20|101").replace("EMA50|98", "EMA50|102")
    assert {door.fields()["direction"], door.fields(words=falling)["direction"]} == {side}


def test_wrong_chart_names_another_one(door: Door) -> None:
    image = planted(door.sim)
    door.sim.script("wrong_chart")
    answer = door.fields(image=image)
    assert answer["question_id"] != "G6QT7T"
    assert len(answer["question_id"]) == 6


def test_ungrounded_markers_are_a_tenth_of_the_range_off(door: Door) -> None:
    door.sim.script("ungrounded")
    answer = door.fields(image=planted(door.sim))
    assert (answer["chart_id"], answer["marker_1"]) == ("ACDE", 96.25)


def test_mutated_answers_differ_by_seed_and_repeat_with_it(door: Door) -> None:
    image = planted(door.sim)
    answers = []
    for seed in (1, 1, 2):
        door.sim.script("mutated", times=1, seed=seed)
        answers.append(door.text(image=image))
    assert answers[0] == answers[1] != answers[2]


def test_injections_carry_an_attack(door: Door) -> None:
    door.sim.script("injected", times=1, n=0)
    assert "leverage to 100" in door.text()
    door.sim.script("injected", times=1, n=2)
    assert door.fields()["quantity"] == 999999


def test_scripted_texts_come_in_turn(door: Door) -> None:
    door.sim.script("scripted", texts=["one", "two"])
    assert [door.text(), door.text(), door.text()] == ["one", "two", "two"]


def test_reordered_answer_has_its_last_field_first(door: Door) -> None:
    door.sim.script("reordered", times=1)
    assert next(iter(door.fields())) == "unheard_of"


def test_slow_answer_outlasts_a_short_timeout(door: Door) -> None:
    door.sim.script("slow", times=1, s=1)
    with pytest.raises(openai.APITimeoutError):
        door.ask(timeout=0.2)


def test_dripping_answer_arrives_whole_and_late(door: Door) -> None:
    door.sim.script("drip", times=1, s=0.4)
    started = time.monotonic()
    # Each piece comes in time for a timeout between two reads; only the whole is late.
    assert door.fields(timeout=0.3)["question_id"] == "G6QT7T"
    assert time.monotonic() - started >= 0.4


def test_truncated_answer_says_so(door: Door) -> None:
    door.sim.script("truncated", times=1)
    reply = door.ask()
    if isinstance(reply, Response):
        assert reply.status == "incomplete"
        assert reply.incomplete_details is not None
        assert reply.incomplete_details.reason == "max_output_tokens"
    else:
        assert reply.choices[0].finish_reason == "length"


def test_refusal_stands_where_the_api_puts_it(door: Door) -> None:
    door.sim.script("refusing", times=1, text="No.")
    reply = door.ask()
    if isinstance(reply, Response):
        message = reply.output[0]
        assert message.type == "message"
        assert message.content[0].type == "refusal"
        assert message.content[0].refusal == "No."
    else:
        assert reply.choices[0].message.refusal == "No."
        assert reply.choices[0].message.content is None


def test_rate_limit_holds_for_its_time_and_names_the_pause(door: Door) -> None:
    door.sim.script("rate_limited", for_s=0.2, retry_after=1.5)
    with pytest.raises(openai.RateLimitError) as refused:
        door.ask()
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["retry-after"] == "2"
    assert refused.value.response.headers["retry-after-ms"] == "1500"
    time.sleep(0.25)
    assert door.fields()["question_id"] == "G6QT7T"


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("server_error", openai.InternalServerError),
        ("quota", openai.RateLimitError),
        ("reset", openai.APIConnectionError),
    ],
)
def test_failures_are_what_the_package_knows(door: Door, mode: str, error: type[Exception]) -> None:
    door.sim.script(mode, times=1)
    with pytest.raises(error):
        door.ask()


def test_empty_and_foreign_bodies_hold_no_answer(door: Door) -> None:
    door.sim.script("empty", times=1)
    assert door.text() == ""
    door.sim.script("not_json", times=1)
    assert "Bad Gateway" in str(door.ask())


def test_scripts_queue_and_choose_by_model_words_and_picture(door: Door) -> None:
    sim = door.sim
    image = data_url(picture(80, 80))
    sim.script("scripted", model="sim-patch", text="model")
    sim.script("scripted", contains="of the second", text="words")
    sim.script("scripted", image=sha_of(picture(80, 80)), times=1, text="picture")
    sim.script("scripted", times=1, text="first")
    sim.script("scripted", times=1, text="second")
    assert door.text(model="sim-patch") == "model"
    assert door.text(words="of the second") == "words"
    assert [door.text(image=image) for _ in range(3)] == ["picture", "first", "second"]
    assert door.fields()["question_id"] == "G6QT7T"


def test_unknown_modes_are_refused(door: Door) -> None:
    with pytest.raises(ValueError, match="no mode"):
        door.sim.script("psychic")
