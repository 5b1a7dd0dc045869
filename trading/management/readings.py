"""A reading of a chart as somebody at a terminal sees it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from analysis.domain import Direction, Recommendation
from analysis.foreign import ForeignReading
from analysis.models import Analysis
from analysis.services import recommendation_of
from trading.domain.verdict import dollars, number, percent, plain

LABEL_WIDTH = 12
NEVER_TRADED = (
    "A picture of your own has no candles to check it against, so nothing it says is grounded, "
    "and it is never traded on."
)


def reading_lines(analysis: Analysis, *, on_record: bool) -> Iterator[str]:
    """Everything that is known of a reading, line by line."""
    found = recommendation_of(analysis)
    yield _line("direction", found.direction.value)
    yield from _prices(found)
    scores = found.scores
    yield _line("scores", f"setup {scores.setup_quality}, environment {scores.market_environment}")
    yield _line("environment", found.environment.value)
    for item in found.evidence:
        yield _line("evidence", f"[{item.kind}, for {item.supports}] {item.text}")
    yield _line("objection", found.strongest_objection or "–")
    yield _line("invalidation", found.invalidation or "–")
    yield from _grounding(found)
    if found.veto:
        yield _line("veto", found.veto)
    for name, value in found.features.items():
        yield _line("feature", f"{name}: {value}")
    yield _line("cost", _cost(analysis, on_record))


def foreign_lines(reading: ForeignReading) -> Iterator[str]:
    """A reading of a picture that nobody can check."""
    yield _line("shows", reading.shown or "–")
    yield _line("legible", reading.legible.value)
    yield _line("direction", reading.direction.value)
    yield _line("scores", f"setup {reading.setup_quality}")
    yield _line("environment", reading.environment.value)
    for text in reading.observations:
        yield _line("evidence", text)
    for text in reading.case_long:
        yield _line("for long", text)
    for text in reading.case_short:
        yield _line("for short", text)
    yield _line("objection", reading.strongest_objection or "–")
    yield _line("cost", "unknown" if reading.call.cost is None else dollars(reading.call.cost))
    yield _line("grounding", NEVER_TRADED)


def _prices(found: Recommendation) -> Iterator[str]:
    entry, stop, target = found.entry_price, found.stop_loss, found.take_profit
    yield _line("last", f"{plain(found.last_price)}, ATR {plain(found.atr)}")
    if found.direction is Direction.NONE or entry is None or stop is None or target is None:
        return
    yield _line("entry", plain(entry))
    yield _line("stop", f"{plain(stop)} ({_in_atr(entry - stop, found.atr)})")
    ratio = f", {number(abs(target - entry) / abs(entry - stop))} R" if entry != stop else ""
    yield _line("target", f"{plain(target)} ({_in_atr(target - entry, found.atr)}{ratio})")


def _in_atr(distance: Decimal, atr: Decimal) -> str:
    return f"{number(abs(distance) / atr)} ATR away" if atr > 0 else "no ATR"


def _grounding(found: Recommendation) -> Iterator[str]:
    grounding = found.grounding
    if grounding is None:
        yield _line("grounding", "nobody looked at a picture for this answer")
        return
    yield _line("grounding", "grounded" if grounding.grounded else f"NO: {grounding.reason}")
    for item, error in grounding.errors.items():
        off = "not read" if error is None else f"{percent(error)} of the range off"
        yield _line("", f"{item}: {off}")


def _cost(analysis: Analysis, on_record: bool) -> str:
    if on_record:
        return f"nothing now; it is on record and cost {dollars(analysis.cost)} then"
    return dollars(analysis.cost)


def _line(label: str, text: str) -> str:
    return f"  {label:<{LABEL_WIDTH}} {text}"
