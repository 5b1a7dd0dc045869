"""The heartbeat against a real HTTP server: when it pings, what it says, what it never does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from exchange.domain import VenueHealth
from tests.trading.execution.floor import Floor, HandClock
from trading.execution import heartbeat
from trading.execution.heartbeat import Heartbeat, unsafe_reasons

SECRET = "7c0ffee5-secret"


@dataclass
class Watcher:
    """An HTTP server that keeps what came and answers as told."""

    status: int = 200
    location: str = ""
    pause: threading.Event | None = None
    pings: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def paths(self) -> list[str]:
        return [path.removeprefix(f"/ping/{SECRET}") for _, path, _ in self.pings]


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    kept = Watcher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            kept.pings.append((self.command, self.path, body))
            if kept.pause is not None:
                kept.pause.wait(10)
            self.send_response(kept.status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}/ping/{SECRET}"
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def heart(watcher: Watcher, clock: HandClock) -> Heartbeat:
    return Heartbeat(watcher.url, clock)


def live(heart: Heartbeat, clock: HandClock, seconds: int, *reasons: str) -> None:
    """Seconds go by in which the trader tells these reasons in each."""
    for _ in range(seconds):
        heart.tell(reasons)
        heart.beat()
        clock.pass_seconds(1)


def test_a_safe_trader_is_told_once_a_minute(
    watcher: Watcher, heart: Heartbeat, clock: HandClock
) -> None:
    live(heart, clock, 180)
    assert watcher.pings == [("GET", f"/ping/{SECRET}", "")] * 3


def test_a_failure_is_told_at_once_and_every_minute_with_its_reasons(
    watcher: Watcher, heart: Heartbeat, clock: HandClock
) -> None:
    live(heart, clock, 10)
    live(heart, clock, 61, "the stream is silent", "BTCUSDT: no stop")
    assert watcher.paths == ["", "/fail", "/fail"]
    assert watcher.pings[1] == (
        "POST",
        f"/ping/{SECRET}/fail",
        "the stream is silent\nBTCUSDT: no stop",
    )
    live(heart, clock, 1)
    assert watcher.paths[3:] == [""]


def test_quick_changes_do_not_flood_the_watcher(
    watcher: Watcher, heart: Heartbeat, clock: HandClock
) -> None:
    for number in range(100):
        heart.tell(["broken"] if number % 2 else [])
        heart.beat()
        clock.pass_seconds(0.05)
    assert len(watcher.pings) <= 5


def test_nothing_is_pinged_before_and_after_trading(
    watcher: Watcher, heart: Heartbeat, clock: HandClock
) -> None:
    heart.beat()
    assert watcher.pings == []
    live(heart, clock, 1)
    heart.forget()
    clock.pass_seconds(300)
    heart.beat()
    assert len(watcher.pings) == 1


def test_a_trader_that_went_silent_is_a_failure(
    watcher: Watcher, heart: Heartbeat, clock: HandClock
) -> None:
    heart.tell([], of="Demo (DEMO)")
    heart.beat()
    clock.pass_seconds(31)
    heart.beat()
    assert watcher.pings[1][2] == "Demo (DEMO): nothing heard for 31 s"


def test_one_unsafe_trader_spoils_the_ping_of_all(
    watcher: Watcher, heart: Heartbeat, clock: HandClock
) -> None:
    heart.tell(["broken"], of="one")
    heart.tell([], of="two")
    heart.beat()
    assert watcher.paths == ["/fail"]


def test_the_address_may_have_a_query(watcher: Watcher, clock: HandClock) -> None:
    heart = Heartbeat(f"{watcher.url}/?token=5", clock)
    live(heart, clock, 1)
    live(heart, clock, 1, "broken")
    assert watcher.paths == ["/?token=5", "/fail?token=5"]
    bare = Heartbeat(watcher.url.removesuffix(f"/ping/{SECRET}"), clock)
    live(bare, clock, 1)
    assert watcher.pings[-1][1] == "/"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 500])
def test_a_ping_that_was_not_taken_is_repeated_sooner_and_redirects_are_not_followed(
    watcher: Watcher,
    heart: Heartbeat,
    clock: HandClock,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    watcher.status, watcher.location = status, f"{watcher.url}/elsewhere"
    live(heart, clock, 11)
    assert watcher.paths == ["", ""]
    assert f"answered {status}" in caplog.text
    assert SECRET not in caplog.text


def test_a_watcher_that_is_away_is_a_warning_without_its_address(
    clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        heart = Heartbeat(f"http://127.0.0.1:{port}/{SECRET}", clock)
        live(heart, clock, 1)
    assert "ConnectionRefusedError" in caplog.text
    assert SECRET not in caplog.text
    assert str(port) not in caplog.text


def test_a_slow_watcher_never_makes_a_trader_wait(watcher: Watcher) -> None:
    watcher.pause = threading.Event()
    heart = Heartbeat(watcher.url, HandClock())
    heart.start()
    try:
        heart.tell([])
        until(lambda: bool(watcher.pings))
        started = time.monotonic()
        for _ in range(1000):
            heart.tell(["broken"])
        assert time.monotonic() - started < 0.5
    finally:
        watcher.pause.set()
        heart.stop()


def test_a_ping_ends_with_its_time_out(
    watcher: Watcher, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "TIMEOUT_S", 0.1)
    watcher.pause = threading.Event()
    heart = Heartbeat(watcher.url, clock)
    started = time.monotonic()
    live(heart, clock, 1)
    watcher.pause.set()
    assert time.monotonic() - started < 5


def test_its_thread_wakes_for_a_failure_and_outlives_errors(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.02)
    clock = HandClock()
    heart = Heartbeat(watcher.url, clock)
    heart.start()
    try:
        heart.tell([])
        until(lambda: watcher.paths == [""])
        clock.pass_seconds(1)
        heart.tell(["broken"])
        until(lambda: watcher.paths == ["", "/fail"])
    finally:
        heart.stop()
    broken = Heartbeat(f"http://127.0.0.1:99999/{SECRET}", clock)
    broken.tell([])
    broken.start()
    until(lambda: "heartbeat failed" in caplog.text)
    broken.stop()
    assert SECRET not in caplog.text


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# Why a trader is not safe


def test_a_sound_floor_has_no_reasons(floor: Floor) -> None:
    trade = floor.opened()
    assert unsafe_reasons(floor.desk, [trade]) == []


def test_each_part_that_must_hold_is_a_reason(floor: Floor) -> None:
    trade = floor.opened()
    trade.naked_since = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    floor.venue.condition = VenueHealth(doubts=("the stream is silent",), halted="key revoked")
    floor.desk.reconciled = False
    floor.clock.pass_seconds(16)
    assert unsafe_reasons(floor.desk, [trade]) == [
        "floor (SIM): the lease has run out",
        "floor (SIM): key revoked",
        "floor (SIM): the stream is silent",
        "floor (SIM): tables and exchange are not reconciled",
        "floor (SIM): BTCUSDT: no stop since 12:30:05 UTC",
    ]
