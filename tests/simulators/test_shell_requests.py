"""Who is let in: signatures, time rule, keys, limits, envelope - in process, on a virtual clock."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.simulators.bybit.adapter import SimAdapter, VirtualClock
from tests.simulators.bybit.auth import Keyring
from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.knobs import Knobs
from tests.simulators.bybit.limits import Limits
from tests.simulators.bybit.prices import SeededPrices
from tests.simulators.bybit.respond import Responder

START_MS = 1_790_000_000_000
BASE = "http://bybit.test"
ENTRY = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Market",
    "qty": "0.01",
    "orderLinkId": "link-1",
}


class Client:
    """A client written from the exchange's documentation, with everything it can get wrong."""

    def __init__(self, *, accounts: int = 1, ip_requests: int = 600) -> None:
        self.clock = VirtualClock(START_MS)
        self.prices = SeededPrices(5, START_MS, clock=self.clock.now_ms)
        self.exchange = SimExchange(self.clock.now_ms, self.prices, usdt=Decimal(10_000))
        self.knobs = Knobs(1)
        self.keyring = Keyring.for_accounts(accounts)
        self.responder = Responder(
            self.exchange,
            self.keyring,
            self.knobs,
            Limits(self.clock.now_ms, ip_requests=ip_requests),
            self.clock.now_ms,
        )
        self.session = requests.Session()
        self.session.mount(BASE, SimAdapter(self.responder, self.clock, latency_ms=4))
        self.ahead_ms = 0
        self.window = "5000"
        self.key = "sim-key"
        self.secret = "sim-secret"
        self.spoil = ""

    def get(self, path: str, query: str = "", *, timeout: float = 4.0) -> requests.Response:
        url = f"{BASE}{path}?{query}"
        return self.session.get(url, headers=self._headers(query), timeout=timeout)

    def post(self, path: str, params: Any, *, timeout: float = 4.0) -> requests.Response:
        body = json.dumps(params)
        return self.session.post(
            BASE + path, data=body, headers=self._headers(body), timeout=timeout
        )

    def create(self, **changes: Any) -> dict[str, Any]:
        return dict(self.post("/v5/order/create", ENTRY | changes).json())

    def orders(self) -> list[dict[str, Any]]:
        return [row for row in self.exchange.ledger.rows if row.get("event") == "accepted"]

    def _headers(self, payload: str) -> dict[str, str]:
        timestamp = str(self.clock.now_ms() + self.ahead_ms)
        text = timestamp + self.key + self.window + payload
        signed = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {
            "X-BAPI-API-KEY": self.key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": self.window,
            "X-BAPI-SIGN": signed + self.spoil,
        }


@pytest.fixture
def client() -> Client:
    return Client()


WALLET = "/v5/account/wallet-balance"
UNIFIED = "accountType=UNIFIED"


def test_the_envelope_has_the_venues_time(client: Client) -> None:
    answer = client.get(WALLET, UNIFIED)
    envelope = answer.json()
    assert set(envelope) == {"retCode", "retMsg", "result", "retExtInfo", "time"}
    assert (envelope["retCode"], envelope["time"]) == (0, START_MS + 2)
    assert Decimal(envelope["result"]["list"][0]["coin"][0]["walletBalance"]) == 10_000


@pytest.mark.parametrize(
    ("ahead_ms", "code"), [(0, 0), (-5000 + 2, 0), (-5000, 10002), (1001, 0), (1002, 10002)]
)
def test_the_timestamp_rule_has_two_sides(client: Client, ahead_ms: int, code: int) -> None:
    client.ahead_ms = ahead_ms
    envelope = client.get(WALLET, UNIFIED).json()
    assert envelope["retCode"] == code
    if code:
        sent, now = START_MS + ahead_ms, START_MS + 2
        numbers = f"req_timestamp[{sent}],server_timestamp[{now}],recv_window[5000]"
        assert envelope["retMsg"].endswith(numbers)


