"""Counts of all crash runs together, kept in a file so that a run can be broken off and resumed."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DEFAULT = Path("var/crash.json")


@dataclass(slots=True)
class Count:
    """What the cases of one kind showed. Times are seconds: of wall time, or virtual where the kind
    says so. ``failures`` are sentences, at most the first twenty."""

    n: int = 0
    failed: int = 0
    worst_gap_s: float = 0.0
    worst_settled_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    def add(self, *, gap_s: float, settled_s: float, failures: list[str], times: int) -> None:
        """One more case, or several that ended alike."""
        self.n += times
        self.failed += bool(failures)
        self.worst_gap_s = max(self.worst_gap_s, round(gap_s, 3))
        self.worst_settled_s = max(self.worst_settled_s, round(settled_s, 3))
        self.failures = (self.failures + failures)[:20]

    @property
    def bound(self) -> float | None:
        """Upper 95 % bound of the failure rate after n cases without one: 3/n (rule of three)."""
        return min(1.0, 3 / self.n) if self.n and not self.failed else None


class Tally:
    """The counts of ``group`` ("matrix apart", "ambiguous", ...) in the file."""

    def __init__(self, path: Path, group: str) -> None:
        self._path, self._group = path, group

    def counts(self) -> dict[str, Count]:
        """By kind, as they stand."""
        return {kind: Count(**row) for kind, row in self._read().get(self._group, {}).items()}

    def add(
        self, kind: str, *, gap_s: float, settled_s: float, failures: list[str], times: int = 1
    ) -> Count:
        """Count a case, or ``times`` alike, at once and under a lock: other runs write to the same
        file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = self._read()
            rows = content.setdefault(self._group, {})
            count = Count(**rows.get(kind, {}))
            count.add(gap_s=gap_s, settled_s=settled_s, failures=failures, times=times)
            rows[kind] = asdict(count)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            content["updated_at"] = content.setdefault("ran_at", {})[self._group] = now
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
            fresh.replace(self._path)
        return count

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        content: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return content


def table(counts: Mapping[str, Count]) -> str:
    """One line per kind and a sum, with the 95 % bound where nothing failed."""
    lines = [
        f"  {'':<26}{'n':>6}{'failed':>8}{'worst gap':>12}{'settled in':>12}{'95 % bound':>12}"
    ]
    total = Count()
    for kind, count in counts.items():
        lines.append(_line(kind, count))
        total.n, total.failed = total.n + count.n, total.failed + count.failed
        total.worst_gap_s = max(total.worst_gap_s, count.worst_gap_s)
        total.worst_settled_s = max(total.worst_settled_s, count.worst_settled_s)
    lines.append(_line("together", total))
    return "\n".join(lines)


def _line(kind: str, count: Count) -> str:
    bound = f"{count.bound:.2%}" if count.bound is not None else "-"
    return (
        f"  {kind:<26}{count.n:>6}{count.failed:>8}{count.worst_gap_s:>10.3f} s"
        f"{count.worst_settled_s:>10.2f} s{bound:>12}"
    )
