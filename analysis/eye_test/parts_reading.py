"""Parts about seeing: what is printed, where things stand, what lies above what (P0 to P6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import zip_longest

from analysis.answer.grounding import BAR_SLACK, bars_off
from analysis.domain import ChartFacts, Direction
from analysis.eye_test.ask import Asked
from analysis.eye_test.marks import HIT_ATR, PARTS, PartResult, judge
from analysis.eye_test.plan import Control, Group, Question
from analysis.eye_test.statistics import macro_f1, mean, quantile, wilson
from analysis.eye_test.truth import Truth, touches

# An order of magnitude: off by at least this factor.
MAGNITUDE = Decimal("3.16")
MARKERS_AND_EXTREMES = ("marker_1", "marker_2", "visible_high", "visible_low")


def of(asked: Iterable[Asked], *groups: Group) -> list[Asked]:
    return [each for each in asked if each.item.group in groups]


def share(hits: int, count: int) -> float | None:
    return hits / count if count else None


def p0(asked: Sequence[Asked]) -> PartResult:
    """Ids, form and logic of the production answers to honest pictures."""
    asked = [
        each
        for each in asked
        if each.item.question is Question.PRODUCTION and each.item.control is Control.NOTHING
    ]
    named = sum(1 for each in asked if _names_both(each))
    valid = sum(1 for each in asked if each.valid)
    figures = {
        "both ids named": share(named, len(asked)),
        "valid after at most one retry": share(valid, len(asked)),
        "stops accepted on the wrong side": float(sum(1 for each in asked if _wrong_side(each))),
    }
    return judge("P0", len(asked), figures, wilson(named, len(asked)), _problems(asked))


def _names_both(asked: Asked) -> bool:
    facts = asked.facts
    if facts is None:
        return False
    wanted = (facts.question_id, facts.chart_id)
    return (asked.word("question_id"), asked.word("chart_id")) == wanted


def _wrong_side(asked: Asked) -> bool:
    """Whether code accepted a plan whose prices contradict its direction."""
    answer = asked.answer
    if answer is None or answer.direction is Direction.NONE:
        return False
    if answer.entry is None or answer.stop is None or answer.target is None:
        return True
    sign = answer.direction.sign
    return not sign * answer.stop < sign * answer.entry < sign * answer.target


def _problems(asked: Iterable[Asked]) -> str:
    """The commonest reasons of refused answers, for people."""
    counted: dict[str, int] = defaultdict(int)
    for each in asked:
        if each.problem:
            counted[each.problem] += 1
    worst = sorted(counted.items(), key=lambda pair: -pair[1])[:3]
    return "Refused: " + ", ".join(f"{code} {count}" for code, count in worst) if worst else ""


def p1(asked: Sequence[Asked]) -> PartResult:
    """Printed numbers, to the last digit."""
    reads = [
        (truth, each.number(name))
        for each in of(asked, Group.READING)
        if each.truth
        for name, truth in each.truth.printed.items()
    ][: PARTS["P1"].n]
    exact = sum(1 for truth, read in reads if read == truth)
    far = sum(1 for truth, read in reads if read is not None and _magnitude(truth, read))
    figures = {
        "exact digits": share(exact, len(reads)),
        "wrong by an order of magnitude": float(far),
    }
    return judge("P1", len(reads), figures, wilson(exact, len(reads)))


def _magnitude(truth: Decimal, read: Decimal) -> bool:
    return read <= 0 or max(read / truth, truth / read) >= MAGNITUDE if truth > 0 else False


def axis_errors(asked: Iterable[Asked]) -> list[float | None]:
    """Signed read-back errors of markers and extremes as shares of the visible range; None where
    nothing was read."""
    errors: list[float | None] = []
    for each in asked:
        if each.facts is None or each.facts.visible_range <= 0:
            continue
        for name, truth in _axis_truth(each.facts):
            read = each.number(name)
            error = None if read is None else float((read - truth) / each.facts.visible_range)
            errors.append(error)
    return errors


def _axis_truth(facts: ChartFacts) -> Iterable[tuple[str, Decimal]]:
    values = (*facts.markers, facts.visible_high, facts.visible_low)
    return zip(MARKERS_AND_EXTREMES, values, strict=True)


def p2(asked: Sequence[Asked]) -> PartResult:
    """Prices that stand nowhere but on the axis."""
    errors = axis_errors(of(asked, Group.NULL, Group.DRIFT))[: PARTS["P2"].n]
    read = [error for error in errors if error is not None]
    sizes = [abs(error) for error in read]
    figures = {
        "median error of the range": quantile(sizes, 0.5) if read else None,
        "90th percentile": quantile(sizes, 0.9) if read else None,
        "99th percentile": quantile(sizes, 0.99) if read else None,
        "bias": abs(mean(read)) if read else None,
        "not read": share(len(errors) - len(read), len(errors)),
    }
    return judge("P2", len(errors), figures)


def p3(asked: Sequence[Asked]) -> PartResult:
    """What lies above what, in equal numbers of both answers."""
    by_name: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for each in of(asked, Group.READING):
        for name, relation in each.truth.relations.items() if each.truth else ():
            if relation.clear:
                by_name[name].append((relation.word, each.word(name) == relation.word))
    most = PARTS["P3"].n // max(1, len(by_name))
    chosen = {name: _balanced(reads)[:most] for name, reads in by_name.items()}
    reads = [right for found in chosen.values() for right in found]
    shares = {name: sum(found) / len(found) for name, found in chosen.items()}
    worst = min(shares, key=lambda name: shares[name], default="")
    figures = {
        "right": share(sum(reads), len(reads)),
        "right on the worst item": shares.get(worst),
    }
    interval = wilson(sum(reads), len(reads))
    return judge("P3", len(reads), figures, interval, f"Worst: {worst}" if worst else "")


def _balanced(reads: Iterable[tuple[str, bool]]) -> list[bool]:
    """Right or wrong, taking each true answer in turn and none much oftener than another."""
    by_word: dict[str, list[bool]] = defaultdict(list)
    for word, right in reads:
        by_word[word].append(right)
    fewest = min(len(found) for found in by_word.values())
    # The rarest answer of few charts may occur only once; two of each other one are fair then.
    kept = [found[: max(2 * fewest, 2)] for found in by_word.values()]
    return [right for turn in zip_longest(*kept) for right in turn if right is not None]


def p4(asked: Sequence[Asked]) -> PartResult:
    """The class of the planted trend."""
    pairs = [
        (each.truth.trend, each.word("trend"))
        for each in of(asked, Group.READING)
        if each.truth and each.truth.trend
    ]
    flat = [said for truth, said in pairs if truth == "flat"]
    called = sum(1 for said in flat if said in ("up", "down"))
    figures = {
        "macro-F1": macro_f1(pairs) if pairs else None,
        "flat called a trend": share(called, len(flat)),
    }
    right = sum(1 for truth, said in pairs if truth == said)
    return judge("P4", len(pairs), figures, wilson(right, len(pairs)))


def p5(asked: Sequence[Asked]) -> PartResult:
    """Where the extremes stand, and how the newest bar is drawn."""
    charts = of(asked, Group.READING)[: PARTS["P5"].n // 2]
    near = [hit for each in charts for hit in _extremes_near(each)]
    states = [
        each.word("last_bar") == relation.word
        for each in charts
        if each.truth and (relation := each.truth.relations["last_bar"]).clear
    ]
    figures = {
        "extremes within three bars": share(sum(near), len(near)),
        "newest bar right": share(sum(states), len(states)),
    }
    return judge("P5", len(near), figures, wilson(sum(near), len(near)))


def _extremes_near(asked: Asked) -> list[bool]:
    facts = asked.facts
    if facts is None:
        return []
    asked_for = (("bars_since_high", facts.high_bars), ("bars_since_low", facts.low_bars))
    found = []
    for name, bars in asked_for:
        read = asked.number(name)
        found.append(read is not None and bars_off(-int(read), bars) <= BAR_SLACK)
    return found


def p6(asked: Sequence[Asked]) -> PartResult:
    """Planted levels found, and levels that nothing on the chart touched."""
    hits: list[bool] = []
    named: list[bool] = []
    for each in of(asked, Group.LEVELS):
        if each.truth is None or each.facts is None:
            continue
        for name, planted in (
            ("support", each.truth.support),
            ("resistance", each.truth.resistance),
        ):
            read = each.number(name)
            hits.append(_hits(read, planted, each.facts))
            if read is not None:
                named.append(_invented(read, each.truth, each.facts))
    figures = {
        "planted levels found": share(sum(hits), len(hits)),
        "invented of those named": share(sum(named), len(named)),
    }
    return judge("P6", len(hits), figures, wilson(sum(hits), len(hits)))


def _hits(read: Decimal | None, planted: Decimal | None, facts: ChartFacts) -> bool:
    if read is None or planted is None:
        return False
    return abs(read - planted) <= facts.atr * Decimal(str(HIT_ATR))


def _invented(read: Decimal, truth: Truth, facts: ChartFacts) -> bool:
    return touches(read, truth, facts) < 2