def test_the_signature_covers_the_bytes_as_sent(client: Client) -> None:
    listed = "category=linear&settleCoin=USDT&cursor=a%3Db%26c"
    assert client.get("/v5/position/list", listed).json()["retCode"] != 10004
    client.spoil = "0"
    envelope = client.get(WALLET, UNIFIED).json()
    assert envelope["retCode"] == 10004
    assert envelope["retMsg"] == f"error sign! origin_string[{START_MS + 4}sim-key5000{UNIFIED}]"
    assert client.create()["retCode"] == 10004
    assert not client.orders()


@pytest.mark.parametrize(
    ("fault", "value", "code"),
    [("revoked", True, 10003), ("expired", True, 33004), ("ips", ("10.1.1.1",), 10010)],
)
def test_a_key_can_be_refused(client: Client, fault: str, value: Any, code: int) -> None:
    setattr(client.keyring.of("1001")[0], fault, value)
    assert client.get(WALLET, UNIFIED).json()["retCode"] == code


def test_a_reading_key_reads_only(client: Client) -> None:
    client.keyring.of("1001")[0].read_only = True
    assert client.get(WALLET, UNIFIED).json()["retCode"] == 0
    assert client.create()["retCode"] == 10005


def test_an_unknown_key_is_refused_and_public_data_needs_none(client: Client) -> None:
    client.key = "nobody"
    assert client.get(WALLET, UNIFIED).json()["retCode"] == 10003
    assert client.session.get(f"{BASE}/v5/market/time").json()["retCode"] == 0


def test_a_body_that_is_no_object_is_a_parameter_error(client: Client) -> None:
    assert client.post("/v5/order/create", ["what"]).json()["retCode"] == 10001


def test_each_account_has_its_own_key_and_balance() -> None:
    client = Client(accounts=2)
    client.create()
    client.key = "sim-key-2"
    positions = client.get("/v5/position/list", "category=linear&settleCoin=USDT").json()
    assert positions["result"]["list"] == []


def test_the_eleventh_order_of_a_second_is_refused_with_headers(client: Client) -> None:
    answers = [
        client.post("/v5/order/create", ENTRY | {"orderLinkId": f"a{n}", "qty": "0.001"})
        for n in range(11)
    ]
    left = [answer.headers["X-Bapi-Limit-Status"] for answer in answers]
    assert left == ["9", "8", "7", "6", "5", "4", "3", "2", "1", "0", "0"]
    assert {answer.headers["x-bapi-limit"] for answer in answers} == {"10"}
    refused = answers[-1].json()
    assert (refused["retCode"], refused["retMsg"]) == (10006, "Too many visits!")
    resets = int(answers[-1].headers["X-Bapi-Limit-Reset-Timestamp"])
    assert refused["time"] < resets <= refused["time"] + 1000
    assert len(client.orders()) == 10
    client.clock.advance(resets - client.clock.now_ms())
    assert client.create()["retCode"] == 0


def test_reads_have_their_own_larger_budget(client: Client) -> None:
    answer = client.get(WALLET, UNIFIED)
    assert answer.headers["X-Bapi-Limit"] == "50"
    assert client.get("/v5/account/transaction-log", UNIFIED).headers["X-Bapi-Limit"] == "25"


def test_too_many_requests_of_one_address_ban_it_for_ten_minutes() -> None:
    client = Client(ip_requests=5)
    times = [client.session.get(f"{BASE}/v5/market/time").status_code for _ in range(6)]
    assert times == [200] * 5 + [403]
    client.clock.advance(9 * 60_000)
    assert client.get(WALLET, UNIFIED).status_code == 403
    client.clock.advance(61_000)
    assert client.get(WALLET, UNIFIED).status_code == 200


def test_what_is_due_happens_at_its_own_instant() -> None:
    clock, seen = VirtualClock(1000), list[int]()
    clock.call_at(1500, lambda: seen.append(clock.now_ms()))
    clock.call_at(1200, lambda: seen.append(clock.now_ms()))
    clock.advance(499)
    assert seen == [1200]
    clock.advance(501)
    assert (seen, clock.now_ms()) == ([1200, 1500], 2000)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
