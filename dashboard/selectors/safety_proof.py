"""What the fault harness has proved, read from the file in which its runs add up.

Nothing is ever assumed: without a file there are no figures, and a part of it that can't be read
is told in words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from dashboard import format as fmt
from exchange.fault_points import POINTS

FILE_NAME = "crash.json"
# Beside the groups: when the file was written last, and each group.
UPDATED, RAN = "updated_at", "ran_at"
MAX_GAP_S = 5.0
# An order may be unknown after a kill there, and the proof that it is absent takes 30 s by itself.
UNPROVEN_POINTS = frozenset({"K9", "K10", "K11", "K15"})
SETTLE_S, PROOF_S = 30.0, 45.0


@dataclass(frozen=True, slots=True)
class _Promise:
    """What a group of cases is held to, in seconds; None: nothing is promised."""

    title: str
    about: str
    settled: str
    settled_s: float | None
    rank: int


_MATRIX = "kill -9 at named points; the books must agree with the exchange by themselves"
_KILL = "pressed while entries leave; none may follow, stops stay, what is out comes back"
# From the moment that an entry in flight is known.
KILL_S = 2.0
_PROMISES = {
    "matrix apart": _Promise("Kills, processes apart", _MATRIX, "Books agree", SETTLE_S, 1),
    "matrix embedded": _Promise("Kills, everything in one", _MATRIX, "Books agree", SETTLE_S, 2),
    "ambiguous virtual": _Promise(
        "Lost answers, virtual clock",
        "the answer to an entry goes wrong; it must be neither doubled nor lost",
        "Resolved",
        40.0,
        3,
    ),
    "ambiguous real time": _Promise(
        "Lost answers, real time", "the same over real connections", "Resolved", 40.0, 4
    ),
    "state machine": _Promise(
        "State machine", "random sequences against the rules that must always hold", "", None, 5
    ),
    "outages": _Promise(
        "Outages",
        "connections go silent, refuse or talk rubbish, and come back",
        "Recovered",
        None,
        6,
    ),
    "paper week": _Promise(
        "A week on paper", "a bot on live prices with every fault at low rates", "", None, 7
    ),
    "kill switch, Redis up": _Promise("Kill switch", _KILL, "Entries taken back", KILL_S, 8),
    "kill switch, Redis down": _Promise(
        "Kill switch, without Redis", _KILL, "Entries taken back", KILL_S, 9
    ),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured time as a bar in a box 100 wide, with its promise as a line; "" where nothing is
    promised. ``over`` in words where the promise does not hold."""

    text: str
    width: str
    limit_x: str
    tone: str
    over: str = ""


@dataclass(frozen=True, slots=True)
class KindRow:
    """The cases of one kind."""

    name: str
    about: str
    n: str
    failed: int
    gap: Bar
    settled: Bar


