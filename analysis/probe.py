"""Measure an endpoint: what pictures cost there, how small it reads, in which order it writes.

Rules of how pictures are counted differ between models and change; what is measured here stands
above them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.answer.schema import record
from analysis.budget import Purse
from analysis.calls.asking import Asking, CallFacts, Put, call_obtain
from analysis.calls.values import ModelQuestion
from analysis.chart import render
from analysis.chart_layout import LEGEND_SIZE, PATCH_SCALE, TILE_SCALE, Layout
from analysis.chart_style import ChartStyle
from analysis.choices import CallPurpose, ImageFamily
from analysis.errors import AnalystUnavailable
from analysis.eye_test import pictures
from analysis.eye_test.ask import card_hits, lenient
from analysis.eye_test.generators import ChartSpec, Market, make
from analysis.eye_test.marks import CARD_EXACT, LEGIBILITY_RESERVE
from analysis.eye_test.plan import CARD_SIZES
from analysis.eye_test.questions import CARD_NAME, CARD_SCHEMA, CARD_USER, SYSTEM
from analysis.models import AnalystProfile
from exchange.ports import Clock

LARGE_SCALE = 5 / 3
SCALES = (TILE_SCALE, PATCH_SCALE, LARGE_SCALE)
CHART = ChartSpec(Market.MARTINGALE, seed=1, number=1)
# Models that cut a picture into tiles shrink all three sizes to the same one.
SAME_COST = 1.05
PATCH_PX = 32

# Neither alphabetical nor by length, so that no other order looks like it.
ORDER_NAMES = ("middle", "alpha", "zebra", "beta", "yard")
ORDER_SCHEMA = record({name: {"type": "string"} for name in ORDER_NAMES})
ORDER_USER = "Fill every field with a single short word."


@dataclass(frozen=True, slots=True)
class PictureCost:
    """Input tokens that one picture of a size took; None where the server does not count."""

    width: int
    height: int
    tokens: int | None

    @property
    def patches(self) -> int:
        return -(-self.width // PATCH_PX) * -(-self.height // PATCH_PX)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What was measured. ``read`` is the share of numbers read by type size in pixels;
    ``keys_in_order`` whether every answer had its fields in the order of the schema."""

    costs: tuple[PictureCost, ...]
    family: ImageFamily | None
    read: Mapping[int, float]
    keys_in_order: bool

    @property
    def image_tokens(self) -> int | None:
        """Of one chart as it is drawn for the family."""
        if self.family is None:
            return None
        return self.costs[0 if self.family is ImageFamily.TILE else 1].tokens

    @property
    def floor(self) -> int | None:
        """The smallest size from which on every size is read; None where none is."""
        found = None
        for size in sorted(self.read, reverse=True):
            if self.read[size] < CARD_EXACT:
                break
            found = size
        return found

    @property
    def smallest_text(self) -> float:
        """Pixels of the smallest text on a chart as it is drawn for the family."""
        return LEGEND_SIZE * (PATCH_SCALE if self.family is ImageFamily.PATCH else TILE_SCALE)

    @property
    def is_legible(self) -> bool:
        """Whether charts have no text too small for this model, with the reserve asked for."""
        return self.floor is not None and self.floor * LEGIBILITY_RESERVE <= self.smallest_text


def probe_run(*, profile: AnalystProfile, purses: Sequence[Purse], clock: Clock) -> ProbeReport:
    """Ask eleven small questions. Raises ``AnalystUnavailable`` when one gets no answer."""
    asking = Asking(
        profile=profile,
        prompt_version=None,
        purses=tuple(purses),
        purpose=CallPurpose.PROBE,
        charged_to=f"probe:{profile.pk}",
        clock=clock,
    )
    started = clock.now().isoformat()
    without = _ask(asking, started, "no picture", _order_question(()))
    sized = []
    for scale in SCALES:
        png = render(make(CHART).given, ChartStyle(scale=scale)).png
        put = _ask(asking, started, f"scale {scale:.2f}", _order_question((png,)))
        sized.append((Layout(scale).size, put))
    costs = tuple(PictureCost(*size, _more_tokens(put, without)) for size, put in sized)
    return ProbeReport(
        costs=costs,
        family=family_of(costs),
        read={size: _read_share(asking, started, size) for size in CARD_SIZES},
        keys_in_order=all(_in_order(put) for put in (without, *(put for _, put in sized))),
    )


def family_of(costs: Sequence[PictureCost]) -> ImageFamily | None:
    """How the model takes pictures, by what the smallest and the middle size cost; None where
    that was not counted."""
    small, middle = costs[0].tokens, costs[1].tokens
    if not small or not middle:
        return None
    return ImageFamily.TILE if middle <= small * SAME_COST else ImageFamily.PATCH


def probe_save(profile: AnalystProfile, report: ProbeReport) -> AnalystProfile:
    """Put what was measured on the profile, as a new version where it differs.

    Raises ``AnalystUnavailable`` where nothing was measured or somebody changed it meanwhile.
    """
    if report.family is None or report.image_tokens is None:
        raise AnalystUnavailable("The server does not count tokens: there is nothing to save.")
    measured = {"image_family": report.family.value, "image_tokens": report.image_tokens}
    if all(getattr(profile, name) == value for name, value in measured.items()):
        return profile
    moved = AnalystProfile.objects.filter(pk=profile.pk, version=profile.version).update(
        **measured, version=profile.version + 1
    )
    if moved != 1:
        raise AnalystUnavailable(f"{profile.name} was changed meanwhile: probe it again.")
    profile.refresh_from_db()
    return profile


def _order_question(images: tuple[bytes, ...]) -> ModelQuestion:
    return ModelQuestion(
        system=SYSTEM,
        user=ORDER_USER,
        images=images,
        schema=ORDER_SCHEMA,
        schema_name="field_order",
    )


def _ask(asking: Asking, started: str, name: str, question: ModelQuestion) -> Put:
    """Ask one question. ``started`` makes it a new one for each probe."""
    digest = hashlib.sha256(f"probe|{asking.profile.pk}|{started}|{name}".encode()).hexdigest()
    deadline_at = asking.clock.monotonic() + asking.profile.timeout_s
    facts = CallFacts(question=digest, attempt=1, chart=None, variant=name)
    return call_obtain(asking, facts, question, deadline_at)


def _more_tokens(put: Put, without: Put) -> int | None:
    if put.reply.usage is None or without.reply.usage is None:
        return None
    return put.reply.usage.input_tokens - without.reply.usage.input_tokens


def _in_order(put: Put) -> bool:
    try:
        answer = json.loads(put.reply.text)
    except ValueError:
        return False
    return isinstance(answer, dict) and tuple(answer) == ORDER_NAMES


def _read_share(asking: Asking, started: str, size: int) -> float:
    numbers = pictures.card_numbers(CHART.seed, CHART.number, size)
    # At the size that no model shrinks.
    question = ModelQuestion(
        system=SYSTEM,
        user=CARD_USER,
        images=(pictures.card(numbers, size, Layout(TILE_SCALE)),),
        schema=CARD_SCHEMA,
        schema_name=CARD_NAME,
    )
    put = _ask(asking, started, f"card {size}", question)
    hits = card_hits(lenient(put.reply.text), numbers)
    return sum(hits) / len(hits)
