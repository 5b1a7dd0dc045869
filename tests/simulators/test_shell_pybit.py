"""Any other client: pybit, unchanged, trades on the simulated exchange and hears its streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.simulators.bybit.server import SimServer

pybit = pytest.importorskip("pybit.unified_trading")
exceptions = pytest.importorskip("pybit.exceptions")

WAIT_S = 5.0
BTC = {"category": "linear", "symbol": "BTCUSDT"}


@pytest.fixture(scope="module")
def server() -> Iterator[SimServer]:
    with SimServer(seed=6, usdt=100_000) as running:
        yield running


@pytest.fixture
def http(server: SimServer) -> Iterator[Any]:
    server.knobs.clear()
    session = pybit.HTTP(
        api_key="sim-key", api_secret="sim-secret", timeout=0.6, retry_codes={-999999}
    )
    session.endpoint = server.url
    yield session
    session.client.close()
    server.exchange.user_close("BTCUSDT")
    server.knobs.clear()


@pytest.fixture
def streams(server: SimServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Opens pybit's WebSocket class on the simulator and closes what was opened."""
    monkeypatch.setattr(pybit, "PRIVATE_WSS", f"{server.ws_url}/v5/private")
    monkeypatch.setattr(pybit, "PUBLIC_WSS", f"{server.ws_url}/v5/public/{{CHANNEL_TYPE}}")
    opened: list[Any] = []

    def open_stream(channel: str) -> Any:
        keys = {"api_key": "sim-key", "api_secret": "sim-secret"} if channel == "private" else {}
        # Its reader thread notices its own end only after the ping timeout.
        patience = {"ping_interval": 1, "ping_timeout": 0.3, "private_auth_expire": 10}
        opened.append(pybit.WebSocket(testnet=False, channel_type=channel, **patience, **keys))
        return opened[-1]

    yield open_stream
    for stream in opened:
        # Otherwise it may take its own end for an accident and connect again.
        stream.handle_error = False
        stream.exit()
        stream.wst.join(WAIT_S)


def wait(fits: Callable[[], Any]) -> Any:
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        found = fits()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it never came")


def rows(heard: list[dict[str, Any]], topic: str) -> list[dict[str, Any]]:
    return [row for message in heard if message["topic"] == topic for row in message["data"]]


def test_an_order_is_placed_filled_protected_and_closed(http: Any) -> None:
    placed = http.place_order(
        **BTC, side="Buy", orderType="Market", qty="0.01", orderLinkId="py-1", stopLoss="1000"
    )["result"]
    order = http.get_open_orders(**BTC, orderId=placed["orderId"])["result"]["list"][0]
    assert (order["orderStatus"], order["orderLinkId"]) == ("Filled", "py-1")
    position = http.get_positions(**BTC)["result"]["list"][0]
    assert (position["side"], position["size"], position["stopLoss"]) == ("Buy", "0.01", "1000")
    assert http.set_trading_stop(**BTC, tpslMode="Full", stopLoss="1100", positionIdx=0)
    stops = http.get_open_orders(**BTC, orderFilter="StopOrder")["result"]["list"]
    assert [(stop["stopOrderType"], stop["triggerPrice"]) for stop in stops] == [
        ("StopLoss", "1100")
    ]
    http.place_order(**BTC, side="Sell", orderType="Market", qty="0.01", reduceOnly=True)
    assert http.get_positions(**BTC)["result"]["list"][0]["size"] == "0"
    assert len(http.get_executions(**BTC)["result"]["list"]) >= 2
    with pytest.raises(exceptions.InvalidRequestError) as repeated:
        http.place_order(**BTC, side="Buy", orderType="Market", qty="0.01", orderLinkId="py-1")
    assert repeated.value.status_code == 110072


def test_public_data_is_served_without_a_key(server: SimServer) -> None:
    session = pybit.HTTP()
    session.endpoint = server.url
    assert len(session.get_instruments_info(category="linear")["result"]["list"]) >= 10
    candles = session.get_kline(**BTC, interval="60", limit=1000)["result"]["list"]
    assert len(candles) == 1000
    assert int(candles[0][0]) - int(candles[-1][0]) == 999 * 3_600_000
    assert session.get_tickers(**BTC)["result"]["list"][0]["symbol"] == "BTCUSDT"
    session.client.close()


