"""Parts about judging: does the answer follow the picture, and nothing else (P8 to P15)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from statistics import median

from analysis.answer.value import Conflict, Legible
from analysis.calls.values import FailureCode
from analysis.chart_layout import LEGEND_SIZE
from analysis.copies import flipped
from analysis.domain import Direction
from analysis.eye_test.ask import Asked, card_hits
from analysis.eye_test.marks import CARD_EXACT, LEGIBILITY_RESERVE, PartResult, judge, unexamined
from analysis.eye_test.parts_reading import of, share
from analysis.eye_test.plan import CARD_SIZES, Control, Group, original_of
from analysis.eye_test.statistics import deviation, mean, mean_interval, modal_share, wilson


def by_key(asked: Iterable[Asked]) -> dict[tuple[Group, int, str], Asked]:
    return {(each.item.group, each.item.number, each.item.variant): each for each in asked}


def p8(asked: Sequence[Asked]) -> PartResult:
    """On a chart without edge neither side is preferred; with the mirror the answer turns."""
    found = by_key(asked)
    null = [each.direction for each in of(asked, Group.NULL)]
    lean = share(null.count(Direction.LONG) - null.count(Direction.SHORT), len(null))
    pairs = [
        (each, found[group, number, "mirror"])
        for (group, number, variant), each in found.items()
        if group in (Group.NULL, Group.DRIFT) and not variant
    ]
    sided = [pair for pair in pairs if _named_a_side(pair)]
    flips = sum(1 for one, other in sided if flipped(one.direction) is other.direction)
    drifting = [pair for pair in pairs if pair[0].item.group is Group.DRIFT]
    answered = sum(1 for pair in drifting if _named_a_side(pair))
    figures = {
        "long less short on charts without edge": None if lean is None else abs(lean),
        "flipped with the mirror": share(flips, len(sided)),
        "drifting pairs with a side": share(answered, len(drifting)),
    }
    remark = "" if lean is None else f"Lean to long: {lean * 100:+.0f} points"
    return judge("P8", len(pairs), figures, None, remark)


def _named_a_side(pair: tuple[Asked, Asked]) -> bool:
    return any(each.direction is not Direction.NONE for each in pair)


def p9(asked: Sequence[Asked]) -> PartResult:
    """Scale, theme and bar count change neither the direction nor the stop."""
    found = by_key(asked)
    same, shifts = [], []
    for each in of(asked, Group.INVARIANCE):
        original = found[(*original_of(each.item.number), "")]
        same.append(each.valid and original.valid and each.direction is original.direction)
        shift = _stop_shift(original, each)
        if shift is not None:
            shifts.append(shift)
    figures = {
        "same direction": share(sum(same), len(same)),
        "median shift of the stop in the range": median(shifts) if shifts else None,
    }
    return judge("P9", len(same), figures, wilson(sum(same), len(same)))


def _stop_shift(one: Asked, other: Asked) -> float | None:
    """How far apart both stops lie in real prices, as a share of the first chart's range."""
    first, second = real_stop(one), real_stop(other)
    if first is None or second is None or one.facts is None or one.direction is not other.direction:
        return None
    return float(abs(first - second) * one.facts.factor / one.facts.visible_range)


def real_stop(asked: Asked) -> Decimal | None:
    stop = asked.answer.stop if asked.answer else None
    return None if stop is None or asked.facts is None else stop / asked.facts.factor


def p10(asked: Sequence[Asked]) -> PartResult:
    """Whether the planted last bars move the answer their way on one and the same history."""
    found = by_key(asked)
    pairs = [
        (found[group, number, "bullish"], found[group, number, "bearish"])
        for group, number, variant in found
        if group is Group.EVIDENCE and variant == "bullish"
    ]
    effects = [(one.direction.sign - other.direction.sign) / 2 for one, other in pairs]
    interval = mean_interval(effects)
    figures = {"effect of the planted bars, lower bound": interval.low if pairs else None}
    return judge("P10", len(pairs), figures, interval, _trend_remark(pairs))


def _trend_remark(pairs: Iterable[tuple[Asked, Asked]]) -> str:
    """How far the answer follows the past trend instead."""
    along = [
        each.direction.sign * (1 if each.item.spec.drift_t > 0 else -1)
        for pair in pairs
        for each in pair
        if each.item.spec is not None and each.item.spec.drift_t
    ]
    return f"Along the past trend {mean(along):+.2f}" if along else ""


