"""A data folder and the processes that run on it: started, waited for, killed."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 45.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02


class NeverCame(Exception):
    """What was waited for did not happen; the text has the end of the process's output."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Who trades the account, read from the database."""

    token: int
    pid: int
    reconciled: bool


@dataclass
class Installation:
    """``folder`` holds the database, ``port`` is where the console answers."""

    folder: Path
    port: int = field(default_factory=lambda: free_port())

    @property
    def database(self) -> Path:
        return self.folder / "autotrader.sqlite3"

    @property
    def log(self) -> Path:
        return self.folder / "processes.log"

    def prepare(self, *, market: str, seed: int, kills: int) -> None:
        """Make the account and its market. Raises ``CalledProcessError``."""
        options = ["--market", market, "--seed", str(seed), "--kills", str(kills)]
        self._finished([sys.executable, "-m", "tests.crash.prepare", *options])

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run ``manage.py`` with ``arguments`` as the leader of a process group of its own."""
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=self._variables(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def refusal(self, *arguments: str) -> str:
        """What a ``manage.py`` command says that must end with code 1."""
        command = [sys.executable, "manage.py", *arguments]
        done = self._run(command)
        if done.returncode != 1:
            raise NeverCame(f"{' '.join(arguments)} was not refused: {done.stdout}{done.stderr}")
        return done.stderr.strip()

    def until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the console answers."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(POLL_S)
        raise NeverCame(f"the console does not answer:\n{self.output()}")

    def until_reconciled(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until ``process`` holds the lease and has compared itself with the venue."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            lease = self.lease()
            if lease.pid == process.pid and lease.reconciled:
                return
            time.sleep(POLL_S)
        raise NeverCame(f"the trader does not reconcile, {self.lease()}:\n{self.output()}")

    def lease(self) -> LeaseRow:
        """The lease of the only account."""
        with closing(self.connect()) as database:
            token, pid, reconciled = database.execute(
                "SELECT token, pid, reconciled FROM trading_lease"
            ).fetchone()
        return LeaseRow(token, pid, bool(reconciled))

    def connect(self) -> sqlite3.Connection:
        """A connection that can only read."""
        database = sqlite3.connect(self.database, timeout=20, isolation_level=None)
        database.execute("PRAGMA query_only = 1")
        return database

    def output(self) -> str:
        """The end of what the processes wrote."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-25:])

    def errors(self) -> list[str]:
        """Errors that the processes logged: parts that fell and were started again."""
        text = self.log.read_text(errors="replace")
        lines = [line for line in text.splitlines() if "Traceback (most recent" in line]
        return [f"{len(lines)} tracebacks in {self.log}"] if lines else []

    def _finished(self, command: Sequence[str]) -> None:
        done = self._run(command)
        if done.returncode != 0:
            raise NeverCame(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self._variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "AUTOTRADER_DATA": str(self.folder),
            "PORT": str(self.port),
            "DEMO": "false",
        }


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the whole process group: no handler, no ``finally``, no goodbye."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop(process: subprocess.Popen[bytes]) -> int:
    """An orderly end, as by Ctrl-C; returns the exit code."""
    process.send_signal(signal.SIGINT)
    return process.wait(STOP_TIMEOUT_S)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
