"""Frames of the private stream, read into one account update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from exchange.bybit import parse
from exchange.bybit.stream import StreamBatch
from exchange.domain import AccountUpdate, Execution, OrderReport, PositionReport

logger = structlog.get_logger(__name__)

# The newest sequence of each position, by symbol and index.
Sequences = dict[tuple[str, str], int]


class FrameSource(Protocol):
    """A private stream, as its reader sees it."""

    def take(self) -> StreamBatch: ...

    def doubts(self) -> tuple[str, ...]: ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class Inbox:
    """What a batch of frames told. ``newest`` is the highest sequence of each position, kept
    between batches: a position that was told late is older than what is known. ``modes`` says of
    each position whether it belongs to hedge mode."""

    newest: Sequences
    since: datetime
    orders: list[OrderReport] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    positions: list[PositionReport] = field(default_factory=list)
    modes: dict[str, bool] = field(default_factory=dict)
    resync: bool = False

    @property
    def update(self) -> AccountUpdate:
        return AccountUpdate(
            orders=tuple(self.orders),
            executions=tuple(self.executions),
            positions=tuple(self.positions),
            resync=self.resync,
        )

    def take(self, message: Mapping[str, Any]) -> None:
        """Read one frame, row by row; what can't be read asks for a resync."""
        readers = {
            "order": self._order,
            "execution": self._execution,
            "position": self._position,
        }
        topic = str(message.get("topic", "")).partition(".")[0]
        read = readers.get(topic)
        if read is None:
            return
        data: Any = message.get("data")
        for row in data if isinstance(data, list) else [data]:
            try:
                if parse.in_scope(row):
                    read(row)
            except Exception as error:
                # Whatever a row is made of, it must not keep back what the others tell.
                logger.warning("bybit_frame_unread", topic=topic, reason=str(error))
                self.resync = True

    def _order(self, row: Mapping[str, Any]) -> None:
        self.orders.append(parse.order_report(row))

    def _execution(self, row: Mapping[str, Any]) -> None:
        told = parse.execution(row)
        if told is not None and told.time >= self.since:
            self.executions.append(told)

    def _position(self, row: Mapping[str, Any]) -> None:
        told, number, hedged = parse.position_report(row), parse.sequence(row), parse.is_hedged(row)
        # In hedge mode long and short are told apart by an index, each with its own sequence.
        place = (told.symbol, str(row.get("positionIdx", "")))
        if number is not None:
            if number < self.newest.get(place, number):
                return
            self.newest[place] = number
        self.positions.append(told)
        self.modes[told.symbol] = hedged


def read_batch(batch: StreamBatch, newest: Sequences, *, since: datetime) -> Inbox:
    """Read what a stream has received; ``newest`` is brought up to date."""
    if batch.opened:
        # What is told after a gap is taken as it comes.
        newest.clear()
    inbox = Inbox(newest, since, resync=batch.opened > 0)
    for message in batch.messages:
        inbox.take(message)
    return inbox