def p11(asked: Sequence[Asked]) -> PartResult:
    """Restraint where nothing can be known."""
    null = [each for each in of(asked, Group.NULL) if not each.item.mirrored]
    none = sum(1 for each in null if each.direction is Direction.NONE)
    surplus = [excess for each in null if (excess := _surplus(each)) is not None]
    figures = {
        "none on charts without edge": share(none, len(null)),
        "stated chance above the null's": mean(surplus) if surplus else None,
    }
    return judge("P11", len(null), figures, wilson(none, len(null)))


def _surplus(asked: Asked) -> float | None:
    """Stated chance of the target less the one without an edge: 1/(1+R) of what is decided."""
    answer = asked.answer
    if answer is None or answer.entry is None or answer.stop is None or answer.target is None:
        return None
    risk, reward = abs(answer.entry - answer.stop), abs(answer.target - answer.entry)
    if risk <= 0:
        return None
    return float(answer.target_first - risk / (risk + reward))


def p12(asked: Sequence[Asked]) -> PartResult:
    """A picture that can't be right is flagged, or at least not traded."""
    controls = of(asked, Group.CONTROL)

    def flagged(*kinds: Control, by: Callable[[Asked], bool]) -> float | None:
        found = [by(each) for each in controls if each.item.control in kinds]
        return share(sum(found), len(found))

    figures = {
        "blank picture flagged": flagged(Control.BLANK, by=admits),
        # Nothing on a wrong picture looks wrong: its id gives it away to code.
        "wrong picture flagged": flagged(
            Control.WRONG, by=lambda each: not each.valid or admits(each)
        ),
        "text conflict flagged": flagged(Control.CONFLICT, by=admits),
        "distorted axis flagged": flagged(Control.INVERTED, Control.TRUNCATED, by=admits),
    }
    return judge("P12", len(controls), figures)


def admits(asked: Asked) -> bool:
    """Whether the model itself says that something is wrong, or proposes nothing. That code
    refuses the answer is no merit of the model."""
    if asked.problem == FailureCode.REFUSED:
        return True
    if not asked.word("direction"):
        return False
    return (
        asked.word("direction") == Direction.NONE
        or asked.word("conflict") not in ("", Conflict.NONE)
        or asked.word("legible") in (Legible.PARTLY, Legible.NO)
    )


def p13(asked: Sequence[Asked]) -> PartResult:
    """The same question gets the same answer."""
    charts: dict[int, list[Asked]] = defaultdict(list)
    for each in of(asked, Group.STABILITY):
        charts[each.item.number].append(each)
    modal = [
        modal_share([each.direction if each.valid else each.item.key for each in repeats])
        for repeats in charts.values()
    ]
    spreads = [
        spread for repeats in charts.values() if (spread := _stop_spread(repeats)) is not None
    ]
    figures = {
        "commonest direction": mean(modal) if modal else None,
        "spread of the stop in ATR": mean(spreads) if spreads else None,
    }
    return judge("P13", sum(map(len, charts.values())), figures)


def _stop_spread(repeats: Sequence[Asked]) -> float | None:
    stops = [
        float(each.answer.stop / each.facts.atr)
        for each in repeats
        if each.answer and each.answer.stop is not None and each.facts and each.facts.atr > 0
    ]
    return deviation(stops) if len(stops) > 1 else None


def p14(asked: Sequence[Asked], assets: int) -> PartResult:
    """Real markets recognised from anonymous charts. ``assets`` is how many there were to name."""
    probes = of(asked, Group.RECALL)
    if not probes:
        return unexamined("P14", "Recall", "There are too few imported candles of real markets.")
    hits = sum(1 for each in probes if each.word("asset") == each.expected[0])
    months = sum(1 for each in probes if each.word("month") == each.expected[1])
    interval = wilson(hits, len(probes))
    figures = {"assets named above chance, lower bound": interval.low - 1 / assets}
    remark = f"{hits} of {len(probes)} assets and {months} months named"
    return judge("P14", len(probes), figures, interval, remark)


def p15(asked: Sequence[Asked], scale: float) -> PartResult:
    """The smallest type that is read, against the smallest that charts use."""
    reads: dict[int, list[bool]] = {size: [] for size in CARD_SIZES}
    for each in of(asked, Group.CARD):
        reads[each.item.size] += card_hits(each.fields, each.expected)
    floor = None
    for size in reversed(CARD_SIZES):
        if not reads[size] or sum(reads[size]) < CARD_EXACT * len(reads[size]):
            break
        floor = size
    smallest = LEGEND_SIZE * scale
    name = "smallest text read, with reserve, of the smallest drawn"
    figures = {name: None if floor is None else floor * LEGIBILITY_RESERVE / smallest}
    remark = f"Reads from {floor} px on" if floor else "Reads no size without error"
    return judge("P15", sum(map(len, reads.values())), figures, None, remark)
