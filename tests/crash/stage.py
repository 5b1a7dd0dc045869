"""Everything a crash matrix plays on: database, broker, simulated venue, warm parent.

``apart`` has processes of their own on PostgreSQL and Redis, ``embedded`` one process on SQLite.
Nothing of the product is imported before ``open_stage`` has set its environment.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.crash.installation import ROOT, NeverCame, free_port
from tests.servers import start_postgresql, start_redis

START_S = 60.0


class Venue:
    """The simulator from outside: its ledger, its prices, its faults."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, since: int = 0) -> list[dict[str, Any]]:
        """The ledger after row ``since``."""
        found: list[dict[str, Any]] = self._get(f"/__sim/ledger?since={since}")
        return found

    def last(self, symbol: str) -> str:
        """Last traded price, as text."""
        answer = self._get(f"/v5/market/tickers?category=linear&symbol={symbol}")
        return str(answer["result"]["list"][0]["lastPrice"])

    def rules(self, symbol: str) -> dict[str, Any]:
        """The symbol's row of instruments-info."""
        answer = self._get(f"/v5/market/instruments-info?category=linear&symbol={symbol}")
        row: dict[str, Any] = answer["result"]["list"][0]
        return row

    def fault(self, **knob: Any) -> None:
        """Turn a knob."""
        self._post("/__sim/knob", knob)

    def _get(self, path: str) -> Any:
        with urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def _post(self, path: str, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        with urlopen(Request(self.url + path, data=body, method="POST"), timeout=10) as answer:
            answer.read()


class WarmParent:
    """Forks processes of the product and tells of their end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.warm"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "warm.log").open("ab"),
            text=True,
        )
        self._number = 0
        self._lock = threading.Lock()
        self._started: dict[int, queue.Queue[int]] = {}
        self._ended: dict[int, int] = {}
        self._ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        if not self._ready.wait(START_S):
            raise NeverCame((folder / "warm.log").read_text(errors="replace")[-2000:])

    def fork(self, role: str, *, faults: Path, account: int = 0) -> int:
        """Start a process; returns its pid. Its output goes to ``<role>-<account>.log``."""
        answer: queue.Queue[int] = queue.Queue()
        with self._lock:
            self._number += 1
            number = self._number
            self._started[number] = answer
            order = {
                "number": number,
                "role": role,
                "account": account,
                "faults": str(faults),
                "log": str(self.folder / f"{role}-{account}.log"),
            }
            self._write(order)
        return answer.get(timeout=START_S)

    def ended(self, pid: int, timeout_s: float) -> int | None:
        """Exit code of a process (negative: the signal), or None while it lives."""
        deadline = time.monotonic() + timeout_s
        while pid not in self._ended:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.005)
        return self._ended[pid]

    def close(self) -> None:
        """End the parent; its children die with it."""
        self._process.kill()
        self._process.wait()

    def _write(self, order: dict[str, Any]) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise NeverCame("the warm parent takes no orders")
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()

    def _listen(self) -> None:
        stdout = self._process.stdout
        for line in stdout or ():
            answer = json.loads(line)
            if "ready" in answer:
                self._ready.set()
            elif "started" in answer:
                # A machine gives the number of a dead process to a new one in the end.
                self._ended.pop(answer["started"], None)
                self._started.pop(answer["number"]).put(answer["started"])
            else:
                self._ended[answer["ended"]] = answer["code"]


class Part:
    """A process of the product that is started again whenever it is gone."""

    def __init__(self, warm: WarmParent, role: str, account: int = 0) -> None:
        self._warm, self._role, self._account = warm, role, account
        self.faults = Path(os.environ["FAULTS_DIR"]) / f"{role}-{account}"
        self.faults.mkdir(parents=True)
        self.pid = 0

    def keep_running(self) -> int:
        """Start it unless it runs; returns its pid."""
        if not self.pid or self._warm.ended(self.pid, 0) is not None:
            self.pid = self._warm.fork(self._role, faults=self.faults, account=self._account)
        return self.pid

    def until_killed(self, timeout_s: float) -> None:
        """Wait for its death by SIGKILL. Raises ``NeverCame``."""
        code = self._warm.ended(self.pid, timeout_s)
        if code != -signal.SIGKILL:
            ended = "lives" if code is None else f"ended with {code}"
            raise NeverCame(f"{self._role} did not reach the point, it {ended}")

    def stop(self) -> None:
        """End it in order. Raises ``NeverCame``."""
        if not self.pid or self._warm.ended(self.pid, 0) is not None:
            return
        os.kill(self.pid, signal.SIGTERM)
        if self._warm.ended(self.pid, 10) is None:
            raise NeverCame(f"{self._role} does not end")


@dataclass
class Stage:
    """A running stage. ``apart`` says whether trader and worker are processes of their own; all
    lanes share the one worker, whose cases take turns."""

    apart: bool
    folder: Path
    venue: Venue
    warm: WarmParent
    lanes: int
    worker_turn: threading.Lock = field(default_factory=threading.Lock)
    worker: Part = field(init=False)

    def __post_init__(self) -> None:
        self.worker = Part(self.warm, "worker")


# Puts something between product and simulator: from its URL, the settings to start with.
Through = Callable[[ExitStack, str], Mapping[str, str]]


@contextmanager
def open_stage(
    *,
    apart: bool,
    lanes: int,
    seed: int,
    through: Through | None = None,
    durable: bool = False,
) -> Iterator[Stage]:
    """Start everything, prepare the database, and leave nothing behind. PostgreSQL waits for the
    disk at each commit only if ``durable``."""
    folder = Path(tempfile.mkdtemp(prefix="autotrader-matrix-"))
    with ExitStack() as ends:
        ends.callback(_remove, folder)
        url = _simulator(ends, folder, lanes, seed)
        port = free_port()
        _surroundings(folder, url, port)
        if apart:
            _services(ends, durable=durable)
        if through is not None:
            os.environ.update(through(ends, url))
        import django

        django.setup()
        from django.core.management import call_command

        call_command("prepare", verbosity=0)
        from django.db import connections

        connections.close_all()
        warm = WarmParent(folder)
        ends.callback(warm.close)
        yield Stage(apart, folder, Venue(url), warm, lanes)
        connections.close_all()


def _remove(folder: Path) -> None:
    """The logs of a run are kept where ``KEEP_STAGE`` asks for them."""
    if "KEEP_STAGE" not in os.environ:
        shutil.rmtree(folder, ignore_errors=True)


def _surroundings(folder: Path, url: str, port: int) -> None:
    """The environment of this process and of all it starts."""
    sockets = url.replace("http://", "ws://")
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "AUTOTRADER_DATA": str(folder / "data"),
            "BYBIT_REST_URL": url,
            "BYBIT_WS_PUBLIC_URL": sockets,
            "BYBIT_WS_PRIVATE_URL": sockets,
            "FAULTS_DIR": str(folder / "faults"),
            "DEMO": "false",
            "PORT": str(port),
        }
    )
    for name in ("DATABASE_URL", "REDIS_URL", "DEPLOYMENT", "HEARTBEAT_URL", "SENTRY_DSN"):
        os.environ.pop(name, None)


def _services(ends: ExitStack, *, durable: bool) -> None:
    database = start_postgresql(durable=durable)
    ends.callback(database.stop)
    broker = start_redis()
    ends.callback(broker.stop)
    os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = database.url, broker.url


def _simulator(ends: ExitStack, folder: Path, accounts: int, seed: int) -> str:
    port = free_port()
    log = (folder / "simulator.log").open("ab")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.simulators.bybit", "--port", str(port)),
            *("--accounts", str(accounts), "--seed", str(seed)),
        ],
        cwd=ROOT,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    ends.callback(process.wait)
    ends.callback(process.terminate)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/v5/market/time", timeout=1):
                return url
        except OSError:
            time.sleep(0.05)
    raise NeverCame(f"the simulator does not start:\n{(folder / 'simulator.log').read_text()}")
