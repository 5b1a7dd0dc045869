"""The transport under the door: its odd ends, and what it must not show."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest
import requests
from requests.adapters import BaseAdapter

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.server_time import ServerTime
from exchange.bybit.session import Credentials, NoAnswer, RawAnswer, Wire, _Session
from exchange.market.clock import WallClock
from tests.exchange.bybit.rest_venue import KEY, SECRET, RestVenue, silence

TICKERS = "/v5/market/tickers"


def wire(url: str, adapter: BaseAdapter | None = None) -> Wire:
    clock = WallClock()
    return Wire(url, Credentials(KEY, SECRET), ServerTime(clock), clock, adapter)


def ask(through: Wire, timeout_s: float = 0.4) -> RawAnswer | NoAnswer:
    return through.send(Endpoint.TICKERS, {}, timeout_s=timeout_s, recv_window_ms=5000)


class Broken(BaseAdapter):
    """A transport that fails in a way of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def send(self, *args: object, **kwargs: object) -> requests.Response:
        raise self.error

    def close(self) -> None:
        """Nothing is open."""


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    """The head at once, the body letter by letter."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b"x" * 20_000)
        time.sleep(0.02)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.ConnectTimeout(), NoAnswer("no connection in time", connected=False)),
        (
            requests.exceptions.SSLError(),
            NoAnswer("no secure connection (SSLError)", connected=False),
        ),
        (requests.ReadTimeout(), NoAnswer("no answer in time")),
        (requests.ConnectionError(), NoAnswer("the connection broke (ConnectionError)")),
        (RuntimeError(SECRET), NoAnswer("the connection broke (RuntimeError)")),
    ],
)
def test_failures_are_told_by_their_kind_alone(error: Exception, expected: NoAnswer) -> None:
    through = wire("http://127.0.0.1:9", Broken(error))
    assert ask(through) == expected
    through.close()


def test_plain_answer_to_a_secure_call_is_no_connection(rest_venue: RestVenue) -> None:
    through = wire(rest_venue.url.replace("http", "https"))
    answer = ask(through, timeout_s=2)
    assert isinstance(answer, NoAnswer)
    assert not answer.connected
    through.close()


def test_dripping_body_is_cut_off(rest_venue: RestVenue) -> None:
    rest_venue.then(TICKERS, drip_body)
    through = wire(rest_venue.url)
    started = time.monotonic()
    assert isinstance(ask(through, timeout_s=0.2), NoAnswer)
    assert time.monotonic() - started < 0.7
    through.close()


def test_connection_is_used_again(rest_venue: RestVenue) -> None:
    through = wire(rest_venue.url)
    for _ in range(3):
        assert isinstance(ask(through), RawAnswer)
    assert len({each.port for each in rest_venue.seen}) == 1
    through.close()


def test_closing_while_a_call_is_out_leaves_nothing_open(rest_venue: RestVenue) -> None:
    rest_venue.then(TICKERS, silence(0.2))
    through = wire(rest_venue.url)
    out = threading.Thread(target=ask, args=(through,))
    out.start()
    time.sleep(0.05)
    through.close()
    out.join()
    assert isinstance(ask(through), RawAnswer)
    assert through._idle == []


def test_session_shows_no_secret() -> None:
    clock = WallClock()
    session = _Session(
        "http://127.0.0.1:9", Credentials(KEY, SECRET), ServerTime(clock), clock, None
    )
    assert repr(session) == "_Session(http://127.0.0.1:9)"
    assert session.max_retries == 1
    assert not session.force_retry
    assert session.retry_codes.isdisjoint({10000, 10002, 10006, 10016, 130035})
