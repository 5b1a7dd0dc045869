"""Whether a model saw the picture: its read-back against what was drawn."""

from __future__ import annotations

from decimal import Decimal

from analysis.answer.value import Answer, LastBar
from analysis.domain import ChartFacts, Grounding

MARKER_SHARE = Decimal("0.025")
EXTREME_SHARE = Decimal("0.02")
BAR_SLACK = 3
FOUR_PLACES = Decimal("0.0001")
# Sent back to the model instead of the reason, from which it could work out what it should say.
GROUNDING_COMPLAINT = (
    "The read-back does not agree with the picture. Read the last close, both markers, the "
    "visible high and low with their bars and the newest bar from the picture again, and give "
    "null for a marker that can't be read."
)


def ground(answer: Answer, facts: ChartFacts) -> Grounding:
    """Compare the read-back of ``answer`` with ``facts``; the first item that fails is the reason.

    The reason is for people: it must not be sent to the model (``GROUNDING_COMPLAINT`` may).
    """
    errors = {
        "last_close": _error(answer.last_close, facts.last_close, facts),
        "marker_1": _error(answer.marker_1, facts.markers[0], facts),
        "marker_2": _error(answer.marker_2, facts.markers[1], facts),
        "visible_high": _error(answer.visible_high, facts.visible_high, facts),
        "visible_low": _error(answer.visible_low, facts.visible_low, facts),
    }
    reason = _price_reason(answer, facts, errors) or _bar_reason(answer, facts)
    return Grounding(
        grounded=not reason,
        reason=reason,
        errors={
            item: None if error is None else error.quantize(FOUR_PLACES)
            for item, error in errors.items()
        },
    )


def bars_off(read: int, true_bars: tuple[int, ...]) -> int:
    """How many bars ``read`` lies from the nearest bar that holds the extreme."""
    return min(abs(read - bar) for bar in true_bars)


def _error(read: Decimal | None, true: Decimal, facts: ChartFacts) -> Decimal | None:
    """Distance as a share of the visible range; 1 for any distance on a chart without range."""
    if read is None:
        return None
    distance = abs(read - true)
    if facts.visible_range <= 0:
        return Decimal(1) if distance else Decimal(0)
    return distance / facts.visible_range


def _price_reason(answer: Answer, facts: ChartFacts, errors: dict[str, Decimal | None]) -> str:
    # The last price is printed, so it is either copied or wrong.
    if answer.last_close != facts.last_close:
        off = _percent(errors["last_close"] or Decimal(0))
        return f"last_close is not the printed price: {off} of the visible range off."
    limits = {
        "marker_1": MARKER_SHARE,
        "marker_2": MARKER_SHARE,
        "visible_high": EXTREME_SHARE,
        "visible_low": EXTREME_SHARE,
    }
    for item, limit in limits.items():
        error = errors[item]
        if error is None:
            return f"{item} was not read."
        if error > limit:
            return (
                f"{item} is {_percent(error)} of the visible range off, {_percent(limit)} allowed."
            )
    return ""


def _bar_reason(answer: Answer, facts: ChartFacts) -> str:
    bars = (
        ("high_bar", bars_off(answer.high_bar, facts.high_bars)),
        ("low_bar", bars_off(answer.low_bar, facts.low_bars)),
    )
    for item, off in bars:
        if off > BAR_SLACK:
            return f"{item} is {off} bars off, {BAR_SLACK} allowed."
    if (answer.last_bar is LastBar.HOLLOW) != facts.newest_hollow:
        return "last_bar is not the newest candle's state."
    return ""


def _percent(share: Decimal) -> str:
    return f"{share * 100:.2f} %"
