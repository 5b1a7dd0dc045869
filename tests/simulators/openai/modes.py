"""What each mode makes of a question."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulators.openai import readers
from tests.simulators.openai.asks import Ask
from tests.simulators.openai.errors import ApiError, quota_spent, rate_limited, server_error
from tests.simulators.openai.filling import fill
from tests.simulators.openai.mutations import generated, injected, mutated
from tests.simulators.openai.readers import Known
from tests.simulators.openai.truths import Truths
from tests.simulators.openai.wording import words_of

REFUSAL = "I'm sorry, I can't help with reading this chart."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a question. ``share`` is how much of the text arrives before the limit of
    tokens; ``fate`` is answer, reset (the connection breaks) or not_json (a page instead)."""

    text: str = ""
    refusal: str = ""
    filtered: bool = False
    share: float = 1.0
    before_s: float = 0.0
    drip_s: float = 0.0
    fate: str = "answer"
    error: ApiError | None = None
    usage: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One question in the hands of one mode; ``turn`` counts its earlier ones."""

    ask: Ask
    args: Mapping[str, Any]
    turn: int
    truths: Truths
    seed: int

    @property
    def chance(self) -> random.Random:
        """Luck that depends on seed and question alone, not on the order of questions."""
        pictures = [picture.sha256 for picture in self.ask.pictures]
        return random.Random(f"{self.seed}:{self.turn}:{pictures}:{self.ask.text}")

    def truth(self) -> Known:
        return self.truths.of(self.ask)

    def answer(self, known: Known) -> str:
        """``known`` in the schema of the question, or as it is where none was sent."""
        if self.ask.schema is not None and "shown" in self.ask.schema.get("properties", {}):
            # A picture from elsewhere: nothing in it can be measured.
            known = {**readers.FOREIGN, **self.truth()}
        filled = known if self.ask.schema is None else fill(self.ask.schema, known)
        return json.dumps(filled, default=float, ensure_ascii=False)

    def perfect(self) -> str:
        return self.answer(readers.perfect(self.truth(), words_of(self.ask.user)))


def outcome_of(mode: str, task: Task) -> Outcome:
    """Carry out a mode. ``usage`` among the arguments overrides the counts of any mode."""
    outcome = MODES[mode](task)
    return replace(outcome, usage=task.args.get("usage", {}))


def _perfect(task: Task) -> Outcome:
    return Outcome(task.perfect())


def _reader(task: Task) -> Outcome:
    """As perfect, but by its own eyes alone; says so when it can't make out a chart."""
    seen = task.truths.seen(task.ask) or {"legible": "no"}
    known = readers.perfect(seen, words_of(task.ask.user))
    return Outcome(task.answer(known))


def _copycat(task: Task) -> Outcome:
    words = words_of(task.ask.user)
    return Outcome(task.answer(readers.copycat(task.truth(), words, task.chance)))


def _always(direction: str) -> Callable[[Task], Outcome]:
    def answer(task: Task) -> Outcome:
        known = readers.always(direction, task.truth(), words_of(task.ask.user))
        return Outcome(task.answer(known))

    return answer


def _other(task: Task) -> Outcome:
    """Answers as another mode does, named by ``answer``: for those that only change the way."""
    return outcome_of(str(task.args.get("answer", "perfect")), task)


def _slow(task: Task) -> Outcome:
    return replace(_other(task), before_s=float(task.args.get("s", 1)))


def _drip(task: Task) -> Outcome:
    return replace(_other(task), drip_s=float(task.args.get("s", 1)))


def _truncated(task: Task) -> Outcome:
    return replace(_other(task), share=float(task.args.get("share", 0.5)))


def _refusing(task: Task) -> Outcome:
    if task.args.get("filtered"):
        return Outcome(filtered=True)
    return Outcome(refusal=str(task.args.get("text", REFUSAL)))


def _rate_limited(task: Task) -> Outcome:
    retry_after_s = float(task.args.get("retry_after", 1))
    return Outcome(error=rate_limited(task.ask.model.name, retry_after_s))


def _server_error(task: Task) -> Outcome:
    return Outcome(error=server_error(int(task.args.get("status", 500))))


def _quota(_: Task) -> Outcome:
    return Outcome(error=quota_spent())


def _mutated(task: Task) -> Outcome:
    return Outcome(mutated(task.perfect(), int(task.args.get("seed", task.seed)) + task.turn))


def _generated(task: Task) -> Outcome:
    return Outcome(generated(int(task.args.get("seed", task.seed)) + task.turn))


def _injected(task: Task) -> Outcome:
    return Outcome(injected(task.perfect(), int(task.args.get("n", 0)) + task.turn))


def _wrong_chart(task: Task) -> Outcome:
    other = task.truths.other_than(task.ask)
    known = readers.elsewhere(task.truth(), other, words_of(task.ask.user))
    return Outcome(task.answer(known))


def _ungrounded(task: Task) -> Outcome:
    share = float(task.args.get("share", 0.1))
    known = readers.astray(task.truth(), words_of(task.ask.user), share)
    return Outcome(task.answer(known))


def _reordered(task: Task) -> Outcome:
    """A perfect answer whose fields come in the opposite order."""
    answer = json.loads(task.perfect())
    return Outcome(json.dumps(dict(reversed(answer.items()))))


def _scripted(task: Task) -> Outcome:
    """The given texts one after the other, the last one for ever; or one text."""
    texts = task.args.get("texts") or [task.args.get("text", "")]
    return Outcome(str(texts[min(task.turn, len(texts) - 1)]))


def _empty(_: Task) -> Outcome:
    return Outcome()


def _fate(fate: str) -> Callable[[Task], Outcome]:
    return lambda _: Outcome(fate=fate)


MODES: dict[str, Callable[[Task], Outcome]] = {
    "perfect": _perfect,
    "reader": _reader,
    "copycat": _copycat,
    "always_long": _always("long"),
    "always_short": _always("short"),
    "none": _always("none"),
    "slow": _slow,
    "drip": _drip,
    "truncated": _truncated,
    "refusing": _refusing,
    "rate_limited": _rate_limited,
    "server_error": _server_error,
    "quota": _quota,
    "mutated": _mutated,
    "generated": _generated,
    "injected": _injected,
    "wrong_chart": _wrong_chart,
    "ungrounded": _ungrounded,
    "reordered": _reordered,
    "scripted": _scripted,
    "empty": _empty,
    "not_json": _fate("not_json"),
    "reset": _fate("reset"),
}
