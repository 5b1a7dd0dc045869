"""The file ``KILL`` in the data folder: while it lies there no entry of this installation leaves.

It needs no database, so it stops entries also where nothing else can. It stands for a halt of
everything, and is taken away by the last step of arming again, never by itself.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

TEXT_LENGTH = 200


def kill_file() -> Path:
    """Where it lies, if it does."""
    return Path(settings.DATA_DIR) / "KILL"


def kill_file_drop(reason: str) -> Path:
    """Lay it down and wait for the disk; one that is there stays, with its reason. Raises
    ``OSError``."""
    path = kill_file()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {reason}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path


def kill_file_lies() -> bool:
    """Whether it lies there. A folder that can't be looked into counts as a yes."""
    try:
        kill_file().stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def kill_file_dropped_at() -> datetime | None:
    """When it was last laid down; None while there is none."""
    try:
        return datetime.fromtimestamp(kill_file().stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def kill_file_words() -> str:
    """Why it lies there, in one line; "" while there is none. It counts also where it can't be
    read: another user may have laid it down."""
    try:
        lines = kill_file().read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        return f"the KILL file lies in the data folder (unreadable: {exc.strerror})"[:TEXT_LENGTH]
    told = lines[-1] if lines else "no reason in it"
    return f"the KILL file lies in the data folder ({told})"[:TEXT_LENGTH]


def kill_file_remove(seen: datetime | None) -> None:
    """Take away the one that was laid down at ``seen``; a newer one stays. Raises ``OSError``."""
    if seen is not None and kill_file_dropped_at() == seen:
        kill_file().unlink(missing_ok=True)
