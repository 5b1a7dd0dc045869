"""What the simulator was told about pictures, by the SHA-256 of their bytes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from tests.simulators.openai.asks import Ask
from tests.simulators.openai.eyes import look


class Facts(Protocol):
    """What code knows about a picture it drew; any object with these fields will do."""

    @property
    def chart_id(self) -> str: ...

    @property
    def question_id(self) -> str: ...

    @property
    def last_close(self) -> Decimal: ...

    @property
    def visible_high(self) -> Decimal: ...

    @property
    def visible_low(self) -> Decimal: ...

    @property
    def high_bars(self) -> Sequence[int]: ...

    @property
    def low_bars(self) -> Sequence[int]: ...

    @property
    def markers(self) -> Sequence[Decimal]: ...

    @property
    def newest_hollow(self) -> bool: ...

    @property
    def atr(self) -> Decimal: ...


def truth_of(facts: Facts, **more: object) -> dict[str, Any]:
    """Planted truth from the facts of a chart; ``more`` is answered besides them."""
    return {
        "chart_id": facts.chart_id,
        "question_id": facts.question_id,
        "last_close": facts.last_close,
        "marker_1": facts.markers[0],
        "marker_2": facts.markers[1],
        "visible_high": facts.visible_high,
        "visible_low": facts.visible_low,
        "high_bar": facts.high_bars[0],
        "low_bar": facts.low_bars[0],
        "last_bar": "hollow" if facts.newest_hollow else "solid",
        "legible": "all",
        "atr": facts.atr,
        **more,
    }


class Truths:
    """Planted truths, and what its own eyes see where none was planted. Bears any thread."""

    def __init__(self) -> None:
        self._planted: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def plant(self, png_sha256: str, truth: Mapping[str, Any]) -> None:
        with self._lock:
            self._planted[png_sha256] = dict(truth)

    def of(self, ask: Ask) -> dict[str, Any]:
        """The truth of the first picture that has one, else what can be seen on the first."""
        with self._lock:
            for picture in ask.pictures:
                if picture.sha256 in self._planted:
                    return dict(self._planted[picture.sha256])
        return self.seen(ask)

    def seen(self, ask: Ask) -> dict[str, Any]:
        """What its eyes read from the first picture, whatever was planted."""
        if not ask.pictures:
            return {}
        picture = ask.pictures[0]
        if picture.sha256 not in self._seen:
            found = look(picture.pixels())
            with self._lock:
                self._seen[picture.sha256] = found
        return dict(self._seen[picture.sha256])

    def other_than(self, ask: Ask) -> dict[str, Any]:
        """The truth of a picture that this question does not show."""
        shown = {picture.sha256 for picture in ask.pictures}
        with self._lock:
            others = (truth for name, truth in self._planted.items() if name not in shown)
            return dict(next(others, {}))
