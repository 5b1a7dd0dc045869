"""What a stream has received and nobody has taken yet. Not thread-safe: the stream locks."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

Message = dict[str, Any]

PRIVATE_LIMIT = 20_000
PUBLIC_LIMIT = 4_000


class MessageQueue(Protocol):
    @property
    def full(self) -> bool:
        """Nothing more may be put in before something is taken."""

    def put(self, message: Message) -> None: ...

    def take(self) -> tuple[Message, ...]: ...


class PrivateQueue:
    """Keeps everything up to a bound, beyond which the stream must stop reading."""

    def __init__(self, limit: int = PRIVATE_LIMIT) -> None:
        self._limit = limit
        self._messages: list[Message] = []

    @property
    def full(self) -> bool:
        return len(self._messages) >= self._limit

    def put(self, message: Message) -> None:
        self._messages.append(message)

    def take(self) -> tuple[Message, ...]:
        taken, self._messages = tuple(self._messages), []
        return taken


class PublicQueue:
    """Keeps the newest: at the bound, what is superseded is merged away.

    Nothing a reader needs is lost by that: a candle's newest push tells all of it so far, and
    the changes of a ticker are folded into one. A ``limit`` below the number of topics would
    leave no room for one message of each; then the oldest go.
    """

    full = False

    def __init__(self, limit: int = PUBLIC_LIMIT) -> None:
        self._limit = limit
        self._messages: list[Message] = []

    def put(self, message: Message) -> None:
        self._messages.append(message)
        if len(self._messages) >= self._limit:
            self._messages = _merged(self._messages)[-(self._limit - 1) :]

    def take(self) -> tuple[Message, ...]:
        taken, self._messages = tuple(self._messages), []
        return taken


def _merged(messages: list[Message]) -> list[Message]:
    newest: dict[Hashable, Message] = {}
    for message in messages:
        key = _subject(message)
        older = newest.pop(key, None)
        newest[key] = message if older is None else _folded(older, message)
    return list(newest.values())


def _subject(message: Message) -> Hashable:
    """What a message is about: messages about the same supersede each other."""
    data = message["data"]
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return message["topic"], str(data[0].get("start"))
    return message["topic"], ""


def _folded(older: Message, newer: Message) -> Message:
    """A change on top of what it changes; anything but a change stands alone."""
    if newer.get("type") != "delta" or not isinstance(newer["data"], dict):
        return newer
    return {**newer, "type": older.get("type"), "data": {**older["data"], **newer["data"]}}
