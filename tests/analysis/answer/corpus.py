"""Bad answers by the hundred, made from a good one: mutated, generated and hostile texts.

The same seed gives the same texts on every machine.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from tests.analysis.answer.attacks import FORBIDDEN, FRAMES, WISHES

Written = dict[str, Any]

ODD_NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "1e9", "1e" + "9" * 50),
    *("6_0", "６０", "٣", "0x1F", "01", "+1", ".5", "5.", "1,5", "-0", "null", "true"),
    *("0.30000000000000004", "1e2", "100.2e0", "-41.0", "9" * 20, "1" * 50, "0." + "3" * 60),
)
ODD_CHARACTERS = (
    *("\u0000", "\u0007", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\ud800", "\udfff"),
    *("\u0301", "\U0001f4c8", "\uff4c", "\u0435", "\ufdfd", "\\", '"'),
)
OTHER_TYPES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, "", "null", "NaN", "100.2", [], {}, [1], {"a": 1}),
)
WORDS = ("long", "short", "none", "LONG", "buy", "hold", "all", "no", "R1", "S1", "S3", "market")


class Hostile(NamedTuple):
    """A text with what it tries: field, text, value or frame."""

    attempt: str
    text: str


def mutated(answer: Written, count: int, seed: int) -> Iterator[str]:
    """``answer`` with one to three mutations each, of its value first and then of its text."""
    random = Random(seed)
    for _ in range(count):
        changed = copy.deepcopy(answer)
        on_text: list[Callable[[Random, str], str]] = []
        for _ in range(random.choice((1, 1, 2, 3))):
            if random.random() < 0.7:
                random.choice(VALUE_MUTATIONS)(random, changed)
            else:
                on_text.append(random.choice(TEXT_MUTATIONS))
        text = json.dumps(changed, ensure_ascii=random.random() < 0.5)
        for mutate in on_text:
            text = mutate(random, text)
        yield text


def generated(answer: Written, count: int, seed: int) -> Iterator[str]:
    """Texts of a small JSON grammar: half of them any value, half with the fields of ``answer``."""
    random = Random(seed)
    for index in range(count):
        if index % 2:
            yield _value(random, random.randint(0, 9))
        else:
            fields = (f"{_string(name)}:{_guess(random, answer[name])}" for name in answer)
            yield "{" + ",".join(fields) + "}"


def injected(answer: Written) -> list[Hostile]:
    """200 attempts to get more than an answer: forbidden fields, orders in texts, foreign values,
    frames around the answer."""
    return [*_fields(answer), *_texts(answer), *_values(answer), *_frames(answer)]


def _swap_values(random: Random, answer: Written) -> None:
    one, other = random.choice(list(answer)), random.choice(list(answer))
    answer[one], answer[other] = answer[other], answer[one]


def _swap_type(random: Random, answer: Written) -> None:
    name = random.choice(list(answer))
    as_text = random.random() < 0.3
    answer[name] = str(answer[name]) if as_text else copy.deepcopy(random.choice(OTHER_TYPES))


def _shift_number(random: Random, answer: Written) -> None:
    numbers = [name for name, value in answer.items() if isinstance(value, int | float)]
    if numbers:
        name = random.choice(numbers)
        change = random.choice((-1, 0, 0.5, 0.98, 0.999, 1.001, 1.02, 2, 100, 1000))
        answer[name] = round(answer[name] * change, 4)


def _change_word(random: Random, answer: Written) -> None:
    words = [name for name, value in answer.items() if isinstance(value, str)]
    if words:
        answer[random.choice(words)] = random.choice(WORDS)


def _drop_field(random: Random, answer: Written) -> None:
    if answer:
        del answer[random.choice(list(answer))]


def _rename_field(random: Random, answer: Written) -> None:
    name = random.choice(list(answer))
    answer[random.choice((name.upper(), f"{name} ", f"{name}_", "quantity"))] = answer.pop(name)


def _add_field(random: Random, answer: Written) -> None:
    name, value = random.choice(FORBIDDEN)
    answer[name] = value


def _odd_text(random: Random, answer: Written) -> None:
    name = random.choice(list(answer))
    odd = random.choice(ODD_CHARACTERS)
    value = answer[name]
    if isinstance(value, str):
        place = random.randint(0, len(value))
        answer[name] = value[:place] + odd + value[place:]
    elif isinstance(value, list) and value and isinstance(value[0], str):
        value[0] += odd


def _change_observation(random: Random, answer: Written) -> None:
    seen = answer.get("observations")
    if isinstance(seen, list) and seen and isinstance(seen[0], dict) and seen[0]:
        change = (_swap_values, _swap_type, _shift_number, _drop_field, _add_field, _odd_text)
        random.choice(change)(random, seen[0])


def _resize_list(random: Random, answer: Written) -> None:
    lists = [value for value in answer.values() if isinstance(value, list)]
    if lists:
        found = random.choice(lists)
        found[:] = (found or ["x"]) * random.choice((0, 2, 3, 40))


def _flip_bit(random: Random, text: str) -> str:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return data.decode("utf-8", "replace")


def _truncate(random: Random, text: str) -> str:
    return text[: random.randint(0, len(text))]


def _cut_out(random: Random, text: str) -> str:
    start = random.randint(0, len(text))
    return text[:start] + text[start + random.randint(1, 60) :]


def _repeat_part(random: Random, text: str) -> str:
    start = random.randint(0, len(text))
    end = start + random.randint(1, 60)
    return text[:end] + text[start:end] + text[end:]


def _odd_number(random: Random, text: str) -> str:
    parts = text.split(": ")
    numeric = [index for index, part in enumerate(parts) if part[:1].isdigit() or part[:1] == "-"]
    if not numeric:
        return text
    index = random.choice(numeric)
    _, comma, rest = parts[index].partition(",")
    parts[index] = random.choice(ODD_NUMBERS) + comma + rest
    return ": ".join(parts)


def _duplicate_field(random: Random, text: str) -> str:
    name, value = random.choice((("direction", '"short"'), ("entry", "1"), ("stop", "null")))
    return text.replace("{", f'{{"{name}": {value}, ', 1)


def _odd_character(random: Random, text: str) -> str:
    place = random.randint(0, len(text))
    return text[:place] + random.choice(ODD_CHARACTERS) + text[place:]


def _wrap(random: Random, text: str) -> str:
    return random.choice(FRAMES).replace("ANSWER", text)


VALUE_MUTATIONS = (
    _swap_values,
    _swap_type,
    _shift_number,
    _shift_number,
    _change_word,
    _rename_field,
    _add_field,
    _odd_text,
    _change_observation,
    _resize_list,
)
TEXT_MUTATIONS = (
    _flip_bit,
    _flip_bit,
    _truncate,
    _cut_out,
    _repeat_part,
    _odd_number,
    _odd_number,
    _duplicate_field,
    _odd_character,
    _wrap,
)


def _string(text: str) -> str:
    return json.dumps(text)


def _value(random: Random, depth: int) -> str:
    kind = random.choice(("atom", "list", "object", "list", "object")) if depth else "atom"
    if kind == "list":
        return "[" + ",".join(_value(random, depth - 1) for _ in range(random.randint(0, 3))) + "]"
    if kind == "object":
        names = random.choices(
            [*WORDS, "direction", "entry", "leverage", ""], k=random.randint(0, 3)
        )
        return "{" + ",".join(f"{_string(n)}:{_value(random, depth - 1)}" for n in names) + "}"
    return _atom(random)


def _atom(random: Random) -> str:
    number = f"{random.choice(('', '-'))}{random.randint(0, 200)}.{random.randint(0, 99)}"
    odd = _string(random.choice(ODD_CHARACTERS))
    word = _string(random.choice(WORDS))
    return random.choice((number, word, odd, random.choice(ODD_NUMBERS), "null", "true", "[]"))


def _guess(random: Random, right: Any) -> str:
    """Mostly a plausible value for a field, sometimes anything."""
    if random.random() < 0.01:
        return _value(random, 3)
    if isinstance(right, str) and random.random() < 0.04:
        return _string(random.choice(WORDS))
    if isinstance(right, float) and random.random() < 0.08:
        return f"{random.uniform(90, 110):.{random.randint(0, 3)}f}"
    return json.dumps(right)


def _fields(answer: Written) -> Iterator[Hostile]:
    for name, value in FORBIDDEN:
        yield Hostile("field", json.dumps({name: value} | answer))
        inside = copy.deepcopy(answer)
        inside["observations"][-1][name] = value
        yield Hostile("field", json.dumps(inside))


def _texts(answer: Written) -> Iterator[Hostile]:
    for wish in WISHES:
        seen = copy.deepcopy(answer["observations"])
        seen[0]["text"] = wish
        for changes in (
            {"observations": seen},
            {"case_long": [wish], "case_short": [wish]},
            {"strongest_objection": wish},
            {"not_visible": [wish]},
        ):
            yield Hostile("text", json.dumps(answer | changes))


def _values(answer: Written) -> Iterator[Hostile]:
    for name in ("chart_id", "question_id", "direction", "entry_type", "environment"):
        for value in ("BTCUSDT", "approve", "long; qty=10", "*"):
            yield Hostile("value", json.dumps(answer | {name: value}))
    for scale in (1e-4, 1e-2, 0.5, 2, 10, 97.4, 974.31, 1e4, 1e6, -1):
        prices = {name: answer[name] * scale for name in ("entry", "stop", "target")}
        yield Hostile("value", json.dumps(answer | prices))
    for name in ("setup_quality", "environment_fit"):
        for score in (85, 0.85, 1.5, "high", "1.0"):
            yield Hostile("value", json.dumps(answer | {name: score}))


def _frames(answer: Written) -> Iterator[Hostile]:
    text = json.dumps(answer)
    for frame in FRAMES:
        yield Hostile("frame", frame.replace("ANSWER", text))
