"""Each REST fault does what its name says: to the client, and to the order behind it."""

from __future__ import annotations

from collections import Counter

import pytest
import requests

from tests.simulators.bybit.knobs import REST_FAULTS, WS_FAULTS, Knobs
from tests.simulators.test_shell_requests import ENTRY, START_MS, Client

CREATE = "/v5/order/create"
REALTIME = "/v5/order/realtime"


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize(("fault", "orders"), [("drop_before", 0), ("drop_after", 1)])
def test_a_lost_answer_costs_the_timeout(client: Client, fault: str, orders: int) -> None:
    client.knobs.add(CREATE, fault)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.post(CREATE, ENTRY, timeout=4.0)
    assert client.clock.now_ms() == START_MS + 4000
    assert len(client.orders()) == orders
    assert client.create(orderLinkId="link-2")["retCode"] == 0


def test_a_delayed_request_arrives_after_its_sender_gave_up(client: Client) -> None:
    client.knobs.add(CREATE, "delay", ms=4500)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.post(CREATE, ENTRY, timeout=4.0)
    assert not client.orders()
    client.clock.advance(600)
    assert [row["ms"] for row in client.orders()] == [START_MS + 4502]


def test_a_request_later_than_its_window_is_refused_on_arrival(client: Client) -> None:
    client.knobs.add(CREATE, "delay", ms=6000)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.post(CREATE, ENTRY, timeout=4.0)
    client.clock.advance(3000)
    assert not client.orders()
    request = client.exchange.ledger.rows[-1]
    assert request["kind"] == "request"
    assert "10002" in request["answer"]


def test_a_short_delay_only_takes_time(client: Client) -> None:
    client.knobs.add(CREATE, "delay", ms=700)
    assert client.create()["retCode"] == 0
    assert client.clock.now_ms() == START_MS + 704


def test_a_slow_answer_comes_after_the_work(client: Client) -> None:
    client.knobs.add(CREATE, "slow_answer", ms=5000)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.post(CREATE, ENTRY, timeout=4.0)
    assert [row["ms"] for row in client.orders()] == [START_MS + 2]


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("fault", ["reset", "truncated", "html", "empty", "status", "retcode"])
def test_the_work_may_be_done_behind_any_failure(client: Client, fault: str, applied: bool) -> None:
    client.knobs.add(CREATE, fault, applied=applied)
    try:
        answer = client.post(CREATE, ENTRY)
    except requests.exceptions.ConnectionError:
        assert fault == "reset"
    except requests.exceptions.ChunkedEncodingError:
        assert fault == "truncated"
    else:
        if fault == "status":
            assert answer.status_code == 502
        elif fault == "retcode":
            assert answer.json()["retCode"] == 10016
        else:
            with pytest.raises(requests.exceptions.JSONDecodeError):
                answer.json()
    assert len(client.orders()) == applied


def test_a_code_can_be_chosen(client: Client) -> None:
    client.knobs.add(CREATE, "retcode", code=10000, message="Server Timeout")
    envelope = client.create()
    assert (envelope["retCode"], envelope["retMsg"]) == (10000, "Server Timeout")


def test_an_ordered_rate_limit_looks_like_a_real_one(client: Client) -> None:
    client.knobs.add(CREATE, "rate_limited", ms=800)
    answer = client.post(CREATE, ENTRY)
    assert answer.json()["retCode"] == 10006
    assert answer.headers["X-Bapi-Limit-Status"] == "0"
    assert int(answer.headers["X-Bapi-Limit-Reset-Timestamp"]) == answer.json()["time"] + 800
    assert not client.orders()


def test_a_lagging_read_does_not_know_the_last_moment(client: Client) -> None:
    client.create(orderType="Limit", price="20000", qty="0.001")
    client.knobs.add(REALTIME, "lag_read", times=1, ms=1500)
    query = "category=linear&orderLinkId=link-1&symbol=BTCUSDT"
    assert client.get(REALTIME, query).json()["result"]["list"] == []
    assert len(client.get(REALTIME, query).json()["result"]["list"]) == 1


def test_a_stop_can_be_left_out_in_silence(client: Client) -> None:
    client.knobs.add(CREATE, "sl_ignored")
    assert client.create(stopLoss="20000")["retCode"] == 0
    query = "category=linear&symbol=BTCUSDT"
    row = client.get("/v5/position/list", query).json()["result"]["list"][0]
    assert (row["size"], row["stopLoss"]) == ("0.01", "")


def test_a_fault_strikes_only_where_it_fits_and_as_often_as_ordered(client: Client) -> None:
    client.knobs.add(CREATE, "retcode", times=2, match={"orderLinkId": "bad", "symbol": "BTCUSDT"})
    codes = [
        client.create(orderLinkId=link_id)["retCode"]
        for link_id in ("good", "bad", "better", "bad", "bad")
    ]
    assert codes == [0, 10016, 0, 10016, 0]
    client.knobs.add("/v5/order/*", "retcode", times=-1)
    assert [client.create(orderLinkId=f"c{n}")["retCode"] for n in range(3)] == [10016] * 3
    assert client.get("/v5/position/list", "category=linear&symbol=BTCUSDT").json()["retCode"] == 0
    client.knobs.clear()
    assert client.create(orderLinkId="last")["retCode"] == 0


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault 'silent'"):
        Knobs().add(CREATE, "silent")


def test_low_rates_strike_all_over_and_repeat_with_their_seed() -> None:
    def drawn(seed: int) -> list[tuple[str, ...]]:
        knobs = Knobs()
        knobs.low_rates(0.02, seed, without=["truncated"])
        return [tuple(each.fault for each in knobs.for_request(CREATE, {})) for _ in range(2000)]

    assert drawn(1) == drawn(1) != drawn(2)
    counts = Counter(fault for faults in drawn(1) for fault in faults)
    assert set(counts) == set(REST_FAULTS) - {"truncated"}
    assert all(10 < count < 250 for count in counts.values())


def test_every_socket_fault_can_be_ordered_at_a_low_rate() -> None:
    knobs = Knobs()
    knobs.low_rates(1.0, 1)
    assert all(knobs.take("ws:private", [fault]) for fault in WS_FAULTS)
