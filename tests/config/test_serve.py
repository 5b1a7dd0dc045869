"""The single process as a person starts and stops it: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from config.environment import BASE_DIR

COMMAND = [sys.executable, "manage.py", "serve"]


@dataclass
class Served:
    """A running ``manage.py serve``."""

    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path

    def until_healthy(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1) as answer:
                    assert json.load(answer) == {"status": "ok", "database": True}
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("not serving after 30 s")

    def until_announced(self) -> None:
        """Wait for the screen, which comes when everything runs."""
        deadline = time.monotonic() + 30
        while "Ctrl-C" not in self.log.read_text():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[str, float]:
        """Send the signal; return all output and the seconds it took to end."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return self.log.read_text(), time.monotonic() - started


Start = Callable[[Path, int], Served]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def variables(data: Path, port: int) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "AUTOTRADER_DATA": str(data), "PORT": str(port)}


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts systems without the demo; what still runs at the end is killed."""
    running: list[Served] = []

    def start(data: Path, port: int) -> Served:
        log = data.with_suffix(f".{len(running)}.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                COMMAND,
                cwd=BASE_DIR,
                env=variables(data, port) | {"DEMO": "false"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running.append(Served(process, port, data, log))
        running[-1].until_healthy()
        return running[-1]

    yield start
    for served in running:
        if served.process.poll() is None:
            served.process.kill()
            served.process.wait()


@pytest.fixture
def served(start: Start, tmp_path: Path) -> Served:
    """An empty system that serves."""
    return start(tmp_path / "data", free_port())


def refused(data: Path, port: int) -> str:
    done = subprocess.run(
        COMMAND,
        cwd=BASE_DIR,
        env=variables(data, port),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    return done.stderr.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_everything_within_five_seconds(served: Served, number: signal.Signals) -> None:
    served.until_announced()
    output, seconds = served.stop(number)
    assert served.process.returncode == 0
    assert seconds < 5
    assert "Traceback" not in output
    assert output.rstrip().endswith("Stopped.")


def test_beat_sends_what_the_schedule_says(served: Served) -> None:
    served.until_announced()
    time.sleep(2.5)
    served.stop()
    with sqlite3.connect(served.data / "autotrader.sqlite3") as database:
        sent = dict(
            database.execute("SELECT name, total_run_count FROM django_celery_beat_periodictask")
        )
    database.close()
    assert set(sent) == {
        "cycles due",
        "beat alive",
        "counterfactuals",
        "notices",
        "canaries",
        "old evidence",
    }
    assert sent["cycles due"] >= 1


def test_password_is_shown_at_the_first_start_only(served: Served, start: Start) -> None:
    served.until_announced()
    first, _ = served.stop()
    assert "password" in first
    assert "shown only this once" in first
    again = start(served.data, served.port)
    again.until_announced()
    second, _ = again.stop()
    assert "shown only this once" not in second
    assert "manage.py changepassword operator" in second


def test_socket_answers_its_own_page_and_no_other(served: Served) -> None:
    address = f"ws://127.0.0.1:{served.port}/ws/console/"
    with connect(address, origin=Origin(f"http://127.0.0.1:{served.port}")) as own:
        with pytest.raises(ConnectionClosedError) as closed:
            own.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4001
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, origin=Origin("http://elsewhere.example"))


def test_taken_port_is_said_in_one_sentence(served: Served, tmp_path: Path) -> None:
    said = refused(tmp_path / "other", served.port)
    assert said == (
        f"CommandError: Port {served.port} is taken by another program: "
        f"use a free one: PORT={served.port + 1} make run"
    )


def test_second_instance_on_the_same_data_is_refused(served: Served) -> None:
    said = refused(served.data, free_port())
    assert said.startswith(f"CommandError: Autotrader runs already on the data in {served.data}")
    assert f"(process {served.process.pid})" in said


def test_killed_instance_does_not_keep_its_data_locked(served: Served, start: Start) -> None:
    served.process.kill()
    served.process.wait()
    again = start(served.data, served.port)
    again.stop()
    assert again.process.returncode == 0
