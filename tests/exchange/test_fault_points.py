"""Kill points do nothing until a test arms them, and then what it asked for, once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange import fault_points
from exchange.fault_points import FaultRaised, fault_point

KILLED = "from exchange import fault_points as f; from pathlib import Path; import sys\n"
KILLED += "f.arm(Path(sys.argv[1])); f.fault_point('K10'); print('alive', flush=True)"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    fault_points.arm(tmp_path)
    yield tmp_path
    fault_points.arm(None)


def test_nothing_happens_where_no_folder_is_armed(tmp_path: Path) -> None:
    (tmp_path / "K9").write_text("raise")
    fault_point("K9")
    assert (tmp_path / "K9").exists()


def test_an_order_is_carried_out_once(folder: Path) -> None:
    (folder / "K9").write_text("raise")
    fault_point("K8")
    with pytest.raises(FaultRaised, match="K9"):
        fault_point("K9")
    fault_point("K9")


def test_the_third_visit_can_be_meant(folder: Path) -> None:
    (folder / "K9").write_text("raise:3")
    fault_point("K9")
    fault_point("K9")
    with pytest.raises(FaultRaised):
        fault_point("K9")


@pytest.mark.parametrize(
    ("action", "code"), [("kill", -signal.SIGKILL), ("exit", 1), ("sleep:0.01", 0)]
)
def test_a_process_ends_as_asked(tmp_path: Path, action: str, code: int) -> None:
    (tmp_path / "K10").write_text(action)
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert ended.stdout == ("alive\n" if code == 0 else "")
