"""The server around it all: controls over HTTP, the stand-alone command, a clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.simulators.bybit.server import SimServer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[SimServer]:
    with SimServer(seed=8, usdt=100_000, accounts=2) as running:
        yield running


def sim(server: SimServer, method: str, address: str, **params: Any) -> Any:
    answer = requests.request(method, f"{server.url}/__sim/{address}", json=params, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


def stop_rows(server: SimServer) -> list[dict[str, Any]]:
    return [row for row in sim(server, "GET", "ledger") if row["kind"] == "stop"]


def test_the_person_in_the_app_opens_protects_and_closes(server: SimServer) -> None:
    opened = sim(server, "POST", "user/order", symbol="BTCUSDT", side="Buy", qty="0.02")
    assert len(opened["orders"]) == 1
    assert sim(server, "GET", "summary")["positions"] == {"BTCUSDT": "0.02"}
    time.sleep(0.05)
    assert sim(server, "GET", "summary")["naked_ms"]["BTCUSDT"] >= 50
    sim(server, "POST", "user/stop", symbol="BTCUSDT", price="1000")
    assert Decimal(stop_rows(server)[-1]["stopLoss"]) == 1000
    sim(server, "POST", "user/leverage", symbol="BTCUSDT", leverage="7")
    sim(server, "POST", "user/close", symbol="BTCUSDT", qty="0.005")
    sim(server, "POST", "user/adl", symbol="BTCUSDT", qty="0.005")
    assert sim(server, "GET", "summary")["positions"] == {"BTCUSDT": "0.01"}
    sim(server, "POST", "user/liquidate", symbol="BTCUSDT")
    assert sim(server, "GET", "summary")["positions"] == {}
    acts = [row["act"] for row in sim(server, "GET", "ledger") if row["kind"] == "user"]
    assert {"order", "leverage", "adl", "liquidation"} <= set(acts)


def test_money_and_modes_can_be_moved(server: SimServer) -> None:
    sim(server, "POST", "user/transfer", amount="-50", uid="1002")
    last = sim(server, "GET", "ledger")[-1]
    assert (last["kind"], last["uid"], last["change"]) == ("wallet", "1002", "-50")
    sim(server, "POST", "user/hedge", hedge=True, uid="1002")
    sim(server, "POST", "user/hedge", hedge=False, uid="1002")
    sim(server, "POST", "user/delist", symbol="DOTUSDT", at_ms=server.clock.now_ms() + 10**9)


def test_a_price_is_set_and_seen_by_the_market(server: SimServer) -> None:
    assert sim(server, "POST", "price", symbol="LTCUSDT", price="77.70")["price"] == "77.7"
    ticker = requests.get(
        f"{server.url}/v5/market/tickers?category=linear&symbol=LTCUSDT", timeout=5
    ).json()
    near = Decimal(ticker["result"]["list"][0]["lastPrice"])
    assert abs(near / Decimal("77.70") - 1) < Decimal("0.01")
    sim(server, "POST", "price", symbol="LTCUSDT", price=None)


def test_thin_liquidity_fills_in_parts(server: SimServer) -> None:
    sim(server, "POST", "liquidity", symbol="ETHUSDT", qty="0.05")
    since = sim(server, "GET", "summary")["rows"]
    sim(server, "POST", "user/order", symbol="ETHUSDT", side="Buy", qty="1")
    rows = requests.get(f"{server.url}/__sim/ledger?since={since}", timeout=5).json()
    filled = [Decimal(row["qty"]) for row in rows if row["kind"] == "execution"]
    assert filled
    assert sum(filled) < 1
    sim(server, "POST", "liquidity", symbol="ETHUSDT", qty=None)
    sim(server, "POST", "user/close", symbol="ETHUSDT")


def test_knobs_are_ordered_listed_and_taken_back(server: SimServer) -> None:
    ordered = sim(
        server, "POST", "knob", endpoint="/v5/market/time", fault="status", status=503, times=2
    )
    assert ordered[0] | {"match": {}} == ordered[0]
    url = f"{server.url}/v5/market/time"
    codes = [requests.get(url, timeout=5).status_code for _ in range(3)]
    assert codes == [503, 503, 200]
    listed = sim(server, "POST", "low_rates", rate=0.01, seed=3, without=["silent"])
    assert "silent" not in {each["fault"] for each in listed}
    assert sim(server, "GET", "state")["knobs"] == listed
    assert sim(server, "DELETE", "knobs") == []


def test_the_venues_clock_can_be_wrong(server: SimServer) -> None:
    before = requests.get(f"{server.url}/v5/market/time", timeout=5).json()["time"]
    sim(server, "POST", "clock", skew_ms=30_000)
    after = requests.get(f"{server.url}/v5/market/time", timeout=5).json()["time"]
    assert 30_000 <= after - before < 35_000
    assert sim(server, "GET", "state")["skew_ms"] == 30_000


def test_a_key_is_spoilt_and_mended(server: SimServer) -> None:
    sim(server, "POST", "user/key", uid="1002", revoked=True, read_only=True, ips=["10.0.0.1"])
    spoilt = server.keyring.of("1002")[0]
    assert (spoilt.revoked, spoilt.read_only, spoilt.ips) == (True, True, ("10.0.0.1",))
    sim(server, "POST", "user/key", uid="1002", revoked=False, read_only=False, ips=[])
    assert server.keyring.find("sim-key-2") is spoilt


def test_a_ban_answers_403_until_it_is_lifted(server: SimServer) -> None:
    sim(server, "POST", "ban", for_ms=60_000)
    url = f"{server.url}/v5/market/time"
    assert requests.get(url, timeout=5).status_code == 403
    sim(server, "POST", "ban", for_ms=0)
    assert requests.get(url, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("address", "params", "status"),
    [
        ("nothing", {}, 404),
        ("user/dance", {}, 404),
        ("knob", {"endpoint": "*", "fault": "earthquake"}, 400),
        ("price", {"symbol": "NOSUCH", "price": "1"}, 400),
        ("user/order", {"symbol": "BTCUSDT", "side": "Buy", "qty": "0"}, 400),
    ],
)
def test_a_wrong_control_is_told(
    server: SimServer, address: str, params: dict[str, Any], status: int
) -> None:
    answer = requests.post(f"{server.url}/__sim/{address}", json=params, timeout=5)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_delayed_request_on_the_wire_is_done_after_its_client_left(server: SimServer) -> None:
    sim(server, "POST", "knob", endpoint="/v5/market/kline", fault="delay", ms=400)
    before = sim(server, "GET", "summary")["requests"].get("GET /v5/market/kline", 0)
    query = "category=linear&symbol=BTCUSDT&interval=1"
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{server.url}/v5/market/kline?{query}", timeout=0.1)
    assert sim(server, "GET", "summary")["requests"].get("GET /v5/market/kline", 0) == before
    time.sleep(0.5)
    assert sim(server, "GET", "summary")["requests"]["GET /v5/market/kline"] == before + 1


def test_it_ends_with_its_connections_and_threads() -> None:
    threads = set(threading.enumerate())
    server = SimServer(seed=1).start()
    server.knobs.add("/v5/market/time", "drop_before")
    waiting = socket.create_connection(("127.0.0.1", server.port))
    waiting.sendall(b"GET /v5/market/time HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.05)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 1.0
    waiting.close()
    assert set(threading.enumerate()) == threads
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"{server.url}/v5/market/time", timeout=1)


def test_a_taken_port_is_told(server: SimServer) -> None:
    with pytest.raises(OSError, match="in use"):
        SimServer(server.port).start()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_starts_answers_and_stops(tmp_path: Path, ending: signal.Signals) -> None:
    ledger = tmp_path / "ledger.jsonl"
    options = f"--port 0 --seed 2 --usdt 5000 --speed 60 --start 2026-01-05T00:00 --ledger {ledger}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulators.bybit", *options.split()],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[2]
        assert line.split()[3:] == [
            f"{url.replace('http', 'ws')}/v5/public/linear",
            f"{url.replace('http', 'ws')}/v5/private",
        ]
        first = requests.get(f"{url}/v5/market/time", timeout=5).json()["time"]
        order = {"symbol": "BTCUSDT", "side": "Buy", "qty": "0.001"}
        requests.post(f"{url}/__sim/user/order", json=order, timeout=5).raise_for_status()
        time.sleep(0.2)
        passed_ms = requests.get(f"{url}/v5/market/time", timeout=5).json()["time"] - first
        assert passed_ms >= 12_000
        assert abs(first - 1_767_571_200_000) < 600_000
        began = time.monotonic()
        process.send_signal(ending)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 1.0
        assert process.communicate()[1] == ""
    finally:
        process.kill()
        process.communicate()
    kinds = {json.loads(row)["kind"] for row in ledger.read_text().splitlines()}
    assert {"order", "execution", "position"} <= kinds