@dataclass(frozen=True, slots=True)
class Group:
    """The cases of one part of the harness. ``bound`` is the upper 95 % bound of the failure rate
    after n cases without one; a dash where any failed. ``folded`` pictures open on a click."""

    title: str
    about: str
    n: str
    failed: int
    worst_gap: str
    worst_settled: str
    bound: str
    ran: datetime | None
    settled_words: str
    settled_promise: str
    timed: bool
    folded: bool
    waits_for_proof: bool
    kinds: tuple[KindRow, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """``groups`` is empty without a file; ``problems`` say what of it can't be read."""

    groups: tuple[Group, ...] = ()
    problems: tuple[str, ...] = ()
    updated: datetime | None = None
    found: bool = False


class _Unreadable(Exception):
    """The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class _Count:
    n: int
    failed: int
    gap_s: float
    settled_s: float
    failures: tuple[str, ...]


def proof_read() -> Proof:
    """The newest of the files in the data folder and in the checkout's ``var``."""
    path = _newest()
    if path is None:
        return Proof()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Proof(problems=(f"{path.name} can't be read: {error}.",), found=True)
    if not isinstance(content, dict):
        return Proof(problems=(f"{path.name} holds no groups of counts.",), found=True)
    ran = content.get(RAN)
    groups: list[Group] = []
    problems = []
    for name in sorted((key for key in content if key not in (UPDATED, RAN)), key=_rank):
        try:
            counts = _counts(content[name])
        except _Unreadable as error:
            problems.append(f"Counts of \u201c{name}\u201d can't be read: {error}.")
            continue
        moment = _moment(ran.get(name)) if isinstance(ran, dict) else None
        groups.append(_group(name, counts, moment, first=not groups))
    return Proof(tuple(groups), tuple(problems), _moment(content.get(UPDATED)), found=True)


def _newest() -> Path | None:
    places = (Path(settings.DATA_DIR) / FILE_NAME, Path(settings.BASE_DIR) / "var" / FILE_NAME)
    there = [path for path in places if path.is_file()]
    return max(there, key=lambda path: path.stat().st_mtime, default=None)


def _rank(name: str) -> tuple[int, str]:
    return (_PROMISES[name].rank if name in _PROMISES else len(_PROMISES) + 1, name)


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _counts(rows: Any) -> dict[str, _Count]:
    if not isinstance(rows, dict) or not rows:
        raise _Unreadable("there are no kinds of cases in it")
    return {kind: _count(kind, row) for kind, row in rows.items()}


def _count(kind: str, row: Any) -> _Count:
    if not isinstance(row, dict):
        raise _Unreadable(f"\u201c{kind}\u201d is no count")
    failures = row.get("failures", [])
    if not isinstance(failures, list):
        raise _Unreadable(f"the failures of \u201c{kind}\u201d are no list")
    return _Count(
        n=int(_figure(kind, row, "n")),
        failed=int(_figure(kind, row, "failed")),
        gap_s=_figure(kind, row, "worst_gap_s"),
        settled_s=_figure(kind, row, "worst_settled_s"),
        failures=tuple(str(text) for text in failures),
    )


def _figure(kind: str, row: dict[str, Any], name: str) -> float:
    value = row.get(name)
    # NaN compares false with everything, so it is refused here too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise _Unreadable(f"\u201c{kind}\u201d has no {name.replace('_', ' ')}")
    return value


def _group(name: str, counts: dict[str, _Count], ran: datetime | None, *, first: bool) -> Group:
    promise = _PROMISES.get(name) or _Promise(name.capitalize(), "", "Settled", None, 0)
    n = sum(count.n for count in counts.values())
    failed = sum(count.failed for count in counts.values())
    gap_s = max(count.gap_s for count in counts.values())
    settled_s = max(count.settled_s for count in counts.values())
    # A group that never took time has measured none: its zeros are no result.
    timed = settled_s > 0
    scale_s = max(settled_s, promise.settled_s or 0.0)
    if _waits(name, counts):
        scale_s = max(scale_s, PROOF_S)
    kinds = tuple(
        KindRow(
            name=kind,
            about=_about(name, kind),
            n=f"{count.n:,}",
            failed=count.failed,
            gap=_bar(count.gap_s, MAX_GAP_S, MAX_GAP_S, max(gap_s, MAX_GAP_S)),
            settled=_bar(count.settled_s, promise.settled_s, _allowed(name, kind), scale_s),
        )
        for kind, count in sorted(counts.items(), key=lambda pair: _natural(pair[0]))
    )
    return Group(
        title=promise.title,
        about=promise.about,
        n=f"{n:,}",
        failed=failed,
        worst_gap=_seconds(gap_s) if timed else fmt.UNKNOWN,
        worst_settled=_seconds(settled_s) if timed else fmt.UNKNOWN,
        bound=_bound(n, failed),
        ran=ran,
        settled_words=promise.settled or "Settled",
        settled_promise=f"{promise.settled_s:g} s" if promise.settled_s else "",
        timed=timed,
        folded=not first and not failed,
        waits_for_proof=any(kind.settled.tone == "warn" for kind in kinds),
        kinds=kinds,
        failures=tuple(text for count in counts.values() for text in count.failures),
    )


def _waits(group: str, counts: dict[str, _Count]) -> bool:
    return group.startswith("matrix") and not UNPROVEN_POINTS.isdisjoint(counts)


def _about(group: str, kind: str) -> str:
    return POINTS.get(kind, "") if group.startswith("matrix") else ""


def _allowed(group: str, kind: str) -> float | None:
    if group.startswith("matrix") and kind in UNPROVEN_POINTS:
        return PROOF_S
    promise = _PROMISES.get(group)
    return promise.settled_s if promise else None


def _natural(kind: str) -> tuple[str, int, str]:
    """K2 before K10."""
    letters = kind.rstrip("0123456789")
    digits = kind[len(letters) :]
    return letters, int(digits) if digits else 0, kind


def _bar(value_s: float, promised_s: float | None, allowed_s: float | None, scale_s: float) -> Bar:
    """``allowed_s`` is what a case may take at most; between it and the promise is no failure."""
    # Room at the right, so that a promise at the end of the scale is still a line.
    room = scale_s * 1.08 or 1.0
    tone, over = "good", ""
    if allowed_s is not None and value_s > allowed_s:
        tone, over = "bad", f"over {allowed_s:g} s"
    elif promised_s is not None and value_s > promised_s:
        tone, over = "warn", f"over {promised_s:g} s"
    return Bar(
        text=_seconds(value_s),
        width=f"{100 * value_s / room:.1f}",
        limit_x=f"{100 * promised_s / room:.1f}" if promised_s is not None else "",
        tone=tone,
        over=over,
    )


def _seconds(value_s: float) -> str:
    if value_s < 1:
        return f"{value_s * 1000:.0f} ms"
    return f"{value_s:.1f} s" if value_s < 60 else fmt.age(value_s)


def _bound(n: int, failed: int) -> str:
    """Rule of three: after n cases without a failure its rate is below 3/n with 95 % certainty."""
    if failed or not n:
        return fmt.UNKNOWN
    share = min(Decimal(1), Decimal(3) / n)
    places = 1 if share >= Decimal("0.01") else 3
    # Rounded up: a bound must not promise more than was shown.
    return fmt.percent(share.quantize(Decimal(1).scaleb(-places - 2), ROUND_CEILING), places)
