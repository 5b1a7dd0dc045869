"""What must hold before the single process starts: its data folder, its port, its settings."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

from exchange.choices import Region

# A socket whose peer takes nothing is given up by the kernel: closing it from here would wait
# for the same blocked writer.
TCP_USER_TIMEOUT_MS = 15_000
SEND_BUFFER_BYTES = 262_144
BACKLOG = 512


class StartRefused(Exception):
    """The process can't start; the text is one sentence that says why and what to do."""


def region_chosen(text: str) -> Region:
    """Bybit's site for live prices. Raises ``StartRefused`` for one that does not exist."""
    try:
        return Region(text)
    except ValueError:
        choice = ", ".join(Region)
        raise StartRefused(f"BYBIT_REGION: got {text!r}, wants one of {choice}") from None


def lock_data_folder(folder: Path) -> TextIO:
    """Take the folder for this process until it ends, however it ends. Keep the file open.

    Raises ``StartRefused`` while another process has it.
    """
    file = (folder / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StartRefused(
            f"Autotrader runs already on the data in {folder} (process {holder}): stop it first, "
            "or start beside it with other data: AUTOTRADER_DATA=var2 PORT=8001 make run"
        ) from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises ``StartRefused`` when address or port can't be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as exc:
        raise StartRefused(
            f"HOST {host!r} is no address of this machine ({exc.strerror}): HOST=127.0.0.1 make run"
        ) from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise StartRefused(_why_not(exc, host, port)) from None
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else 8000
        return f"Port {port} is taken by another program: use a free one: PORT={other} make run"
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than you have: use one from 1024 up: make run"
    return (
        f"HOST {host!r} is no address of this machine ({error.strerror}): HOST=127.0.0.1 make run"
    )
