"""The channel layer of the single process: in memory, for any thread and any event loop.

Channels' own in-memory layer is bound to one loop: a message sent from another thread leaves the
receiver asleep. Here the mailboxes are guarded by a lock and a receiver is woken in its own loop.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import defaultdict, deque
from copy import deepcopy
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer

Message = dict[str, Any]
Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class _Mailbox:
    """Messages of one channel, oldest first, and who waits for the next one."""

    __slots__ = ("messages", "waiters")

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.waiters: deque[Waiter] = deque()

    def wake_one(self) -> None:
        while self.waiters:
            loop, future = self.waiters.popleft()
            try:
                loop.call_soon_threadsafe(_resolve, future)
            except RuntimeError:
                continue  # The loop of this waiter is closed; the next one is asked.
            return


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class EmbeddedLayer(BaseChannelLayer):  # type: ignore[misc]
    """A channel layer with groups and flush for one process.

    ``capacity`` messages wait per channel; one more raises ``ChannelFull`` from ``send`` and is
    dropped by ``group_send``, as the contract of Channels has it. A membership lasts until it
    is discarded.
    """

    extensions = ("groups", "flush")

    def __init__(self, capacity: int = 1000) -> None:
        super().__init__(capacity=capacity)
        self._lock = threading.Lock()
        self._mailboxes: dict[str, _Mailbox] = defaultdict(_Mailbox)
        self._groups: dict[str, set[str]] = defaultdict(set)

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a name that nobody else has."""
        return f"{prefix}.embedded!{uuid.uuid4().hex}"

    async def send(self, channel: str, message: Message) -> None:
        """Put a copy of ``message`` into the channel. Raises ``ChannelFull``."""
        self.require_valid_channel_name(channel)
        with self._lock:
            self._put(channel, message)

    async def receive(self, channel: str) -> Message:
        """Wait for the channel's next message; with several waiting, one of them gets it."""
        self.require_valid_channel_name(channel)
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                mailbox = self._mailboxes[channel]
                if mailbox.messages:
                    message = mailbox.messages.popleft()
                    self._forget_if_idle(channel)
                    return message
                waiter = (loop, loop.create_future())
                mailbox.waiters.append(waiter)
            try:
                await waiter[1]
            except asyncio.CancelledError:
                self._leave(channel, waiter)
                raise

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        with self._lock:
            self._groups[group].add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        with self._lock:
            self._groups[group].discard(channel)
            if not self._groups[group]:
                del self._groups[group]

    async def group_send(self, group: str, message: Message) -> None:
        """Send to every member; a member whose channel is full misses the message."""
        self.require_valid_group_name(group)
        with self._lock:
            for channel in self._groups.get(group, ()):
                try:
                    self._put(channel, message)
                except ChannelFull:
                    continue

    async def flush(self) -> None:
        """Forget all messages and groups. Receivers keep waiting and get what comes next."""
        with self._lock:
            self._groups.clear()
            for mailbox in self._mailboxes.values():
                mailbox.messages.clear()

    def _put(self, channel: str, message: Message) -> None:
        mailbox = self._mailboxes[channel]
        if len(mailbox.messages) >= self.get_capacity(channel):
            raise ChannelFull(channel)
        # A copy, as it would be on its way through Redis: the sender may change its own.
        mailbox.messages.append(deepcopy(message))
        mailbox.wake_one()

    def _leave(self, channel: str, waiter: Waiter) -> None:
        with self._lock:
            mailbox = self._mailboxes[channel]
            if waiter in mailbox.waiters:
                mailbox.waiters.remove(waiter)
            elif mailbox.messages:
                # Woken and cancelled at once: the message goes to another waiter.
                mailbox.wake_one()
            self._forget_if_idle(channel)

    def _forget_if_idle(self, channel: str) -> None:
        mailbox = self._mailboxes[channel]
        if not mailbox.messages and not mailbox.waiters:
            del self._mailboxes[channel]