def test_the_streams_tell_an_order_and_its_stop(
    server: SimServer, http: Any, streams: Callable[..., Any]
) -> None:
    private, heard = streams("private"), list[dict[str, Any]]()
    for topic in ("order", "execution", "position", "wallet"):
        getattr(private, f"{topic}_stream")(heard.append)
    wait(lambda: private.auth)
    time.sleep(0.1)
    price = server.prices.last("BTCUSDT", server.clock.now_ms())
    stop = format((price * Decimal("0.97")).quantize(Decimal("0.1")), "f")
    http.place_order(
        **BTC, side="Buy", orderType="Market", qty="0.01", orderLinkId="py-2", stopLoss=stop
    )
    wait(lambda: any(row["execQty"] == "0.01" for row in rows(heard, "execution")))
    filled = wait(lambda: [r for r in rows(heard, "order") if r["orderLinkId"] == "py-2"])
    assert [row["orderStatus"] for row in filled] == ["Filled"]
    server.exchange.jump("BTCUSDT", price * Decimal("0.96") // 1)
    wait(lambda: any(row["stopOrderType"] == "StopLoss" for row in rows(heard, "execution")))
    wait(lambda: any(row["size"] == "0" for row in rows(heard, "position")))
    wait(lambda: rows(heard, "wallet"))
    server.exchange.jump("BTCUSDT", None)


def test_the_public_streams_tell_prices_and_candles(streams: Callable[..., Any]) -> None:
    public, heard = streams("linear"), list[dict[str, Any]]()
    public.ticker_stream(symbol="BTCUSDT", callback=heard.append)
    public.kline_stream(interval=1, symbol="BTCUSDT", callback=heard.append)
    wait(lambda: {"tickers.BTCUSDT", "kline.1.BTCUSDT"} <= {message["topic"] for message in heard})
    (first, *_) = (message for message in heard if message["topic"] == "tickers.BTCUSDT")
    assert Decimal(first["data"]["lastPrice"]) > 0


def test_pybit_survives_a_broken_connection(
    server: SimServer, http: Any, streams: Callable[..., Any]
) -> None:
    private, heard = streams("private"), list[dict[str, Any]]()
    private.execution_stream(heard.append)
    wait(lambda: private.auth)
    time.sleep(0.1)
    opened = server.hub.opened
    server.knobs.add("ws:private", "reset")
    wait(lambda: server.hub.opened > opened)
    time.sleep(0.2)
    http.place_order(**BTC, side="Buy", orderType="Market", qty="0.01")
    wait(lambda: rows(heard, "execution"))
    assert rows(heard, "execution")[0]["execQty"] == "0.01"


@pytest.mark.parametrize(
    ("fault", "raised", "orders"),
    [
        ("drop_before", requests.exceptions.ReadTimeout, 0),
        ("drop_after", requests.exceptions.ReadTimeout, 1),
        ("reset", requests.exceptions.ConnectionError, 0),
        ("truncated", requests.exceptions.ChunkedEncodingError, 1),
        ("html", exceptions.FailedRequestError, 1),
        ("empty", exceptions.FailedRequestError, 1),
        ("status", exceptions.FailedRequestError, 0),
        ("retcode", exceptions.InvalidRequestError, 0),
        ("rate_limited", exceptions.InvalidRequestError, 0),
        ("slow_answer", requests.exceptions.ReadTimeout, 1),
    ],
)
def test_a_fault_on_the_wire_reaches_pybit(
    server: SimServer, http: Any, fault: str, raised: type[Exception], orders: int
) -> None:
    link_id = f"f-{fault}"
    server.knobs.add("/v5/order/create", fault, match={"orderLinkId": link_id}, ms=900)
    with pytest.raises(raised):
        http.place_order(**BTC, side="Buy", orderType="Market", qty="0.001", orderLinkId=link_id)
    placed = [
        row
        for row in server.exchange.ledger.rows
        if row.get("event") == "accepted" and row["orderLinkId"] == link_id
    ]
    assert len(placed) == orders
