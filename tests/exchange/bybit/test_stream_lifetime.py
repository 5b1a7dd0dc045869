"""A stream from its start to its stop: reconnects, states, what the log says, what is left."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

import pytest

from exchange.bybit.rest import Credentials
from exchange.bybit.server_time import ServerTime
from exchange.bybit.stream import PrivateStream
from exchange.bybit.stream_pace import ConnectBudget, Timing
from exchange.market.clock import WallClock
from tests.exchange.bybit.stream_venue import Client, StreamVenue
from tests.exchange.bybit.streaming import Start, dropping, private, refusing_auth, wait_for


def test_two_hundred_reconnects_leave_nothing_behind(
    venue: Callable[..., StreamVenue],
) -> None:
    place = venue(dropping)
    clock = WallClock()
    timing = Timing(first_pause_s=0.001, longest_pause_s=0.001)
    stream = PrivateStream(
        place.url,
        Credentials("a-key", "a-secret"),
        ServerTime(clock),
        clock=clock,
        timing=timing,
        budget=ConnectBudget(limit=10_000),
    )
    stream.start()
    wait_for(lambda: place.connects >= 20, 20)
    files = len(os.listdir("/proc/self/fd"))
    wait_for(lambda: place.connects >= 220, 40)
    assert len(os.listdir("/proc/self/fd")) <= files + 6
    stream.stop()
    assert "bybit-private" not in {thread.name for thread in threading.enumerate()}


def test_nothing_is_left_after_a_stop(venue: Callable[..., StreamVenue]) -> None:
    place = venue()
    stream = private(place.url)
    before = threading.active_count()
    stream.start()
    assert stream.wait_ready(5)
    started = time.monotonic()
    stream.stop()
    assert time.monotonic() - started < 1.5
    wait_for(lambda: threading.active_count() <= before)
    assert "it was stopped" in stream.doubts()[0]
    stream.stop()


def test_a_stopped_stream_can_be_started_again(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    stream = start(private(venue().url))
    assert stream.wait_ready(5)
    stream.stop()
    stream.start()
    assert stream.wait_ready(5)


def test_a_listener_hears_the_states_and_cannot_end_the_stream(
    venue: Callable[..., StreamVenue],
) -> None:
    heard: list[str] = []

    def listener(state: str, reason: str) -> None:
        heard.append(state)
        raise RuntimeError(reason)

    stream = private(venue(dropping, Client.serve).url, on_state=listener)
    stream.start()
    wait_for(lambda: heard.count("ready") == 2)
    stream.stop()
    assert heard == ["connecting", "ready", "lost", "connecting", "ready", "stopped"]


def test_connections_are_rationed(venue: Callable[..., StreamVenue], start: Start) -> None:
    place = venue(dropping)
    start(private(place.url, budget=ConnectBudget(limit=3)))
    wait_for(lambda: place.connects == 3)
    time.sleep(0.4)
    assert place.connects == 3


def test_an_exchange_that_is_away_is_logged_once_when_it_goes_and_when_it_returns(
    venue: Callable[..., StreamVenue], start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    name = "exchange.bybit.stream_supervisor"
    caplog.set_level(logging.INFO, logger=name)
    lost: list[str] = []
    start(
        private(
            f"ws://127.0.0.1:{port}/v5/private",
            on_state=lambda state, reason: lost.append(reason) if state == "lost" else None,
        )
    )

    def said() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == name]

    wait_for(lambda: len(lost) >= 5)
    assert said() == [f"Bybit's private stream: {lost[0]}"]
    venue(refusing_auth, Client.serve, port=port)
    wait_for(lambda: len(said()) >= 3)
    assert said()[1:] == [
        f"Bybit's private stream: {lost[-1]}",
        f"Bybit's private stream: works again, after {lost[-1]}",
    ]
    assert "expired" in lost[-1]
