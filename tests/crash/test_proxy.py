"""Each fault of the proxy, and that it ends when it is told to."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.proxy import FaultProxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.server.heard += data  # type: ignore[attr-defined]
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    heard = b""

    def handle_error(self, request: object, client_address: object) -> None:
        """A reset is what these tests are about."""


class UnixEchoServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    heard = b""


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[FaultProxy]:
    with FaultProxy(("127.0.0.1", echo.server_address[1])) as running:
        yield running


@pytest.fixture
def line(proxy: FaultProxy) -> Iterator[socket.socket]:
    with connected(proxy) as client:
        assert said(client, b"hello") == b"hello"
        yield client


def connected(proxy: FaultProxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def said(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return heard(client, len(data))


def heard(client: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        data = client.recv(65_536)
        if not data:
            break
        found += data
    return found


def silent(client: socket.socket, seconds: float) -> bool:
    client.settimeout(seconds)
    try:
        return client.recv(1) is None
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)


def test_a_sound_line_carries_everything_and_the_end(
    proxy: FaultProxy, echo: EchoServer, line: socket.socket
) -> None:
    data = bytes(range(256)) * 4096
    writer = threading.Thread(target=line.sendall, args=(data,))
    writer.start()
    assert heard(line, len(data)) == data
    writer.join()
    line.shutdown(socket.SHUT_WR)
    assert line.recv(1) == b""
    assert proxy.accepted == 1


def test_latency_delays_both_ways(proxy: FaultProxy, line: socket.socket) -> None:
    proxy.spoil(latency_s=0.1)
    started = time.monotonic()
    assert said(line, b"x") == b"x"
    assert time.monotonic() - started >= 0.2
    proxy.heal()
    started = time.monotonic()
    assert said(line, b"y") == b"y"
    assert time.monotonic() - started < 0.1


def test_bandwidth_is_limited(proxy: FaultProxy, line: socket.socket) -> None:
    proxy.spoil(bandwidth=20_000)
    started = time.monotonic()
    assert len(said(line, b"x" * 6000)) == 6000
    assert 0.25 <= time.monotonic() - started < 3


def test_a_black_hole_holds_everything_back_until_it_ends(
    proxy: FaultProxy, echo: EchoServer, line: socket.socket
) -> None:
    proxy.spoil(blackhole=True)
    line.sendall(b"lost?")
    assert silent(line, 0.2)
    assert echo.heard == b"hello"
    with connected(proxy) as second:
        second.sendall(b"new")
        assert silent(second, 0.1)
        proxy.heal()
        assert heard(second, 3) == b"new"
    assert heard(line, 5) == b"lost?"


def test_half_open_reaches_the_server_and_nothing_comes_back(
    proxy: FaultProxy, echo: EchoServer, line: socket.socket
) -> None:
    proxy.spoil(half_open=True)
    line.sendall(b"order")
    assert silent(line, 0.2)
    assert echo.heard == b"helloorder"
    proxy.heal()
    assert heard(line, 5) == b"order"


def test_refused_means_no_listener_and_no_connections(
    proxy: FaultProxy, line: socket.socket
) -> None:
    proxy.spoil(refuse=True)
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.heal()
    with connected(proxy) as again:
        assert said(again, b"back") == b"back"


def test_a_reset_strikes_what_is_open_and_what_comes(
    proxy: FaultProxy, line: socket.socket
) -> None:
    proxy.spoil(rst=True)
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    with pytest.raises(ConnectionError), connected(proxy) as second:
        second.recv(1)
    proxy.heal()
    with connected(proxy) as third:
        assert said(third, b"ok") == b"ok"


def test_an_answer_is_cut_after_so_many_bytes(
    proxy: FaultProxy, echo: EchoServer, line: socket.socket
) -> None:
    proxy.spoil(cut_after_bytes=4)
    line.sendall(b"answered")
    assert heard(line, 4) == b"answ"
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    assert echo.heard == b"helloanswered"


def test_faults_can_be_combined(proxy: FaultProxy, line: socket.socket) -> None:
    proxy.spoil(latency_s=0.05)
    proxy.spoil(half_open=True)
    line.sendall(b"x")
    assert silent(line, 0.2)
    proxy.spoil(half_open=False)
    started = time.monotonic()
    assert heard(line, 1) == b"x"
    assert said(line, b"y") == b"y"
    assert time.monotonic() - started >= 0.1


def test_a_server_that_is_away_closes_the_line(proxy: FaultProxy, echo: EchoServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        FaultProxy(("127.0.0.1", port)) as alone,
        pytest.raises(ConnectionResetError),
        connected(alone) as client,
    ):
        client.recv(1)


def test_a_unix_socket_can_be_the_target(tmp_path: Path) -> None:
    path = str(tmp_path / "echo.sock")
    with UnixEchoServer(path, Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with FaultProxy(path) as proxy, connected(proxy) as client:
                assert said(client, b"through") == b"through"
        finally:
            server.shutdown()
            thread.join()
