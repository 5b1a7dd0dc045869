"""Broken, random and hostile answers, each the same for the same number."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.simulators.openai.hostile import ATTACKS, EXTRA_FIELDS

NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e-400",
    "6_0",
    "\uff11\uff12\uff13",
    "0x1F",
    "1,234.5",
    "+5",
    "01",
    ".5",
    "5.",
    "1e999999999",
    "9" * 400,
    '"97.5"',
    '"null"',
    "null",
    "true",
    "[]",
    "{}",
    "-1",
    "0",
    "1e9",
)
STRINGS = (
    '""',
    "null",
    "7",
    "[]",
    "{}",
    '"LONG"',
    '"buy"',
    '"\\u0000"',
    '"' + "x" * 5000 + '"',
    '"\\ud800"',
    '"long "',
    '"l\u043eng"',
    "'long'",
)
SIGNS = '\0",:[{}\u202e'
FENCES = (
    "```json\n{}\n```",
    "Here is my answer: {}",
    "{}\nI hope this helps.",
    "<think>{}</think>",
)

Change = Callable[[str, random.Random], str]


def mutated(text: str, seed: int) -> str:
    """``text`` with one to three changes of its bytes, its values or its fields."""
    chance = random.Random(f"mutated:{seed}")
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(_CHANGES)(text, chance)
    return text


def generated(seed: int) -> str:
    """A text that a small grammar of JSON (and of nearly JSON) gives."""
    chance = random.Random(f"generated:{seed}")
    return _value(chance, chance.randint(1, 6))


def injected(text: str, n: int) -> str:
    """``text`` with the ``n``-th attack in one of its words; every third with a field too many."""
    chance = random.Random(f"injected:{n}")
    attack = ATTACKS[n % len(ATTACKS)]
    answer = _object(text)
    if answer is None:
        return attack
    places = list(_words(answer))
    if n % 3 == 1:
        # Where free words are allowed, the attack itself is no reason to refuse the answer.
        places = [place for place in places if " " in place[0][place[1]]] or places
    if places:
        holder, key = chance.choice(places)
        holder[key] = attack
    if n % 3 == 2:
        name, value = EXTRA_FIELDS[n // 3 % len(EXTRA_FIELDS)]
        answer[name] = value
    return json.dumps(answer, ensure_ascii=False)


def _words(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every text in an answer, as what holds it and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in list(pairs):
        if isinstance(part, str):
            yield value, key
        elif isinstance(part, dict | list):
            yield from _words(part)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found else None


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _flip(text: str, chance: random.Random) -> str:
    if not text:
        return text
    place = chance.randrange(len(text))
    return text[:place] + chance.choice(SIGNS) + text[place + 1 :]


def _repeat(text: str, chance: random.Random) -> str:
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.randint(1, 40))
    return text[:end] + text[start:end] + text[end:]


def _fence(text: str, chance: random.Random) -> str:
    return chance.choice(FENCES).replace("{}", text)


def _with_value(text: str, chance: random.Random) -> str:
    """One field's value becomes one that must not be taken."""
    answer = _object(text)
    if answer is None:
        return text
    name = chance.choice(list(answer))
    odd = chance.choice(STRINGS if isinstance(answer[name], str) else NUMBERS)
    token = "@@odd@@"
    return json.dumps({**answer, name: token}, ensure_ascii=False).replace(f'"{token}"', odd)


def _without_field(text: str, chance: random.Random) -> str:
    answer = _object(text)
    if answer is None:
        return text
    answer.pop(chance.choice(list(answer)))
    return json.dumps(answer)


def _twice(text: str, chance: random.Random) -> str:
    """One field stands there twice, the second time with another's value."""
    answer = _object(text)
    if answer is None:
        return text
    name, other = chance.choice(list(answer)), chance.choice(list(answer))
    again = json.dumps({name: answer[other]})[1:]
    return f"{json.dumps(answer)[:-1]}, {again}"


def _swapped(text: str, chance: random.Random) -> str:
    """Two fields exchange their values."""
    answer = _object(text)
    if answer is None or len(answer) < 2:
        return text
    one, other = chance.sample(list(answer), 2)
    answer[one], answer[other] = answer[other], answer[one]
    return json.dumps(answer)


def _renamed(text: str, chance: random.Random) -> str:
    answer = _object(text)
    if answer is None:
        return text
    name = chance.choice(list(answer))
    answer[chance.choice((name.upper(), f" {name}", f"{name}_", "quantity"))] = answer.pop(name)
    return json.dumps(answer)


def _moved(text: str, chance: random.Random) -> str:
    """One number becomes another number, far or near."""
    answer = _object(text)
    if answer is None:
        return text
    names = [
        name
        for name, value in answer.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if not names:
        return text
    name = chance.choice(names)
    answer[name] = round(answer[name] * chance.choice((-1, 0, 0.5, 0.98, 1.02, 2, 100, 1e6)), 6)
    return json.dumps(answer)


def _deep(text: str, chance: random.Random) -> str:
    depth = chance.choice((50, 500, 20_000))
    return "[" * depth + text + "]" * depth


# What leaves valid JSON comes more often: it gets furthest.
_CHANGES: tuple[Change, ...] = (
    *(_with_value,) * 6,
    *(_moved,) * 6,
    *(_swapped,) * 3,
    *(_renamed,) * 2,
    *(_without_field,) * 2,
    *(_twice,) * 2,
    _cut,
    _flip,
    _repeat,
    _fence,
    _deep,
)


def _value(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.2:
        return _leaf(chance)
    parts = [_value(chance, depth - 1) for _ in range(chance.randint(0, 5))]
    separator = chance.choice((",", ",", ",", ", ", ",,", ";"))
    if chance.random() < 0.4:
        return f"[{separator.join(parts)}]"
    fields = (f"{_key(chance)}{chance.choice((':', ': ', '='))}{part}" for part in parts)
    return f"{{{separator.join(fields)}}}"


def _key(chance: random.Random) -> str:
    names = ("direction", "entry", "stop", "target", "chart_id", "marker_1", "quantity", "")
    return json.dumps(chance.choice(names))


def _leaf(chance: random.Random) -> str:
    kind = chance.randrange(4)
    if kind == 0:
        return chance.choice(NUMBERS)
    if kind == 1:
        return chance.choice(STRINGS)
    if kind == 2:
        return json.dumps(chance.uniform(-1000, 1000))
    return json.dumps(chance.choice(("long", "short", "none", *ATTACKS)))
